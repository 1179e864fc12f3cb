"""The unit of work of one command, over what its group has loaded (`commands.unit_of_work.Unit`)."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.store import unique_names
from adapters.store.append import Statement
from adapters.store.encryption import Owner
from adapters.store.envelope import Recorded
from adapters.store.group_view import GroupView
from adapters.store.numbering import Series, SeriesKey
from adapters.store.requests import Request
from adapters.store.snapshots import Loaded
from adapters.store.unique_names import NameKey
from commands.unit_of_work import AlreadyExists, NameRange, NumberBeforeSeries, Unit
from ledger.errors import Conflict
from ledger.event_registry import Event, New
from ledger.ids import derived_id, stable_id
from ledger.streams import STREAMS

INSERT_TENANT = "INSERT INTO duebook.tenants (tenant_id, shard_id, name) VALUES (%s, 's1', %s)"
INSERT_API_KEY = """
INSERT INTO duebook.api_keys (key_hash, tenant_id, key_id, name, role, created_at)
VALUES (%s, %s, %s, %s, %s, %s)
"""
REVOKE_API_KEY = """
UPDATE duebook.api_keys SET revoked_at = %s
 WHERE tenant_id = %s AND key_id = %s AND revoked_at IS NULL
"""


class WrongStream(Conflict):
    """The id belongs to a stream of another kind."""


class StoreUnit(Unit):
    """One command's unit of work. Its changes reach the group's view only when the command was not refused."""

    def __init__(
        self,
        view: GroupView,
        request: Request,
        command_id: UUID,
        now: datetime,
    ) -> None:
        self._view = view
        self._request = request
        self._tenant_id = request.tenant_id
        self._command_id = command_id
        self._now = now
        self._changed: dict[UUID, Loaded] = {}
        self._series: dict[SeriesKey, Series] = {}
        self.appended: list[Recorded] = []
        self.names: dict[NameKey, UUID] = {}
        self._free_names: set[NameKey] = set()
        self._known_ranges: list[NameRange] = []
        self.new_keys: dict[Owner, tuple[AESGCM, bytes]] = {}
        self.api_keys: list[Callable[[datetime], Statement]] = []

    @property
    def tenant_id(self) -> UUID:
        return self._tenant_id

    @property
    def now(self) -> datetime:
        return self._now

    @property
    def command_id(self) -> UUID:
        return self._command_id

    @property
    def actor(self) -> str:
        return self._request.actor

    def new_id(self, *parts: str) -> UUID:
        if self._request.key is not None:
            return stable_id(self._command_id, *parts)
        return derived_id(self._now.date(), self._command_id, *parts)

    def find(self, kind: str, stream_id: UUID) -> Any | None:
        loaded = self._loaded(stream_id)
        # An id of another kind of stream names nothing of this kind.
        return loaded.state if loaded.kind == kind else None

    def expect(self, stream_ids: Iterable[UUID]) -> None:
        self._view.load((self._tenant_id, stream_id) for stream_id in stream_ids)

    def payable(self, customer_id: UUID) -> list[tuple[UUID, Any]]:
        owner = (self._tenant_id, customer_id)
        ids = self._view.load_payable(owner)
        # What this group has appended may have opened or closed invoices since.
        touched = {
            stream_id for tenant_id, stream_id in self._view.changed if tenant_id == self._tenant_id
        } | set(self._changed)
        found: list[tuple[UUID, Any]] = []
        for stream_id in ids | touched:
            loaded = self._loaded(stream_id)
            if loaded.kind == "invoice" and loaded.state is not None:
                payer = STREAMS["invoice"].facts(loaded.state).payer_id
                if payer == customer_id:
                    found.append((stream_id, loaded.state))
        return found

    def append(self, kind: str, stream_id: UUID, events: Iterable[New]) -> Any:
        loaded = self._loaded(stream_id)
        if loaded.state is not None and loaded.kind != kind:
            raise WrongStream(f"{stream_id} is a {loaded.kind}, not a {kind}")
        evolve = STREAMS[kind].evolve
        version, state = loaded.version, loaded.state
        for event, effective_on in events:
            version += 1
            state = evolve(state, event, effective_on)
            self.appended.append(self._recorded(stream_id, version, event, effective_on))
        self._changed[stream_id] = Loaded(kind, loaded.stored_version, version, state)
        return state

    def claim(self, kind: str, name: str, stream_id: UUID) -> None:
        holder = self.named(kind, name)
        if holder == stream_id:
            return
        if holder is not None:
            raise AlreadyExists(f"the {kind.replace('_', ' ')} {name!r} is in use")
        self.names[self._tenant_id, kind, name] = stream_id

    def named(self, kind: str, name: str) -> UUID | None:
        key = (self._tenant_id, kind, name)
        if key in self.names:
            return self.names[key]
        if key in self._view.names:
            return self._view.names[key]
        for names in self._known_ranges:
            if kind == names.kind and names.first <= name <= names.last:
                return self._view.holders[self._tenant_id, names].get(name)
        # Asked once: who finds a name free and then claims it must not meet another process in between. The insert
        # at the end tells, and the command is decided again.
        if key in self._free_names:
            return None
        holder = unique_names.holder(self._view.connection, key)
        if holder is None:
            self._free_names.add(key)
        return holder

    def in_use(self, kind: str, names: Sequence[str]) -> set[str]:
        used = unique_names.in_use(self._view.connection, self._tenant_id, kind, names)
        for name in names:
            key = (self._tenant_id, kind, name)
            if key in self.names or key in self._view.names:
                used.add(name)
            elif name not in used:
                self._free_names.add(key)
        return used

    def holders(self, names: NameRange) -> dict[str, UUID]:
        key = (self._tenant_id, names)
        self._view.load_holders([key])
        self._known_ranges.append(names)
        found = dict(self._view.holders[key])
        for claimed in (self._view.names, self.names):
            for (tenant_id, kind, name), holder in claimed.items():
                if (tenant_id, kind) == (self._tenant_id, names.kind) and (
                    names.first <= name <= names.last
                ):
                    found[name] = holder
        return found

    def next_number(self, kind: str, series: str, issued_on: date, *, yearly: bool = False) -> int:
        known = self._known_series((self._tenant_id, kind, series))
        if issued_on < known.last_issued_on:
            raise NumberBeforeSeries(
                f"series {series} has given out a number for {known.last_issued_on}; "
                f"an invoice issued on {issued_on} would break its order",
                field="issued_on",
            )
        if yearly and issued_on.year != known.last_issued_on.year:
            return 1
        return known.next_number

    def take_number(self, kind: str, series: str, number: int, issued_on: date) -> None:
        key = (self._tenant_id, kind, series)
        stored = self._known_series(key).stored
        self._series[key] = Series(stored, number + 1, issued_on)

    def encrypt(self, customer_id: UUID, text: str) -> str:
        if not text:
            return ""
        owner = (self._tenant_id, customer_id)
        return self._view.cipher.encrypt(self._key_of(owner), owner, text)

    def fingerprint(self, customer_id: UUID, text: str) -> str:
        owner = (self._tenant_id, customer_id)
        found = self._view.fingerprints.get((owner, text))
        if found is None:
            found = self._view.cipher.fingerprint(self._key_of(owner), text)
            if owner in self._view.keys:  # one that this command makes may be lost with it
                self._view.fingerprints[owner, text] = found
        return found

    def register_tenant(self, name: str) -> None:
        row = self._view.connection.execute(
            "SELECT tenant_id FROM duebook.tenants WHERE name = %s", (name,)
        ).fetchone()
        if row is not None:
            raise AlreadyExists(
                f"there is a tenant named {name!r}; choose another name", field="name"
            )
        values = (self._tenant_id, name)
        self.api_keys.append(
            lambda _: Statement(INSERT_TENANT, values, 1, "a tenant took the name")
        )

    def store_key(self, key_id: UUID, key_hash: bytes, name: str, role: str) -> None:
        values = (key_hash, self._tenant_id, key_id, name, role)
        self.api_keys.append(
            lambda now: Statement(INSERT_API_KEY, (*values, now), 1, "a key was made")
        )

    def revoke_key(self, key_id: UUID) -> None:
        values = (self._tenant_id, key_id)
        self.api_keys.append(
            lambda now: Statement(REVOKE_API_KEY, (now, *values), 1, "a key was revoked")
        )

    def keep(self) -> None:
        """Hands what this command decided to the group's view."""
        view = self._view
        for stream_id, loaded in self._changed.items():
            view.streams[self._tenant_id, stream_id] = loaded
            view.changed.add((self._tenant_id, stream_id))
        view.series.update(self._series)
        view.names.update(self.names)
        view.keys.update({owner: key for owner, (key, _) in self.new_keys.items()})

    def _key_of(self, owner: Owner) -> AESGCM:
        """The customer's key; made at its first use."""
        if owner in self.new_keys:
            return self.new_keys[owner][0]
        self._view.load_keys([owner])
        found = self._view.keys.get(owner)
        if found is None:
            self.new_keys[owner] = self._view.cipher.new_key(owner)
            found = self.new_keys[owner][0]
        return found

    def _loaded(self, stream_id: UUID) -> Loaded:
        changed = self._changed.get(stream_id)
        if changed is not None:
            return changed
        key = (self._tenant_id, stream_id)
        loaded = self._view.streams.get(key)
        if loaded is None:
            self._view.load([key])
            loaded = self._view.streams[key]
        return loaded

    def _recorded(
        self, stream_id: UUID, version: int, event: Event, effective_on: date
    ) -> Recorded:
        request = self._request
        return Recorded(
            originator_id=stream_id,
            originator_version=version,
            event=event,
            tenant_id=self._tenant_id,
            effective_on=effective_on,
            actor=request.actor,
            command_id=self._command_id,
            correlation_id=request.correlation_id,
            causation_id=request.causation_id,
        )

    def _known_series(self, key: SeriesKey) -> Series:
        return self._series.get(key) or self._view.series_of(key)


def new_command_id(tenant_id: UUID, key: str | None) -> UUID:
    """The id of a command: the same for a repeated idempotency key, else new."""
    return stable_id(tenant_id, "command", key) if key is not None else uuid4()
