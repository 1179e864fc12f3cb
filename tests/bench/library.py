"""The library's own recorder, filling the ledger's own table.

To compare like with like, `eventsourcing.postgres.PostgresApplicationRecorder` is used as it comes (pool of one
connection, pipeline, EXCLUSIVE table lock, NOTIFY, retry) and only told the shape of the table: the same thirteen
columns under the same indexes. What differs from its stock statement is

- the columns it names. `position`, which it reads back, and `tenant_seq` come from a sequence each, as its own
  `notification_id bigserial` does; `recorded_at` is now();
- how the envelope gets there. `Carrying` lets it travel with each event, as the library lets everything travel: in
  the composite type. `Lean` gives the library more than the ledger can have: the envelope stands in the statement as
  constants, and the composite type is the stock one with its four fields.

It inserts no snapshots; nor do the batches it is compared with.
"""

from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Composed, Identifier, Literal

from adapters.postgres.connection import Database


class Envelope(NamedTuple):
    """What surrounds the events of a command, the same for all of them."""

    tenant_id: UUID
    effective_on: date
    actor: str
    command_id: UUID
    correlation_id: str
    causation_id: UUID | None


def datastore(database: Database) -> PostgresDatastore:
    """The library's datastore with its stock settings, on the same server."""
    place = conninfo_to_dict(database.admin_url)
    return PostgresDatastore(
        dbname=str(place["dbname"]),
        host=str(place["host"]),
        port=str(place["port"]),
        user=str(place["user"]),
        password=str(place["password"]),
        schema=database.schema,
    )


class Lean(PostgresApplicationRecorder):
    """The stock composite type; the envelope stands in the statement."""

    def __init__(self, store: PostgresDatastore, envelope: Envelope) -> None:
        super().__init__(store, events_table_name="events")
        self.envelope = envelope
        columns = SQL(", ").join(Literal(value) for value in envelope)
        self.insert_events_statement = _insert(self, columns)


class Carrying(PostgresApplicationRecorder):
    """The composite type carries the envelope with each event."""

    def __init__(self, store: PostgresDatastore, envelope: Envelope) -> None:
        super().__init__(store, events_table_name="events")
        self.envelope = envelope
        self.stored_event_type_name = "stored_event_with_envelope"
        store.db_type_names.add(self.stored_event_type_name)
        store.register_type_adapters()
        columns = SQL("tenant_id, effective_on, actor, command_id, correlation_id, causation_id")
        self.insert_events_statement = _insert(self, columns)

    def construct_pg_stored_event(
        self, originator_id: UUID | str, originator_version: int, topic: str, state: bytes
    ) -> Any:
        make = self.datastore.psycopg_python_types[self.stored_event_type_name]
        return make(originator_id, originator_version, topic, state, *self.envelope)


def prepare(admin: psycopg.Connection[Any]) -> None:
    """Makes the types and sequences the recorders need, in the schema that `admin` works in."""
    admin.execute(
        """CREATE TYPE stored_event_uuid AS
             (originator_id uuid, originator_version bigint, topic text, state bytea)"""
    )
    admin.execute(
        """CREATE TYPE stored_event_with_envelope AS
             (originator_id uuid, originator_version bigint, topic text, state bytea, tenant_id uuid,
              effective_on date, actor text, command_id uuid, correlation_id text, causation_id uuid)"""
    )
    admin.execute("CREATE SEQUENCE bench_positions")
    admin.execute("CREATE SEQUENCE bench_tenant_seqs")


def _insert(recorder: PostgresApplicationRecorder, envelope: Composed | SQL) -> Composed:
    return SQL(
        "INSERT INTO {schema}.events (position, tenant_seq, recorded_at, stream_id, version, tag, data,"
        " tenant_id, effective_on, actor, command_id, correlation_id, causation_id)"
        " SELECT nextval('{schema}.bench_positions'), nextval('{schema}.bench_tenant_seqs'), now(),"
        " originator_id, originator_version, topic, state, {envelope}"
        " FROM unnest(%s::{schema}.{composite}[])"
        " RETURNING position AS notification_id"
    ).format(
        schema=Identifier(recorder.datastore.schema),
        envelope=envelope,
        composite=Identifier(recorder.stored_event_type_name),
    )
