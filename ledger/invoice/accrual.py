"""Bringing an invoice up to date: what the clock posts, and what a late fact changes of it.

Every decision about money first brings the invoice up to date, so that it starts from what the clock would have
posted by then.
"""

from collections.abc import Callable
from datetime import date

import msgspec

from ledger.allocation import Split
from ledger.events import Event, New
from ledger.invoice import charges
from ledger.invoice import events as e
from ledger.invoice.charges import DAY
from ledger.invoice.evolving import evolve
from ledger.invoice.recalculation import has_charge_back, recalculation, standing
from ledger.invoice.state import OPEN, Invoice, Promise

DAYS_ONE_BY_ONE = 1_100
"""A command posts so many of the last days one by one, and what lies before them as one amount."""


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
    late_on = charges.first_late_day(invoice)
    if late_on is None or on < late_on:
        return []
    decision = Decision(invoice, [])
    decision.add(e.BecameOverdue(), late_on)
    fee_minor, base_minor = charges.late_fee(invoice, late_on)
    owed_minor = fee_minor - invoice.charged.late_fee
    if owed_minor > 0:
        decision.add(e.LateFeeCharged(owed_minor, base_minor), late_on)
    return decision.new


def promise_over(invoice: Invoice, on: date) -> list[New]:
    """What became of a promise, once its day is over: effective the day after.

    It is kept where so much was paid since, or where nothing is open any more, unless that was written off.
    """
    promise = invoice.promise
    if promise is None or promise.kept is not None or on <= promise.promised_on:
        return []
    paid_minor = _paid_on(invoice, promise)
    is_settled = invoice.open.total == 0 and invoice.status != "written_off"
    kept = paid_minor >= promise.minor or is_settled
    event = e.PromiseKept(paid_minor) if kept else e.PromiseBroken(paid_minor)
    return [New(event, promise.promised_on + DAY)]


def promise_after_all(decision: Decision) -> None:
    """Says otherwise of a promise that is over, where a late fact has changed what was paid on it by its day."""
    promise = decision.invoice.promise
    if promise is None or promise.kept is None:
        return
    paid_minor, after = _paid_on(decision.invoice, promise), promise.promised_on + DAY
    if not promise.kept and paid_minor >= promise.minor:
        decision.add(e.PromiseKept(paid_minor), after)
    elif promise.kept and paid_minor < promise.minor <= promise.paid_minor:
        decision.add(e.PromiseBroken(paid_minor), after)


def _paid_on(invoice: Invoice, promise: Promise) -> int:
    """What was paid from a promise to the end of its day, in minor units."""
    return sum(
        (part.split + part.recovered).total
        for part in invoice.received
        if promise.on <= part.on <= promise.promised_on and part not in promise.before
    )


def mora_on(invoice: Invoice, day: date) -> e.MoraPosted | None:
    """What the clock's second step posts on `day`, or None: the path of every overdue invoice, every night."""
    terms = invoice.terms
    if (
        invoice.status != "overdue"
        or terms is None
        or not charges.is_posting_day(terms.policy, day)
    ):
        return None
    return _mora(invoice, day)


def bring_up_to_date(
    invoice: Invoice, on: date, *, settle: bool = False, one_by_one: int = DAYS_ONE_BY_ONE
) -> Decision:
    """What the clock would have posted through `on`.

    With `settle`, interest is posted to `on` itself even when the policy posts only at month ends. Days that lie more
    than `one_by_one` back are posted as one amount.
    """
    decision = Decision(invoice, [])
    for event, effective_on in due_on_waking(invoice, on):
        decision.add(event, effective_on)
    if invoice.terms is None or invoice.status not in OPEN:
        return decision
    if decision.invoice.status != "overdue" or not charges.can_accrue(decision.invoice):
        return decision
    day = invoice.terms.late_on
    if invoice.mora_through is not None and invoice.mora_through >= day:
        day = invoice.mora_through + DAY
    day = _after_long_gap(decision, day, on, one_by_one)
    while day <= on:
        posted = mora_on(decision.invoice, day)
        if posted is not None:
            decision.add(posted, day)
        day += DAY
    if settle and on >= invoice.terms.late_on:
        last = _mora(decision.invoice, on)
        if last is not None:
            decision.add(last, on)
    return decision


def _after_long_gap(decision: Decision, day: date, on: date, one_by_one: int) -> date:
    """Posts what lies more than `one_by_one` days before `on` as one amount, so that no command writes for centuries;
    returns the day that comes next."""
    terms = decision.invoice.terms
    last = date.fromordinal(max(1, on.toordinal() - one_by_one))
    if terms is None or terms.policy.accrual != "daily" or day >= last:
        return day
    posted = _mora(decision.invoice, last)
    if posted is not None:
        decision.add(posted, last)
    return last + DAY


def reopen(decision: Decision, today: date, because: str) -> None:
    """Charges what the clock would have charged by today, had it known."""
    # Whether it is late follows from the principal that is open once overpaid charges have moved.
    for event, effective_on in overdue(standing(decision.invoice).invoice, today):
        decision.add(event, effective_on)
    assert decision.invoice.terms is not None
    reach = charges.last_posting_day(decision.invoice.terms.policy, today)
    recalculate(decision, today, because, reach)


def recalculate(decision: Decision, today: date, because: str, reach: date | None = None) -> None:
    """Posts the difference between what stands and what the facts now ask for."""
    recalculated = recalculation(decision.invoice, because, reach)
    if recalculated is not None:
        decision.add(recalculated, today)


def give_up(decision: Decision, event: Event, today: date, because: str) -> None:
    """Gives up a part of the debt, and recalculates what had been moved for the time before a charge-back."""
    decision.add(event, today)
    if has_charge_back(decision.invoice):
        recalculate(decision, today, because)


def all_open(invoice: Invoice, closed: Callable[[Split], Event], today: date) -> Split:
    """What has to be given up so that nothing is open afterwards, once that was recalculated, too."""
    forgiven = invoice.open
    while True:
        attempt = Decision(invoice, [])
        give_up(attempt, closed(forgiven), today, because="")
        if not attempt.invoice.open.total:
            return forgiven
        forgiven = forgiven + attempt.invoice.open


def _mora(invoice: Invoice, day: date) -> e.MoraPosted | None:
    owed_minor = charges.cumulative_mora(invoice, day) - invoice.charged.mora
    return e.MoraPosted(owed_minor, day) if owed_minor > 0 else None
