"""Verifying number series and unique names: both are rebuilt from the events that gave them out.

A series is rebuilt from the invoices that were sent, and the credit notes that were issued, under its numbers, imported
ones left out: its numbers follow one another without a gap, except where another document had the number already. Those
are told as skipped, with the document that has them. A payment's fingerprint and day are the name of the first payment
that has them.
"""

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple
from uuid import UUID

import msgspec

from ledger.customer import Registered
from ledger.event_registry import Event, UnknownEventType, decode
from ledger.invoice.events import Credited, Sent
from ledger.numbering import DOCUMENT_NUMBER, DocumentKind, begins_again, numbers_from, series_of
from ledger.numbering import Series as NumberSeries
from ledger.payment import Received, fingerprint_name
from ledger.tenant import Configured, Created, Settings
from projections.engine.tracking import Connect, Connection
from projections.verify.digests import Difference

SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
GIVING = """
SELECT tenant_id, tenant_seq, stream_id, effective_on, tag, data
  FROM events
 WHERE (tenant_id, tenant_seq) > (%s, %s)
   AND (tag >= 'customer.registered.' AND tag < 'customer.registered/'
     OR tag >= 'invoice.credited.' AND tag < 'invoice.credited/'
     OR tag >= 'invoice.sent.' AND tag < 'invoice.sent/'
     OR tag >= 'payment.received.' AND tag < 'payment.received/'
     OR tag >= 'tenant.' AND tag < 'tenant/')
 ORDER BY tenant_id, tenant_seq
 LIMIT %s
"""
HOLDERS = """
SELECT given.tenant_id, given.kind, given.name, held.stream_id
  FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS given (tenant_id, kind, name)
  JOIN unique_names AS held
    ON held.tenant_id = given.tenant_id AND held.kind = given.kind AND held.name = given.name
"""
CREDITED = """
SELECT tag, data FROM events
 WHERE tenant_id = %s AND tag >= 'invoice.credited.' AND tag < 'invoice.credited/'
"""
NAMES = """
SELECT tenant_id, kind, name, stream_id FROM unique_names
 WHERE (tenant_id, kind, name) > (%s, %s, %s)
 ORDER BY tenant_id, kind, name
 LIMIT %s
"""
GIVEN_BY = """
SELECT tenant_seq, tag, data FROM events
 WHERE tenant_id = %s AND stream_id = %s
   AND (tag >= 'customer.registered.' AND tag < 'customer.registered/'
     OR tag >= 'invoice.credited.' AND tag < 'invoice.credited/'
     OR tag >= 'invoice.sent.' AND tag < 'invoice.sent/'
     OR tag >= 'payment.received.' AND tag < 'payment.received/')
 ORDER BY version
"""
SERIES = "SELECT tenant_id, kind, series, next_number, last_issued_on FROM number_series"
COUNT_NAMES = "SELECT count(*) FROM unique_names"
PAGE = 2_000
MAX_DIFFERENCES = 10
MAX_LOOKED_UP = 1_000
NOBODY = UUID(int=0)


class Skipped(msgspec.Struct):
    """Numbers that a series skipped because other documents had them: how many, the first, and who has that one."""

    tenant_id: UUID
    series: str
    count: int
    first: str
    held_by: UUID


class NumbersVerified(msgspec.Struct, frozen=True):
    """What a verification of number series and unique names found. `differences` and `skipped` are the first ten."""

    series: int
    names: int
    differences: list[Difference]
    skipped: list[Skipped]

    @property
    def holds(self) -> bool:
        return not self.differences


class Claim(NamedTuple):
    """A name that a stream holds by its events."""

    tenant_id: UUID
    kind: str
    name: str
    stream_id: UUID


class Series(msgspec.Struct):
    """A series by its events."""

    next_number: int
    last_issued_on: date


def verify_numbers(connect: Connect) -> NumbersVerified:
    """Rebuilds every series and every claimed name in one snapshot and compares them."""
    with connect() as connection, connection.transaction():
        connection.execute(SNAPSHOT)
        rebuilding = _Rebuilding(connection)
        for page in _pages(connection):
            rebuilding.take(page)
        rebuilding.compare_series()
        rebuilding.find_names_without_event()
    return NumbersVerified(
        series=len(rebuilding.series),
        names=rebuilding.claims,
        differences=rebuilding.differences,
        skipped=list(rebuilding.skipped.values())[:MAX_DIFFERENCES],
    )


class Given(NamedTuple):
    """An event that may have given out a name or a number."""

    tenant_id: UUID
    tenant_seq: int
    stream_id: UUID
    effective_on: date
    event: Event


class Document(NamedTuple):
    """A document that a series numbered."""

    id: UUID
    number: str
    issued_on: date


class _Rebuilding:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tenant_id = NOBODY
        self._settings: list[Settings] = []
        self.series: dict[tuple[UUID, str, str], Series] = {}
        self.skipped: dict[tuple[UUID, str, str], Skipped] = {}
        self.claims = 0
        self._held = 0
        self.differences: list[Difference] = []

    def take(self, page: list[Given]) -> None:
        """Takes events in the order of each tenant's log."""
        claims = [
            (claim, given.tenant_seq)
            for given in page
            if (claim := _claim(given.tenant_id, given.stream_id, given.event)) is not None
        ]
        holders = self._holders([claim for claim, _ in claims])
        for claim, tenant_seq in claims:
            holder = holders.get(claim[:3])
            if holder == claim.stream_id:
                self._held += 1
            elif holder is not None and self._was_first(claim, holder, tenant_seq):
                continue
            else:
                live = None if holder is None else str(holder)
                self._differ("unique_names", _name_key(claim), "stream_id", live, claim.stream_id)
            self.claims += 1
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

    def compare_series(self) -> None:
        """Compares what the events have come to with the stored series."""
        missing = dict(self.series)
        for tenant_id, kind, series, next_number, last_issued_on in self._connection.execute(
            SERIES
        ).fetchall():
            key = {"tenant_id": str(tenant_id), "kind": kind, "series": series}
            by_events = missing.pop((tenant_id, kind, series), None)
            if by_events is None:
                self._differ("number_series", key, "", f"next number {next_number}", None)
            elif by_events.next_number != next_number:
                expected = by_events.next_number
                self._differ("number_series", key, "next_number", str(next_number), expected)
            elif by_events.last_issued_on != last_issued_on:
                expected_on = by_events.last_issued_on
                self._differ(
                    "number_series", key, "last_issued_on", str(last_issued_on), expected_on
                )
        for (tenant_id, kind, series), by_events in missing.items():
            key = {"tenant_id": str(tenant_id), "kind": kind, "series": series}
            self._differ("number_series", key, "", None, f"next number {by_events.next_number}")

    def find_names_without_event(self) -> None:
        """When more names are held than events account for, finds which."""
        row = self._connection.execute(COUNT_NAMES).fetchone()
        if row is None or row[0] <= self._held:
            return
        after: tuple[UUID, str, str] = (NOBODY, "", "")
        while rows := self._connection.execute(NAMES, (*after, PAGE)).fetchall():
            page = list(map(Claim._make, rows))
            unexplained = [held for held in page if not self._was_given(held)]
            by_credit_notes = self._by_credit_notes(unexplained)
            for held in unexplained:
                if held not in by_credit_notes:
                    self._differ("unique_names", _name_key(held), "", str(held.stream_id), None)
            after = rows[-1][:3]

    def _was_given(self, held: Claim, before: int = 2**62) -> bool:
        """Whether an event of the stream that holds a name, earlier than a `tenant_seq`, gave it the name."""
        rows = self._connection.execute(GIVEN_BY, (held.tenant_id, held.stream_id)).fetchall()
        for tenant_seq, tag, data in rows:
            event = _readable(tag, data) if tenant_seq < before else None
            if event is not None and _claim(held.tenant_id, held.stream_id, event) == held:
                return True
        return False

    def _was_first(self, claim: Claim, holder: UUID, tenant_seq: int) -> bool:
        """Whether a payment that looks the same came before, and so holds the name."""
        if claim.kind != "payment_fingerprint":
            return False
        return self._was_given(claim._replace(stream_id=holder), before=tenant_seq)

    def _by_credit_notes(self, held: list[Claim]) -> set[Claim]:
        """Those of the names that events gave to credit notes, which have no stream of their own."""
        wanted = {claim for claim in held if claim.kind == DOCUMENT_NUMBER}
        found: set[Claim] = set()
        for tenant_id in {claim.tenant_id for claim in wanted}:
            for tag, data in self._connection.execute(CREDITED, (tenant_id,)):
                event = _readable(tag, data)
                claim = None if event is None else _claim(tenant_id, NOBODY, event)
                if claim in wanted:
                    found.add(claim)
        return found

    def _holders(self, claims: list[Claim]) -> dict[tuple[UUID, str, str], UUID]:
        if not claims:
            return {}
        tenants, kinds, names, _ = zip(*claims, strict=True)
        rows = self._connection.execute(HOLDERS, (list(tenants), list(kinds), list(names)))
        return {row[:3]: row[3] for row in rows.fetchall()}

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
                self._tell(key, skipped)
            self.series[key] = Series(first + len(skipped) + 1, given.issued_on)
            return
        where = {"tenant_id": str(self._tenant_id), "stream_id": str(given.id)}
        self._differ("number_series", where, "number", given.number, "the next of no series")

    def _skipped(
        self, settings: Settings, series: NumberSeries, first: int, given: Document
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
            holders = self._holders(wanted)
            for claim in wanted:
                holder = holders.get(claim[:3])
                if holder is None or holder == given.id:
                    return None
                skipped.append(claim._replace(stream_id=holder))
            if found:
                return skipped
            looked_up = min(2 * looked_up, MAX_LOOKED_UP)

    def _tell(self, key: tuple[UUID, str, str], skipped: list[Claim]) -> None:
        told = self.skipped.get(key)
        if told is None:
            first = skipped[0]
            told = Skipped(self._tenant_id, key[2], 0, first.name, first.stream_id)
            self.skipped[key] = told
        told.count += len(skipped)

    def _differ(
        self, table: str, key: dict[str, str], column: str, live: str | None, rebuilt: object
    ) -> None:
        if len(self.differences) < MAX_DIFFERENCES:
            by_events = None if rebuilt is None else str(rebuilt)
            self.differences.append(Difference(table, key, column, live, by_events))


def _pages(connection: Connection) -> Iterator[list[Given]]:
    after: tuple[UUID, int] = (NOBODY, 0)
    while rows := connection.execute(GIVING, (*after, PAGE)).fetchall():
        yield [
            Given(tenant_id, tenant_seq, stream_id, effective_on, event)
            for tenant_id, tenant_seq, stream_id, effective_on, tag, data in rows
            if (event := _readable(tag, data)) is not None
        ]
        after = (rows[-1][0], rows[-1][1])


def _readable(tag: str, data: bytes) -> Event | None:
    """The event, or None for one that cannot be decoded: what it should have given out is then found missing."""
    try:
        return decode(tag, data)
    except (msgspec.DecodeError, UnknownEventType):
        return None


def _claim(tenant_id: UUID, stream_id: UUID, event: Event) -> Claim | None:
    if isinstance(event, Sent):
        return Claim(tenant_id, DOCUMENT_NUMBER, event.number, stream_id)
    if isinstance(event, Credited):
        return Claim(tenant_id, DOCUMENT_NUMBER, event.number, event.credit_note_id)
    if isinstance(event, Received) and event.fingerprint:
        name = fingerprint_name(event.fingerprint, event.received_on)
        return Claim(tenant_id, "payment_fingerprint", name, stream_id)
    if isinstance(event, Registered) and event.reference:
        return Claim(tenant_id, "customer_reference", event.reference, stream_id)
    return None


def _name_key(claim: Claim) -> dict[str, str]:
    return {"tenant_id": str(claim.tenant_id), "kind": claim.kind, "name": claim.name}
