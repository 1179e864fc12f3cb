"""Files that appear whole or not at all, and are on the disk before anybody relies on them."""

import contextlib
import os
import tempfile
from pathlib import Path


def put(target: Path, content: bytes) -> None:
    """Puts content under a name, unless the name is taken. What a killed run has left under other names is removed."""
    number, written = tempfile.mkstemp(prefix=f".{target.stem}.", dir=target.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # Another run that was first has tidied up, and removed what this one has written.
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            os.link(written, target)
    finally:
        for left in target.parent.glob(f".{target.stem}.*"):
            left.unlink(missing_ok=True)


def make_folder(folder: Path) -> Path:
    """Makes a folder that is its owner's alone, and those above it, where they are missing."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        sync(folder.parent)
    return folder


def sync(folder: Path) -> None:
    """Puts a folder's names on the disk."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
