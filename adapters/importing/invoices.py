"""`duebook import`: a file of invoices, one row each, into a tenant's books.

Reading, sorting and comparing keep memory flat: rows wait in temporary files, never all in memory.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from itertools import islice
from typing import Any, BinaryIO
from uuid import UUID, uuid4

import msgspec

from adapters.importing.columns import Columns, columns_of, nearest_field
from adapters.importing.records import Record, Records
from adapters.importing.replay import Action, Failed, Replay, actions_of
from adapters.importing.row_validation import BadRow, Reading, Row, content, read_row
from adapters.importing.sorting import Sorter
from adapters.importing.stored import held
from adapters.postgres.connection import Pool, tenant_transaction
from adapters.store.writer import Writer
from ledger.errors import LedgerError

BATCH_ROWS = 1_000

Progress = Callable[[str, int, int], None]
"""Called with what is going on, how much of it is done, and how much there is (0: unknown)."""

RunDay = Callable[[date], Any]
"""Runs the tenant's clock for one date."""


class Wish(msgspec.Struct, frozen=True):
    """How a file is to be read: headers by field, the dates' format (None for ISO 8601), the currency of rows that
    do not say it, and the tenant's today."""

    today: date
    named: Mapping[str, str] = {}
    date_format: str | None = None
    currency: str = ""


class Outcome(msgspec.Struct):
    """What an import did. `added` rows wrote something, `unchanged` ones were in the books already.

    first_on, last_on  the dates of the first and the last thing that the good rows tell; None without a good row
    notes              what a person should know besides: columns left out
    """

    added: int = 0
    unchanged: int = 0
    failed: list[Failed] = []
    first_on: date | None = None
    last_on: date | None = None
    correlation_id: str = ""
    notes: list[str] = []


class Importer:
    """One import of one file into one tenant's books."""

    def __init__(
        self,
        writer: Writer,
        pool: Pool,
        tenant_id: UUID,
        *,
        run_day: RunDay | None = None,
        progress: Progress = lambda what, done, total: None,
        most_in_memory: int = 50_000,
    ) -> None:
        self._writer = writer
        self._pool = pool
        self._tenant_id = tenant_id
        self._run_day = run_day
        self._progress = progress
        self._most_in_memory = most_in_memory
        self._outcome = Outcome(correlation_id=str(uuid4()))

    def run(self, stream: BinaryIO, wish: Wish, size: int = 0) -> Outcome:
        """Imports a stream of `size` bytes (0: unknown). Repeating it is harmless, also after a crash.

        Raises StoreUnavailable when the database stays away; what was written until then stays.
        """
        outcome = self._outcome
        with contextlib.ExitStack() as stack:
            by_number = stack.enter_context(
                Sorter(Row, lambda row: (row.invoice_number, row.line), self._most_in_memory)
            )
            by_date = stack.enter_context(
                Sorter(Action, lambda action: action.order, self._most_in_memory)
            )
            self._read(stream, wish, size, by_number)
            actions = self._compare(by_number, by_date)
            self._replay(by_date, actions)
        outcome.failed.sort(key=lambda failed: failed.line)
        return outcome

    def _read(self, stream: BinaryIO, wish: Wish, size: int, rows: Sorter[Row]) -> None:
        records = Records(stream)
        reading = self._header(records, wish)
        if reading is None:
            return
        for count, record in enumerate(records):
            if count % 1_000 == 0:
                self._progress("reading", records.bytes_read, size)
            if not isinstance(record, Record):
                self._outcome.failed.append(Failed(record.line, record.reason))
                continue
            try:
                rows.add(read_row(record.line, record.fields, reading))
            except BadRow as error:
                self._outcome.failed.append(Failed(record.line, str(error)))

    def _header(self, records: Records, wish: Wish) -> Reading | None:
        """How to read the rows; None when the file cannot be read, which is told of its first line."""
        line, reason = 1, "the file is empty; its first line must name the columns"
        try:
            header = next(records, None)
            if isinstance(header, Record):
                line = header.line
                columns = columns_of(header.fields, wish.named, currency_given=bool(wish.currency))
                self._outcome.notes += _notes(columns)
                return Reading(columns, wish.today, wish.date_format, wish.currency)
            if header is not None:
                line, reason = header
        except LedgerError as error:
            reason = str(error)
        self._outcome.failed.append(Failed(line, reason))
        return None

    def _compare(self, rows: Sorter[Row], actions: Sorter[Action]) -> int:
        """Puts aside what the rows have to do; returns how much that is."""
        count = 0
        for batch in _batches(self._first_of_each_number(rows)):
            with tenant_transaction(self._pool, self._tenant_id) as connection:
                known = held(connection, self._tenant_id, batch)
            for row in batch:
                found = known.compare(row)
                if found.kind == "refused":
                    self._outcome.failed.append(Failed(row.line, found.reason))
                    continue
                self._span(row)
                if found.kind == "unchanged":
                    self._outcome.unchanged += 1
                    continue
                self._outcome.added += 1
                for action in actions_of(row, paid_only=found.kind == "unpaid"):
                    actions.add(action)
                    count += 1
            self._progress("comparing", self._outcome.added + self._outcome.unchanged, 0)
        return count

    def _first_of_each_number(self, rows: Sorter[Row]) -> Iterator[Row]:
        first: Row | None = None
        for row in rows:
            if first is None or row.invoice_number != first.invoice_number:
                first = row
                yield row
            elif content(row) == content(first):
                self._outcome.unchanged += 1
            else:
                reason = f"the number {row.invoice_number} stands on line {first.line} with other content"
                self._outcome.failed.append(Failed(row.line, reason))

    def _span(self, row: Row) -> None:
        last = max(row.issued_on, row.settled_on or row.issued_on)
        outcome = self._outcome
        outcome.first_on = min(outcome.first_on or row.issued_on, row.issued_on)
        outcome.last_on = max(outcome.last_on or last, last)

    def _replay(self, actions: Iterable[Action], total: int) -> None:
        done = 0

        def one_done() -> None:
            nonlocal done
            done += 1
            if self._run_day is None and (done % 100 == 0 or done == total):
                self._progress("replaying", done, total)

        outcome = self._outcome
        replay = Replay(self._writer, self._tenant_id, outcome.correlation_id, one_done)
        if self._run_day is None:
            for action in actions:
                replay.run(action)
            replay.finish()
        else:
            self._replay_with_clock(replay, actions, self._run_day)
        outcome.failed += replay.failed
        outcome.added -= len(replay.failed) + replay.repeated
        outcome.unchanged += replay.repeated

    def _replay_with_clock(
        self, replay: Replay, actions: Iterable[Action], run_day: RunDay
    ) -> None:
        """Each date from the first to the last: what the rows do on it, then the clock."""
        first_on, last_on = self._outcome.first_on, self._outcome.last_on
        if first_on is None or last_on is None:
            return
        coming = iter(actions)
        action = next(coming, None)
        for ordinal in range(first_on.toordinal(), last_on.toordinal() + 1):
            day = date.fromordinal(ordinal)
            while action is not None and action.on <= day:
                replay.run(action)
                action = next(coming, None)
            replay.finish()
            run_day(day)
            self._progress(
                "running the clock", (day - first_on).days + 1, (last_on - first_on).days + 1
            )


def _notes(columns: Columns) -> list[str]:
    notes = []
    for title in columns.ignored:
        meant = nearest_field(title, columns)
        if meant is not None:
            notes.append(
                f"the column {title!r} is left out; is it {meant}? Then give --column {meant}={title}"
            )
    others = [title for title in columns.ignored if nearest_field(title, columns) is None]
    if others:
        notes.append(f"columns left out: {', '.join(others)}")
    return notes


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while batch := list(islice(rows, BATCH_ROWS)):
        yield batch
