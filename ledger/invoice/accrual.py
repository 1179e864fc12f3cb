"""Bringing an invoice up to date: what the clock posts.

Every decision about money first brings the invoice up to date, so that it starts from what the clock would have
posted by then.
"""

from datetime import date

import msgspec

from ledger import mora
from ledger.event_registry import Event, New
from ledger.invoice import charges, recalculation
from ledger.invoice import events as e
from ledger.invoice.balance import open_on, written_off_on
from ledger.invoice.evolve import evolve
from ledger.invoice.replay import closed_as
from ledger.invoice.state import MONEY, OPEN, Invoice, Promise
from ledger.mora import DAY
from ledger.reference_rates import Table

MAX_DAYS_APART = 31
"""So many missed days of interest are posted as an event each; more of them as one event that tells them apart."""


class Decision(msgspec.Struct):
    """Events decided one after another: each is folded at once, so that the next is decided on its effect."""

    invoice: Invoice
    new: list[New] = []

    def add(self, event: Event, effective_on: date) -> None:
        self.invoice = evolve(self.invoice, event, effective_on)
        self.new.append(New(event, effective_on))


def due_on_waking(invoice: Invoice, on: date) -> list[New]:
    """What the clock's first step posts by `on`: overdue with its late fee, and what became of a promise."""
    return [*overdue(invoice, on), *promise_over(invoice, on)]


def overdue(invoice: Invoice, on: date) -> list[New]:
    """Overdue, and the late fee once, effective the first day with late principal."""
    terms = invoice.terms
    if invoice.status != "sent" or terms is None or on < terms.late_on:
        return []
    late_on = charges.first_late_day(invoice, on)
    if late_on is None:
        return []
    decision = Decision(invoice, [])
    decision.add(e.BecameOverdue(), late_on)
    fee_minor, base_minor = charges.late_fee(invoice, late_on)
    if fee_minor > 0:
        decision.add(e.LateFeeCharged(fee_minor, base_minor), late_on)
    return decision.new


def promise_over(invoice: Invoice, on: date) -> list[New]:
    """What became of a promise, once its day is over: effective the day after.

    It is kept where so much was paid since, or where nothing was open any more and nothing was written off. What a
    late fact changes of it is said too.
    """
    promise = invoice.promise
    if promise is None or on <= promise.promised_on:
        return []
    paid_minor = _paid_on(invoice, promise)
    kept = paid_minor >= promise.minor or (
        open_on(invoice, promise.promised_on).total == 0
        and written_off_on(invoice, promise.promised_on) == 0
    )
    if promise.kept is kept:
        return []
    event = e.PromiseKept(paid_minor) if kept else e.PromiseBroken(paid_minor)
    return [New(event, promise.promised_on + DAY)]


def _paid_on(invoice: Invoice, promise: Promise) -> int:
    """What was paid from a promise to the end of its day, less what was charged back of that, in minor units."""
    paid: dict[object, int] = {}
    for one in invoice.imputations:
        if one.kind in MONEY and promise.on <= one.on <= promise.promised_on:
            paid[one.source_id] = paid.get(one.source_id, 0) + one.covered.money_minor
    return sum(max(0, minor) for minor in paid.values())


def rates_due(invoice: Invoice, table: Table, by: date) -> list[New]:
    """The reference rates of the invoice's interest that it does not know, in force by a day: each effective from its
    own day on. Of those in force before the due date only the last matters."""
    terms = invoice.terms
    if terms is None or not terms.policy.mora_reference:
        return []
    facts = [fact for fact in table.get(terms.policy.mora_reference, ()) if fact.from_on <= by]
    if invoice.rates:
        facts = [fact for fact in facts if fact.from_on > invoice.rates[-1].from_on]
    else:
        before = [fact for fact in facts if fact.from_on <= invoice.due_on]
        facts = before[-1:] + facts[len(before) :]
    return [New(e.ReferenceRateApplied(fact.rate), fact.from_on) for fact in facts]


def mora_on(invoice: Invoice, day: date) -> list[New]:
    """What the clock's second step posts by `day`: the path of every overdue invoice, every night.

    Days that were missed are posted too, each on its own day.
    """
    terms = invoice.terms
    if invoice.status != "overdue" or terms is None or not mora.is_posting_day(terms.policy, day):
        return []
    through = invoice.mora_through
    if through is not None and (day - through).days <= 1:
        posted = _mora(invoice, day)
        return [New(posted, day)] if posted is not None else []
    decision = Decision(invoice, [])
    _post_days(decision, day, MAX_DAYS_APART)
    return decision.new


def bring_up_to_date(
    invoice: Invoice, on: date, *, settle: bool = False, apart: int = MAX_DAYS_APART
) -> Decision:
    """What the clock would have posted through `on`.

    With `settle`, interest is posted to `on` itself even when the policy posts only at month ends. More than `apart`
    missed days are posted by one event.
    """
    decision = Decision(invoice, [])
    for event, effective_on in due_on_waking(invoice, on):
        decision.add(event, effective_on)
    if invoice.terms is None or invoice.status not in OPEN:
        return decision
    if decision.invoice.status != "overdue" or not charges.can_accrue(decision.invoice):
        return decision
    _post_days(decision, on, apart)
    if settle and on >= invoice.terms.late_on:
        last = _mora(decision.invoice, on)
        if last is not None:
            decision.add(last, on)
    return decision


def _post_days(decision: Decision, on: date, apart: int) -> None:
    """Posts interest through `on`, each day's on its own day."""
    terms = charges.terms_of(decision.invoice)
    first = terms.late_on
    if decision.invoice.mora_through is not None and decision.invoice.mora_through >= first:
        first = decision.invoice.mora_through + DAY
    days = list(recalculation.postings(decision.invoice, first, on))
    if len(days) <= apart:
        for day, minor in days:
            decision.add(e.MoraPosted(minor, day), day)
        return
    mora = tuple(recalculation.runs_of(dict(days)))
    through = days[-1][0]
    closed = closed_as(decision.invoice.imputations)
    overdue_on = decision.invoice.overdue_on
    missed = e.Recalculated("missed days", through, overdue_on, closed, mora=mora)
    decision.add(missed, days[0][0])


def _mora(invoice: Invoice, day: date) -> e.MoraPosted | None:
    owed_minor = charges.cumulative_mora(invoice, day) - invoice.charged.mora
    return e.MoraPosted(owed_minor, day) if owed_minor > 0 else None
