"""Messages as files: a mail that any mail program opens, in a folder of its day. Nothing leaves the machine.

Files hold decrypted personal data, so only their owner can open the folders.
"""

import asyncio
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from adapters.durable_files import make_folder, put, sync
from schedulers.delivery import Connection, NotTaken, Outcome, Outgoing, Taken

FOLDER = "outbox"


class FileSender:
    """Writes `<folder>/<date>/<message_id>.eml`; a message that is there already was sent already."""

    key = "file"
    sender_id: UUID | None = None
    sent_from = "no-reply@duebook.localhost"
    return_domain = ""
    recognises_repeats = True
    connections = 8
    pause_seconds = 0.0
    max_per_second = 0

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def connect(self) -> Connection:
        return FileConnection(self._folder)


class FileConnection:
    """Writes one file at a time."""

    is_open = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def open(self) -> None:
        """There is nothing to open."""

    async def send(self, outgoing: Outgoing) -> Outcome:
        return await asyncio.to_thread(self._write, outgoing)

    async def close(self) -> None:
        """There is nothing to close."""

    def _write(self, outgoing: Outgoing) -> Outcome:
        reference = f"{outgoing.folder}/{outgoing.message_id}.eml"
        try:
            folder = make_folder(self._folder / outgoing.folder)
            put(self._folder / reference, outgoing.content)
            written = (self._folder / reference).read_bytes()
            sync(folder)
        except OSError as error:
            return NotTaken(f"cannot write the file: {error.strerror}")
        return Taken(reference, sha256(written).hexdigest())
