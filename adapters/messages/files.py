"""Messages as files: a mail that any mail program opens, in a folder of its day. Nothing leaves the machine.

Files hold decrypted personal data, so only their owner can open the folders.
"""

from hashlib import sha256
from pathlib import Path

from adapters.durable_files import make_folder, put, sync
from schedulers.outbox import NotTaken, Outcome, Outgoing, Taken

FOLDER = "outbox"


class FileSender:
    """Writes `<folder>/<date>/<message_id>.eml`; a message that is there already was sent already."""

    name = "file"
    recognises_repeats = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, outgoing: Outgoing) -> Outcome:
        reference = f"{outgoing.folder}/{outgoing.message_id}.eml"
        try:
            folder = make_folder(self._folder / outgoing.folder)
            put(self._folder / reference, outgoing.content)
            written = (self._folder / reference).read_bytes()
            sync(folder)
        except OSError as error:
            return NotTaken(f"cannot write the file: {error.strerror}")
        return Taken(reference, sha256(written).hexdigest())
