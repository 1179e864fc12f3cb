"""The right to run the shard's clock, for as long as a command needs it."""

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Iterator

from adapters.wiring import Books
from schedulers.ports import ClockTaken, Lease

WAIT_SECONDS = 90.0  # longer than the lease of a runner that was killed
ASK_EVERY_SECONDS = 0.5


def holder_name() -> str:
    """This process, as the lease names it."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


@contextlib.contextmanager
def held_clock(books: Books) -> Iterator[Lease]:
    """The clock's lease; another runner's days are waited for. Raises ClockTaken when it keeps it, ClockNotTrusted."""
    books.guard.require()
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            lease = books.clock.acquire(holder_name())
            break
        except ClockTaken:
            if time.monotonic() > deadline:
                raise
            time.sleep(ASK_EVERY_SECONDS)
    try:
        yield lease
    finally:
        books.clock.release(lease)
