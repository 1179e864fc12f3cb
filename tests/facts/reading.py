"""What the product's events say of every day: balances, statements, credit and the journal, by effective date."""

from collections import Counter
from collections.abc import Iterable
from datetime import date
from uuid import UUID

from ledger.event_registry import Event, New
from ledger.invoice import events as e
from ledger.invoice.state import Invoice
from ledger.journal.facts import Facts
from ledger.journal.facts import evolve as remember
from ledger.journal.posting import entries
from ledger.waterfall import Split
from projections.invoices.fold import INVOICES
from projections.reports.statement_entries import changes
from tests.facts.driver import Driver
from tests.facts.facts import COMPONENTS, DAY

ACCOUNTS = {"refunds_payable": "cash"}
"""Accounts that the independent books do not tell apart."""


class Said:
    """The running totals by effective date; `through` goes on to a day."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.journal: dict[date, Counter[tuple[str, str]]] = {}
        self.statement: dict[date, Counter[tuple[int, str]]] = {}
        self.open: dict[date, Counter[tuple[int, str]]] = {}
        self.covered: dict[date, Counter[tuple[int, str]]] = {}
        places = {invoice_id: place for place, invoice_id in driver.invoices.items()}
        streams: dict[UUID, list[tuple[str, New]]] = {}
        for kind, stream_id, new in driver.books.log:
            streams.setdefault(stream_id, []).append((kind, new))
        for stream_id, told in streams.items():
            self._tell(stream_id, told, places.get(stream_id))

    def _tell(self, stream_id: UUID, told: Iterable[tuple[str, New]], place: int | None) -> None:
        facts = Facts()
        row = INVOICES.row(bytes(16), stream_id.bytes)
        for kind, (event, on) in told:
            for entry in entries(facts, event, on):
                day = self.journal.setdefault(entry.on, Counter())
                for posting in entry.postings:
                    account = ACCOUNTS.get(posting.account, posting.account)
                    day[entry.currency, account] += posting.minor
            facts = remember(facts, event)
            if kind != "invoice" or place is None:
                continue
            INVOICES.fold(row, event, on)
            whose = (self.driver.history.invoices[place].customer, row.currency)
            for change in changes(row, event):
                self.statement.setdefault(change.on or on, Counter())[whose] += change.minor
            for day_on, component, minor, what in movements(event, on, row.total_minor):
                self.open.setdefault(day_on, Counter())[place, component] += minor
                if what:
                    self.covered.setdefault(day_on, Counter())[place, what] += -minor

    def status_row(self, place: int) -> tuple[str, int]:
        """(status, open) of an invoice's row in the read model."""
        row = INVOICES.row(bytes(16), self.driver.invoices[place].bytes)
        for kind, stream_id, (event, on) in self.driver.books.log:
            if kind == "invoice" and stream_id == self.driver.invoices[place]:
                INVOICES.fold(row, event, on)
        return row.status, row.open_minor


def movements(event: Event, on: date, total_minor: int) -> Iterable[tuple[date, str, int, str]]:
    """(day, component, change of what is open) of an event, and `paid` or `forgiven` where that is why."""

    def of(split: Split, day: date, sign: int, what: str) -> Iterable[tuple[date, str, int, str]]:
        for component in COMPONENTS:
            minor = getattr(split, component)
            if minor:
                yield day, component, sign * minor, what

    match event:
        case e.Sent():
            yield on, "principal", total_minor, ""
        case e.LateFeeCharged():
            yield on, "late_fee", event.amount_minor, ""
        case e.FeeCharged():
            yield on, "other_fees", event.amount_minor, ""
        case e.MoraPosted():
            yield on, "mora", event.amount_minor, ""
        case e.PaymentReceived() | e.CreditApplied():
            yield from of(event.split, on, -1, "paid")
        case e.PaymentReversed() | e.PaymentReallocated() | e.PaymentChargedBack():
            yield from of(event.split, on, 1, "paid")
        case e.Credited():
            yield from of(event.forgiven, on, -1, "forgiven")
            yield from of(event.applied, on, -1, "paid")
        case (
            e.Waived()
            | e.WrittenOff()
            | e.Cancelled()
            | e.Voided()
            | e.Renegotiated()
            | e.InterestReturned()
            | e.SmallBalanceWaived()
        ):
            yield from of(event.forgiven, on, -1, "forgiven")
        case e.Recalculated():
            for change in event.late_fee:
                yield change.on, "late_fee", change.minor, ""
            for run in event.mora:
                for change in run.by_day():
                    yield change.on, "mora", change.minor, ""
            for one in event.imputations:
                more = one.after - one.before
                yield from of(more.paid, one.on, -1, "paid")
                yield from of(more.forgiven, one.on, -1, "forgiven")
            for small in event.small_balances:
                yield from of(small.after - small.before, small.on, -1, "forgiven")


def open_of(invoice: Invoice) -> dict[str, int]:
    return {component: getattr(invoice.open, component) for component in COMPONENTS}


__all__ = ["DAY", "Said", "movements", "open_of"]
