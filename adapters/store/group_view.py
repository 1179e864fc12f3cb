"""What a group of commands sees of the store: each stream, name and series loaded once, with what has been decided so
far."""

from collections.abc import Iterable
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.store import numbering, unique_names
from adapters.store.encryption import Owner, PersonalDataCipher
from adapters.store.numbering import Series, SeriesKey
from adapters.store.snapshots import Loaded, state_of
from adapters.store.unique_names import NameKey, RangeKey
from projections.engine import postgres_binary

StreamKey = tuple[UUID, UUID]
"""(tenant, stream)"""

SELECT_SNAPSHOTS = """
SELECT snapshot.tenant_id, snapshot.stream_id, snapshot.stream, snapshot.version, snapshot.fold_version, snapshot.state
  FROM snapshots AS snapshot
  JOIN unnest(%s::uuid[], %s::uuid[]) AS wanted (tenant_id, stream_id)
    ON snapshot.tenant_id = wanted.tenant_id AND snapshot.stream_id = wanted.stream_id
"""
SELECT_PAYABLE = """
SELECT snapshot.tenant_id, snapshot.payer_id, snapshot.stream_id, snapshot.stream, snapshot.version,
       snapshot.fold_version, snapshot.state
  FROM snapshots AS snapshot
  JOIN unnest(%s::uuid[], %s::uuid[]) AS wanted (tenant_id, payer_id)
    ON snapshot.tenant_id = wanted.tenant_id AND snapshot.payer_id = wanted.payer_id
"""


class Asked(NamedTuple):
    """A query for streams, or for what customers owe, that was sent; no cursor when there was nothing to ask for."""

    keys: list[tuple[UUID, UUID]]
    cursor: psycopg.Cursor[Any] | None


class GroupView:
    """What a group has loaded. Each command's unit of work reads it and adds what it decided (`StoreUnit.keep`)."""

    def __init__(self, connection: psycopg.Connection[Any], cipher: PersonalDataCipher) -> None:
        self.connection = connection
        self.cipher = cipher
        self.streams: dict[StreamKey, Loaded] = {}
        self.series: dict[SeriesKey, Series] = {}
        self.names: dict[NameKey, UUID] = {}
        self.keys: dict[Owner, AESGCM] = {}
        self.payable: dict[Owner, set[UUID]] = {}
        self.changed: set[StreamKey] = set()
        self.holders: dict[RangeKey, dict[str, UUID]] = {}
        self.fingerprints: dict[tuple[Owner, str], str] = {}

    def load(self, wanted: Iterable[StreamKey]) -> None:
        """Loads streams in one query; those that do not exist are remembered as such."""
        self.take(self.ask(wanted))

    def ask(self, wanted: Iterable[StreamKey]) -> Asked:
        """Sends the query for streams that are not loaded yet; in a pipeline, without waiting for its answer."""
        missing = [key for key in dict.fromkeys(wanted) if key not in self.streams]
        if not missing:
            return Asked(missing, None)
        tenants = postgres_binary.uuids([tenant.bytes for tenant, _ in missing])
        streams = postgres_binary.uuids([stream.bytes for _, stream in missing])
        return Asked(missing, self.connection.execute(SELECT_SNAPSHOTS, (tenants, streams)))

    def take(self, asked: Asked) -> None:
        """Takes the answer of `ask`."""
        if asked.cursor is None:
            return
        rows = asked.cursor.fetchall()
        for key in asked.keys:
            self.streams[key] = Loaded("", 0, 0, None)
        for tenant_id, stream_id, kind, version, fold_version, data in rows:
            state = state_of(self.connection, kind, tenant_id, stream_id, fold_version, data)
            self.streams[tenant_id, stream_id] = Loaded(kind, version, version, state)

    def load_keys(self, owners: Iterable[Owner]) -> None:
        """Loads customers' keys in one query."""
        missing = [owner for owner in dict.fromkeys(owners) if owner not in self.keys]
        if missing:
            self.keys.update(self.cipher.stored_keys(self.connection, missing))

    def load_holders(self, wanted: Iterable[RangeKey]) -> None:
        """Looks up who holds names of these ranges in one query."""
        missing = [key for key in dict.fromkeys(wanted) if key not in self.holders]
        if missing:
            self.holders.update(unique_names.holders(self.connection, missing))

    def load_payable(self, owner: Owner) -> set[UUID]:
        """The invoices that could take a customer's money when the group first asked."""
        self.take_payable(self.ask_payable([owner]))
        return self.payable[owner]

    def ask_payable(self, wanted: Iterable[Owner]) -> Asked:
        """Sends the query for the invoices that can take the money of customers, as `ask` does."""
        missing = [owner for owner in dict.fromkeys(wanted) if owner not in self.payable]
        if not missing:
            return Asked(missing, None)
        tenants = postgres_binary.uuids([tenant.bytes for tenant, _ in missing])
        payers = postgres_binary.uuids([payer.bytes for _, payer in missing])
        return Asked(missing, self.connection.execute(SELECT_PAYABLE, (tenants, payers)))

    def take_payable(self, asked: Asked) -> None:
        """Takes the answer of `ask_payable`. A stream that is loaded already stays as it is."""
        if asked.cursor is None:
            return
        for owner in asked.keys:
            self.payable[owner] = set()
        for tenant_id, payer_id, stream_id, kind, version, fold_version, data in asked.cursor:
            self.payable[tenant_id, payer_id].add(stream_id)
            if (tenant_id, stream_id) not in self.streams:
                state = state_of(self.connection, kind, tenant_id, stream_id, fold_version, data)
                self.streams[tenant_id, stream_id] = Loaded(kind, version, version, state)

    def series_of(self, key: SeriesKey) -> Series:
        """A number series as the group has it so far."""
        return self.series.get(key) or numbering.read(self.connection, key)
