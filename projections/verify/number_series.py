"""Verifying number series: each is rebuilt from the invoices sent and the credit notes issued under its numbers.

Imported ones are left out. Its numbers follow one another without a gap, except where another document had the number
already; those are reported as skipped, with the document that has them.
"""

from datetime import date
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from ledger.invoice.events import Credited, Sent
from ledger.numbering import DOCUMENT_NUMBER, DocumentKind, begins_again, numbers_from, series_of
from ledger.numbering import Series as SeriesName
from ledger.tenant import Configured, Created, Settings
from projections.engine.tracking import Connection
from projections.verify.claims import NOBODY, Claim, Given, holders_of
from projections.verify.digests import Differences

TABLE: Final = "number_series"

SERIES = "SELECT tenant_id, kind, series, next_number, last_issued_on FROM number_series"
MAX_LOOKED_UP = 1_000


class Skipped(msgspec.Struct):
    """Numbers that a series skipped because other documents had them: how many, the first, and who has that one."""

    tenant_id: UUID
    series: str
    count: int
    first: str
    held_by: UUID


class Series(msgspec.Struct):
    """A series by its events."""

    next_number: int
    last_issued_on: date


class Document(NamedTuple):
    """A document that a series numbered."""

    id: UUID
    number: str
    issued_on: date


class NumberSeries:
    """Counts the series by their events, tenant by tenant, and compares them with the stored ones."""

    def __init__(self, connection: Connection, differences: Differences) -> None:
        self._connection = connection
        self._differences = differences
        self._tenant_id = NOBODY
        self._settings: list[Settings] = []
        self.series: dict[tuple[UUID, str, str], Series] = {}
        self.skipped: dict[tuple[UUID, str, str], Skipped] = {}

    def take(self, page: list[Given]) -> None:
        """Takes events in the order of each tenant's log."""
        for given in page:
            if given.tenant_id != self._tenant_id:
                self._tenant_id, self._settings = given.tenant_id, []
            event = given.event
            if isinstance(event, Created | Configured):
                self._settings.insert(0, event.settings)
            elif isinstance(event, Sent) and not event.imported:
                self._number("invoice", Document(given.stream_id, event.number, event.issued_on))
            elif isinstance(event, Credited):
                note = Document(event.credit_note_id, event.number, given.effective_on)
                self._number("credit_note", note)

    def compare(self) -> None:
        """Compares what the events have come to with the stored series."""
        missing = dict(self.series)
        for tenant_id, kind, series, next_number, last_issued_on in self._connection.execute(
            SERIES
        ).fetchall():
            key = {"tenant_id": str(tenant_id), "kind": kind, "series": series}
            by_events = missing.pop((tenant_id, kind, series), None)
            if by_events is None:
                self._differences.add(TABLE, key, "", f"next number {next_number}", None)
            elif by_events.next_number != next_number:
                expected = by_events.next_number
                self._differences.add(TABLE, key, "next_number", str(next_number), expected)
            elif by_events.last_issued_on != last_issued_on:
                expected_on = by_events.last_issued_on
                self._differences.add(
                    TABLE, key, "last_issued_on", str(last_issued_on), expected_on
                )
        for (tenant_id, kind, series), by_events in missing.items():
            key = {"tenant_id": str(tenant_id), "kind": kind, "series": series}
            self._differences.add(TABLE, key, "", None, f"next number {by_events.next_number}")

    def _number(self, kind: DocumentKind, given: Document) -> None:
        """Counts a number in the series it is the next of: by the tenant's latest settings, or earlier ones."""
        for settings in self._settings:
            series = series_of(settings, kind)
            key = (self._tenant_id, *series)
            reached = self.series.get(key)
            first = 1
            if reached is not None and not begins_again(
                settings, reached.last_issued_on, given.issued_on
            ):
                first = reached.next_number
            skipped = self._skipped(settings, series, first, given)
            if skipped is None:
                continue
            if skipped:
                self._report(key, skipped)
            self.series[key] = Series(first + len(skipped) + 1, given.issued_on)
            return
        where = {"tenant_id": str(self._tenant_id), "stream_id": str(given.id)}
        self._differences.add(TABLE, where, "number", given.number, "the next of no series")

    def _skipped(
        self, settings: Settings, series: SeriesName, first: int, given: Document
    ) -> list[Claim] | None:
        """The numbers before a document's, from one on, that others have; None where it is not the next but those."""
        skipped: list[Claim] = []
        looked_up = 1
        while True:
            n = first + len(skipped)
            following = numbers_from(settings, series, n, looked_up, given.issued_on)
            found = given.number in following
            before = following[: following.index(given.number)] if found else following
            wanted = [Claim(self._tenant_id, DOCUMENT_NUMBER, one, given.id) for one in before]
            holders = holders_of(self._connection, wanted)
            for claim in wanted:
                holder = holders.get(claim[:3])
                if holder is None or holder == given.id:
                    return None
                skipped.append(claim._replace(stream_id=holder))
            if found:
                return skipped
            looked_up = min(2 * looked_up, MAX_LOOKED_UP)

    def _report(self, key: tuple[UUID, str, str], skipped: list[Claim]) -> None:
        known = self.skipped.get(key)
        if known is None:
            first = skipped[0]
            known = Skipped(self._tenant_id, key[2], 0, first.name, first.stream_id)
            self.skipped[key] = known
        known.count += len(skipped)
