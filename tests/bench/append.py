"""Appending: one event per transaction, commands in groups, and batches against the library and against bare COPY.

The contenders take turns at filling one table, `events`, with its columns and indexes and in one continuous log: each
batch goes where the last one ended, whoever wrote that, so that every contender extends the same indexes in the same
places. The batches are a clock's: the next streams in the order of their ids, one event each, and from the beginning
again with the next version. All contenders start from stream ids and encoded events; only `raw` finds its bytes packed
before its time begins. What a turn needs besides (the library's sequences, the ledger's log head) is set between the
turns and not timed.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from functools import partial
from itertools import count, islice
from typing import Any
from uuid import UUID, uuid4

import msgspec
import psycopg
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder
from psycopg.conninfo import make_conninfo

from adapters.postgres.connection import Database
from adapters.settings import Settings
from adapters.store.append import COPY_EVENTS, Origin, append, pack_row
from adapters.store.writer import Request
from adapters.wiring import Books, open_books
from commands.unit_of_work import Unit
from ledger.customer import Registered
from ledger.event_registry import New, encode
from ledger.ids import derived_id
from ledger.invoice.events import MoraPosted
from projections.engine import postgres_binary
from projections.engine.postgres_binary import field
from tests.bench import library
from tests.bench.library import Carrying, Envelope, Lean
from tests.bench.measuring import interleaved, rate, seconds, times_faster
from tests.bench.seed import new_tenant
from tests.bench.sizes import Size

DAY = date(2024, 2, 2)
EVENT = MoraPosted(33, DAY)
TAG, DATA = EVENT.TAG, encode(EVENT)
SMALL, LARGE = 1_000, 5_000
"""Events per batch. The library's recorder hangs for ever on the large one: its pipeline is not read from."""


def measure(settings: Settings, size: Size) -> dict[str, float]:
    """Every `append.` figure."""
    with open_books(settings) as books:
        return _in_batches(books.database, size) | _in_groups(books, size.commands)


class Table:
    """The events table as the contenders fill it, turn by turn. Each method fills one batch and gives its seconds."""

    def __init__(self, database: Database, admin: psycopg.Connection[Any], streams: int) -> None:
        self._database = database
        self._admin = admin
        self.envelope = Envelope(uuid4(), DAY, "clock", uuid4(), f"day-{DAY}", None)
        self._next = _night_after_night(self.envelope.tenant_id, streams)
        self._last_position = self._last_seq = 0
        self._continue_at(*self._ends())

    def ledger(self, size: int) -> float:
        """The ledger's append: packs each event, takes the log head, COPY."""
        who = self.envelope
        batch = self._batch(size)

        def work() -> None:
            origin = Origin.of(who.actor, who.command_id, who.correlation_id, who.causation_id)
            tenant, tag = who.tenant_id.bytes, field(TAG.encode())
            with self._database.writer.connection() as connection:
                postgres_binary.register(connection)
                rows = [
                    pack_row(tenant, stream_id.bytes, version, tag, who.effective_on, origin, DATA)
                    for stream_id, version in batch
                ]
                append(connection, rows, (), datetime.now(UTC))

        taken = seconds(work)
        self._continue_at(self._last_position + size, self._last_seq + size)
        return taken

    def raw(self, size: int) -> float:
        """COPY of finished bytes, in a transaction of its own."""
        data = self._packed(self._batch(size))

        def work() -> None:
            with (
                self._database.writer.connection() as connection,
                connection.cursor() as cursor,
                cursor.copy(COPY_EVENTS) as copy,
            ):
                copy.write(data)

        taken = seconds(work)
        self._continue_at(self._last_position + size, self._last_seq + size)
        return taken

    def by(self, recorder: PostgresApplicationRecorder, size: int) -> float:
        """The library's recorder."""
        events = [
            StoredEvent(stream_id, version, TAG, DATA) for stream_id, version in self._batch(size)
        ]
        taken = seconds(lambda: recorder.insert_events(events))
        self._continue_at(self._last_position + size, self._last_seq + size)
        return taken

    def require_whole(self) -> None:
        """The log is gapless, and nobody has written less than was asked for."""
        row = self._admin.execute(
            "SELECT count(*), max(tenant_seq), max(position) FROM events WHERE tenant_id = %s",
            (self.envelope.tenant_id,),
        ).fetchone()
        assert row == (self._last_seq, self._last_seq, self._last_position), row

    def _batch(self, size: int) -> list[tuple[UUID, int]]:
        """(stream id, version) of the next events."""
        return list(islice(self._next, size))

    def _packed(self, batch: Sequence[tuple[UUID, int]]) -> bytes:
        """A COPY of those events, such as the next ledger append would send."""
        who = self.envelope
        origin = Origin.of(who.actor, who.command_id, who.correlation_id, who.causation_id)
        at = postgres_binary.microseconds(datetime.now(UTC))
        rows = [postgres_binary.COPY_HEADER]
        for n, (stream_id, version) in enumerate(batch, 1):
            row = pack_row(
                who.tenant_id.bytes,
                stream_id.bytes,
                version,
                field(TAG.encode()),
                who.effective_on,
                origin,
                DATA,
            )
            rows.append((13).to_bytes(2, "big"))
            rows.append(field((self._last_position + n).to_bytes(8, "big")))
            rows.append(field(row.tenant))
            rows.append(field((self._last_seq + n).to_bytes(8, "big")))
            rows.append(field(at.to_bytes(8, "big")))
            rows.append(row.rest)
        return b"".join([*rows, postgres_binary.COPY_TRAILER])

    def _ends(self) -> tuple[int, int]:
        row = self._admin.execute("SELECT position FROM log_head WHERE shard = 1").fetchone()
        assert row is not None
        return int(row[0]), 0

    def _continue_at(self, position: int, seq: int) -> None:
        """Lets every contender's next batch begin after these."""
        self._last_position, self._last_seq = position, seq
        self._admin.execute("UPDATE log_head SET position = %s WHERE shard = 1", (position,))
        self._admin.execute(
            """INSERT INTO tenant_log (tenant_id, tenant_seq) VALUES (%s, %s)
               ON CONFLICT (tenant_id) DO UPDATE SET tenant_seq = excluded.tenant_seq""",
            (self.envelope.tenant_id, seq),
        )
        self._admin.execute(
            "SELECT setval('bench_positions', %s, false), setval('bench_tenant_seqs', %s, false)",
            (position + 1, seq + 1),
        )


def _night_after_night(tenant_id: UUID, streams: int) -> Iterator[tuple[UUID, int]]:
    ids = sorted(derived_id(DAY, tenant_id, str(n)) for n in range(streams))
    return ((stream_id, version) for version in count(1) for stream_id in ids)


def _in_batches(database: Database, size: Size) -> dict[str, float]:
    path = f"-c search_path={database.schema}"
    with (
        psycopg.connect(make_conninfo(database.admin_url, options=path), autocommit=True) as admin,
        library.datastore(database) as store,
    ):
        library.prepare(admin)
        table = Table(database, admin, size.streams)
        carrying, lean = Carrying(store, table.envelope), Lean(store, table.envelope)
        contest = {
            "ledger": lambda: table.ledger(SMALL),
            "library": lambda: table.by(carrying, SMALL),
            "lean": lambda: table.by(lean, SMALL),
            "raw": lambda: table.raw(SMALL),
        }
        interleaved(2, contest)  # to fill caches and prepare statements
        small = interleaved(size.rounds, contest)
        large = interleaved(
            size.rounds, {"ledger": lambda: table.ledger(LARGE), "raw": lambda: table.raw(LARGE)}
        )
        single = interleaved(
            size.singles,
            {"ledger": lambda: table.ledger(1), "library": lambda: table.by(carrying, 1)},
        )
        table.require_whole()
    return {
        "append.single_per_s": rate(1, single["ledger"]),
        "append.single_library_per_s": rate(1, single["library"]),
        "append.batch_1000_per_s": rate(SMALL, small["ledger"]),
        "append.library_1000_per_s": rate(SMALL, small["library"]),
        "append.library_lean_1000_per_s": rate(SMALL, small["lean"]),
        "append.raw_1000_per_s": rate(SMALL, small["raw"]),
        "append.batch_5000_per_s": rate(LARGE, large["ledger"]),
        "append.raw_5000_per_s": rate(LARGE, large["raw"]),
        "append.copy_vs_library": times_faster(small["ledger"], small["library"]),
        "append.copy_vs_library_lean": times_faster(small["ledger"], small["lean"]),
        "append.copy_vs_raw": times_faster(small["ledger"], small["raw"]),
        "append.copy_vs_raw_5000": times_faster(large["ledger"], large["raw"]),
    }


class Done(msgspec.Struct):
    """The answer of the measured command."""

    id: UUID


def _in_groups(books: Books, commands: int) -> dict[str, float]:
    tenant_id = new_tenant(books)

    def register(unit: Unit) -> Done:
        customer_id = unit.new_id("customer")
        unit.append("customer", customer_id, [New(Registered(reference="C"), DAY)])
        return Done(customer_id)

    request = Request(tenant_id=tenant_id, actor="bench", handler=register)

    def by(callers: int) -> float:
        each = max(1, commands // callers)

        def call(_: int) -> None:
            for _ in range(each):
                books.writer.run(request)

        with ThreadPoolExecutor(callers) as pool:
            taken = seconds(lambda: list(pool.map(call, range(callers))))
        return taken / (callers * each)

    by(16)
    each = interleaved(3, {f"{callers}": partial(by, callers) for callers in (16, 64)})
    return {f"append.grouped_{callers}_per_s": rate(1, taken) for callers, taken in each.items()}
