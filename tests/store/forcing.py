"""How races and faults are forced: commits held at a gate, replies cut off, sessions waited for."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import psycopg

from adapters.postgres.connection import Database, owner_connection
from adapters.store import reading
from adapters.store.writer import Answer, Request, Writer
from commands.unit_of_work import Unit
from ledger import streams

GATE = 4711
MAKE_GATE = f"""
CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared({GATE});
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON events
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.actor = 'delayed') EXECUTE FUNCTION wait_at_gate();
"""
REMOVE_GATE = "DROP TRIGGER gate ON events; DROP FUNCTION wait_at_gate()"
COUNT_WAITING = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock' AND (wait_event = 'advisory') = %s
"""


def until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Waits for something to come true and returns it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.005)
    return found


class Gate:
    """Holds up the COMMIT of every transaction that wrote an event as the actor `delayed`."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        connection.execute("SELECT pg_advisory_lock(%s)", (GATE,))

    def open(self) -> None:
        self._connection.execute("SELECT pg_advisory_unlock_all()")

    def held_up(self) -> int:
        """How many transactions wait in their COMMIT."""
        return self._count(True)

    def queued(self) -> int:
        """How many sessions wait for a lock that somebody else holds."""
        return self._count(False)

    def _count(self, at_gate: bool) -> int:
        row = self._connection.execute(COUNT_WAITING, (at_gate,)).fetchone()
        assert row is not None
        return int(row[0])


@contextlib.contextmanager
def gate(database: Database) -> Iterator[Gate]:
    """A deferred constraint trigger of the tables' owner: it waits in COMMIT until the gate is opened."""
    with owner_connection(database) as connection:
        connection.execute(MAKE_GATE)
        connection.execute("RESET ROLE")  # only the administrator sees what others wait for
        built = Gate(connection)
        try:
            yield built
        finally:
            built.open()
            connection.execute(REMOVE_GATE)


@contextlib.contextmanager
def log_head_held(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """Another session holds the log head until the `with` ends."""
    with psycopg.connect(database.writer_url) as connection:
        connection.execute("SELECT position FROM log_head WHERE shard = 1 FOR UPDATE")
        yield connection
        connection.rollback()


def in_one_group(writer: Writer, requests: Sequence[Request]) -> list[Future[Answer]]:
    """Submits commands so that one transaction takes them all: the writer is kept busy until they have come."""
    begun, come = threading.Event(), threading.Event()

    def busy(unit: Unit) -> None:
        begun.set()
        assert come.wait(20)

    first = writer.submit(Request(tenant_id=requests[0].tenant_id, actor="test", handler=busy))
    assert begun.wait(20)
    futures = [writer.submit(request) for request in requests]
    come.set()
    first.result(20)
    return futures


def queued(database: Database) -> int:
    """How many sessions wait for a lock now."""
    with database.writer.connection() as connection:
        row = connection.execute(COUNT_WAITING, (False,)).fetchone()
    assert row is not None
    return int(row[0])


def rows(database: Database, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """What the writer's login sees."""
    with database.writer.connection() as connection:
        return connection.execute(query.encode(), values).fetchall()


def counts(database: Database) -> dict[str, int]:
    """How many rows stand in each table that commands write."""
    tables = (
        "events",
        "snapshots",
        "unique_names",
        "number_series",
        "command_records",
        "customer_keys",
        "tenant_log",
        "duebook.tenants",
        "duebook.api_keys",
    )
    return {table: rows(database, f"SELECT count(*) FROM {table}")[0][0] for table in tables}


def assert_log_is_whole(database: Database) -> None:
    """Positions and every tenant's numbers are gapless, time never runs backwards, every snapshot is its events'
    fold.
    """
    found = rows(
        database,
        "SELECT position, tenant_id, tenant_seq, recorded_at FROM events ORDER BY position",
    )
    assert [row[0] for row in found] == list(range(1, len(found) + 1))
    assert rows(database, "SELECT position FROM log_head") == [(len(found),)]
    instants = [row[3] for row in found]
    assert instants == sorted(instants)
    last: dict[Any, int] = {}
    for _, tenant_id, tenant_seq, _ in found:
        assert tenant_seq == last.get(tenant_id, 0) + 1
        last[tenant_id] = tenant_seq
    assert dict(rows(database, "SELECT tenant_id, tenant_seq FROM tenant_log")) == last
    snapshots = rows(database, "SELECT tenant_id, stream_id, stream, version, state FROM snapshots")
    streams_stored = rows(
        database, "SELECT count(*) FROM (SELECT DISTINCT tenant_id, stream_id FROM events) AS s"
    )
    assert streams_stored == [(len(snapshots),)]
    with database.writer.connection() as connection:
        for tenant_id, stream_id, kind, version, state in snapshots:
            events = reading.stream_events(connection, tenant_id, stream_id)
            assert [event.version for event in events] == list(range(1, version + 1))
            folded = streams.fold(kind, ((event.event, event.effective_on) for event in events))
            assert streams.encode_state(folded) == bytes(state), f"{kind} {stream_id}"
