"""Folding the log in stream order, in pieces of any size."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import astuple

from ledger.customer import CreditAdded, Registered
from ledger.event_registry import Event, encode
from projections.customers.fold import CUSTOMERS
from projections.engine.log import Logged
from projections.rebuild.backfill import Chunk, StreamFolder

TENANT = UUID(int=9).bytes
DAY = date(2026, 3, 2)


def logged(position: int, stream: int, version: int, event: Event, data: bytes = b"") -> Logged:
    body = data or encode(event)
    row: Any = (position, TENANT, UUID(int=stream).bytes, version, position, event.TAG, DAY, body)
    return row


def log() -> list[Logged]:
    added = CreditAdded("USD", 500, "more was paid than was owed", None)
    return [
        logged(1, 1, 1, Registered(reference="C-1")),
        logged(2, 1, 2, added),
        logged(3, 1, 3, added),
        logged(4, 2, 1, Registered(reference="C-2"), b"{"),
        logged(5, 2, 2, added),
        logged(6, 3, 1, Registered(reference="C-3")),
        logged(8, 3, 3, added),
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_pieces_of_any_size_come_to_the_same(size: int) -> None:
    """The second stream cannot be read and the third lacks an event: both are left for another try."""
    folder, chunk = StreamFolder(None, CUSTOMERS), Chunk()  # type: ignore[arg-type]
    events = log()
    for start in range(0, len(events), size):
        folder.take(events[start : start + size], chunk)
    folder.close(chunk)

    (done,) = chunk.done
    assert astuple(done.row)[:3] == (TENANT, UUID(int=1).bytes, 3)
    assert chunk.again == [(TENANT, UUID(int=n).bytes) for n in (2, 3)]
    assert (chunk.events, chunk.last) == (7, (TENANT, UUID(int=3).bytes))
