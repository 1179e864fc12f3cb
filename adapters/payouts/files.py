"""Payouts as files: one JSON file for each refund, for a program or a person to pay out.

A file appears whole or not at all, is on the disk before it is said to be handed over, and is never replaced. Files
hold where money goes, in the clear: the folders are their owner's alone.
"""

import contextlib
import os
import tempfile
from pathlib import Path

import msgspec

from schedulers.refund_payouts import HandedOver, Instruction, NotHandedOver, Outcome

PROVIDER = "file"


class FilePayout:
    """Writes `<folder>/<tenant>/<refund_id>.json`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def hand_over(self, instruction: Instruction) -> Outcome:
        """A file with this content there already was handed over already; with another one, a person must look."""
        name = f"{instruction.refund_id}.json"
        content = msgspec.json.encode(instruction) + b"\n"
        try:
            folder = self._folder_of(str(instruction.tenant_id))
            _put(folder / name, content)
            found = (folder / name).read_bytes()
            _sync(folder)
        except OSError as error:
            return NotHandedOver(f"cannot write the file: {error.strerror}", unknown=True)
        if found != content:
            return NotHandedOver(f"{name} is there with other content", unknown=True)
        return HandedOver(PROVIDER, name)

    def _folder_of(self, tenant: str) -> Path:
        for folder in (self._folder, self._folder / tenant):
            if not folder.is_dir():
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                _sync(folder.parent)
        return self._folder / tenant


def _put(target: Path, content: bytes) -> None:
    """Puts content under a name, unless the name is taken. What a killed run has left aside is removed."""
    number, aside = tempfile.mkstemp(prefix=f".{target.stem}.", dir=target.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # Another runner that was first has tidied up, and taken the file aside away.
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            os.link(aside, target)
    finally:
        for left in target.parent.glob(f".{target.stem}.*"):
            left.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Puts a folder's names on the disk."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
