"""Payouts as files: one JSON file for each refund, for a program or a person to pay out.

A file appears whole or not at all, is on the disk before it is said to be handed over, and is never replaced. Files
hold where money goes, in the clear: the folders are their owner's alone.
"""

from pathlib import Path

import msgspec

from adapters.durable_files import make_folder, put, sync
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
            folder = make_folder(self._folder / str(instruction.tenant_id))
            put(folder / name, content)
            found = (folder / name).read_bytes()
            sync(folder)
        except OSError as error:
            return NotHandedOver(f"cannot write the file: {error.strerror}", unknown=True)
        if found != content:
            return NotHandedOver(f"{name} is there with other content", unknown=True)
        return HandedOver(PROVIDER, name)
