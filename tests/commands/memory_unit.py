"""A unit of work over dictionaries: what the event store promises to a command, for one tenant."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from commands.unit_of_work import AlreadyExists, NameRange, NumberBeforeSeries, Unit
from ledger.event_registry import Event, New, decode, encode
from ledger.ids import stable_id
from ledger.streams import STREAMS, decode_state, encode_state

TENANT = UUID(int=1)


class MemoryUnit:
    """Streams by kind and id. Each command is `run`: it is kept whole, or, when it is refused, not at all.

    Appended events and states go through their stored form, so that a command sees what a later one would load.
    """

    def __init__(self, now: datetime = datetime(2024, 3, 1, 12, tzinfo=UTC)) -> None:
        self.tenant_id = TENANT
        self.now = now
        self.actor = "key:1"
        self.commands = 0
        self.snapshots: dict[UUID, tuple[str, bytes]] = {}
        self.log: list[tuple[str, UUID, New]] = []
        self.names: dict[tuple[str, str], UUID] = {}
        self.series: dict[tuple[str, str], tuple[int, date]] = {}
        self.tenants: set[str] = set()
        self.keys: dict[UUID, bytes] = {}

    @property
    def command_id(self) -> UUID:
        return stable_id("command", str(self.commands))

    def run(self, handler: Any, *arguments: Any) -> Any:
        """The answer of `handler(unit, *arguments)`; a refusal leaves nothing behind."""
        self.commands += 1
        before = {name: _copied(value) for name, value in vars(self).items()}
        unit: Unit = self
        try:
            return handler(unit, *arguments)
        except BaseException:
            vars(self).update(before)
            raise

    def events(self, kind: str, stream_id: UUID | None = None) -> list[Event]:
        """The events of a stream, or of every stream of a kind."""
        return [
            new.event for found, one, new in self.log if found == kind and stream_id in (None, one)
        ]

    def state(self, kind: str, stream_id: UUID) -> Any:
        found = self.find(kind, stream_id)
        assert found is not None
        return found

    def new_id(self, *parts: str) -> UUID:
        return stable_id(self.command_id, *parts)

    def find(self, kind: str, stream_id: UUID) -> Any | None:
        found = self.snapshots.get(stream_id)
        return decode_state(kind, found[1]) if found is not None and found[0] == kind else None

    def expect(self, stream_ids: Iterable[UUID]) -> None:
        """Every stream is at hand."""

    def payable(self, customer_id: UUID) -> list[tuple[UUID, Any]]:
        facts = STREAMS["invoice"].facts
        invoices = [
            (stream_id, decode_state(kind, data))
            for stream_id, (kind, data) in self.snapshots.items()
            if kind == "invoice"
        ]
        return [one for one in invoices if facts(one[1]).payer_id == customer_id]

    def append(self, kind: str, stream_id: UUID, events: Iterable[New]) -> Any:
        state = self.find(kind, stream_id)
        for event, effective_on in events:
            stored = decode(event.TAG, encode(event))
            state = STREAMS[kind].evolve(state, stored, effective_on)
            self.log.append((kind, stream_id, New(stored, effective_on)))
        if state is not None:
            self.snapshots[stream_id] = (kind, encode_state(state))
        return state

    def claim(self, kind: str, name: str, stream_id: UUID) -> None:
        if self.names.setdefault((kind, name), stream_id) != stream_id:
            raise AlreadyExists(f"the {kind} {name!r} is in use")

    def named(self, kind: str, name: str) -> UUID | None:
        return self.names.get((kind, name))

    def in_use(self, kind: str, names: Sequence[str]) -> set[str]:
        return {name for name in names if (kind, name) in self.names}

    def holders(self, names: NameRange) -> dict[str, UUID]:
        return {
            name: holder
            for (kind, name), holder in self.names.items()
            if kind == names.kind and names.first <= name <= names.last
        }

    def next_number(self, kind: str, series: str, issued_on: date, *, yearly: bool = False) -> int:
        number, last_issued_on = self.series.get((kind, series), (1, date.min))
        if issued_on < last_issued_on:
            raise NumberBeforeSeries(f"series {series} stands at {last_issued_on}")
        return 1 if yearly and issued_on.year != last_issued_on.year else number

    def take_number(self, kind: str, series: str, number: int, issued_on: date) -> None:
        self.series[kind, series] = (number + 1, issued_on)

    def encrypt(self, customer_id: UUID, text: str) -> str:
        return f"encrypted:1:{customer_id.hex}:{text.encode().hex()}" if text else ""

    def fingerprint(self, customer_id: UUID, text: str) -> str:
        return sha256(customer_id.bytes + text.encode()).hexdigest()[:24]

    def register_tenant(self, name: str) -> None:
        if name in self.tenants:
            raise AlreadyExists(f"there is a tenant named {name!r}", field="name")
        self.tenants.add(name)

    def store_key(self, key_id: UUID, key_hash: bytes, name: str, role: str) -> None:
        self.keys[key_id] = key_hash

    def revoke_key(self, key_id: UUID) -> None:
        del self.keys[key_id]


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, dict | list | set) else value
