"""A tenant's streams read back from the store, in the shape that the invariants of commands look at."""

from uuid import UUID

from adapters.store import reading, snapshots
from adapters.wiring import Books
from ledger.streams import encode_state, fold
from tests.commands.memory_unit import MemoryUnit


def unit_of(books: Books, tenant_id: UUID) -> MemoryUnit:
    """Every stream folded from its events; each stored snapshot is the same."""
    unit = MemoryUnit()
    streams: dict[UUID, tuple[str, list[tuple[object, object]]]] = {}
    with books.reading(tenant_id) as connection:
        for stored in reading.every_event(connection, tenant_id):
            kind, told = streams.setdefault(stored.stream_id, (stored.stream, []))
            told.append((stored.event, stored.effective_on))
        for stream_id, (kind, told) in streams.items():
            state = fold(kind, told)
            snapshot = snapshots.read(connection, tenant_id, kind, stream_id)
            assert snapshot == (len(told), state)
            unit.snapshots[stream_id] = (kind, encode_state(state))
    return unit
