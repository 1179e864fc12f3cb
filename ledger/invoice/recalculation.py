"""What a fact changes of what others cover and of what is charged: one event, each change on its own day (ADR 0020)."""

from collections import deque
from collections.abc import Iterator
from datetime import date

from ledger.invoice import charges
from ledger.invoice import events as e
from ledger.invoice.charges import Charges, principal_changes, terms_of
from ledger.invoice.evolve import covered_otherwise
from ledger.invoice.replay import Replayed
from ledger.invoice.state import NOTHING, Imputation, Invoice
from ledger.mora import DAY, is_posting_day, last_posting_day


def recalculation(
    posted: Invoice, invoice: Invoice, replayed: Replayed, today: date, because: str
) -> e.Recalculated | None:
    """What a replay of `invoice` changes of it, or None when it changes nothing.

    posted  the invoice before the fact: its charges are what was posted day by day until then
    """
    through = posted_through(invoice, today)
    changed = _imputations(invoice, replayed)
    small = _small_balances(invoice, replayed)
    overdue_on = replayed.charges.first_late_day(today)
    fee_minor, _ = replayed.charges.late_fee(today)
    late_fee = _late_fee(posted, fee_minor, overdue_on)
    mora = tuple(
        runs_of(_interest_changes(posted, covered_otherwise(invoice, changed, small), through))
    )
    was_closed = any(one.kind in ("cancelled", "renegotiated") for one in invoice.imputations)
    says_more = changed or small or late_fee or mora or overdue_on != invoice.overdue_on
    if not says_more and not was_closed:
        return None
    return e.Recalculated(
        because=because,
        through=through,
        overdue_on=overdue_on,
        closed_as=replayed.closed_as,
        settled_on=replayed.settled_on,
        late_fee=late_fee,
        mora=mora,
        imputations=changed,
        small_balances=small,
    )


def effective_on(event: e.Recalculated, before: Invoice, today: date) -> date:
    """The earliest day on which a recalculation changes anything; today, where it changes the status alone."""
    days = [one.on for one in event.late_fee]
    days += [one.on for one in event.imputations]
    days += [one.on for one in event.small_balances]
    days += [one.first_on for one in event.mora]
    if event.overdue_on != before.overdue_on:
        days += [day for day in (event.overdue_on, before.overdue_on) if day is not None]
    return min(days, default=today)


def posted_through(invoice: Invoice, today: date) -> date:
    """The day through which interest is posted once the invoice's facts are all recorded: the last day of posting up to
    today, or a later one of a fact that asks to cover something."""
    last_on = last_posting_day(terms_of(invoice).policy, today)
    return max([last_on, *settling_days(invoice)])


def postings(invoice: Invoice, since: date, through: date) -> Iterator[tuple[date, int]]:
    """(day, minor units) of the interest that is posted on each day from one to another, both included.

    It is posted on every day, or at the month's end and on the days of facts that ask to cover something.
    """
    terms = terms_of(invoice)
    settles = settling_days(invoice)
    running, changes = Charges(invoice), deque(principal_changes(invoice))

    def mora(day: date) -> int:
        while changes and changes[0][0] < day:
            running.move(*changes.popleft())
        return running.mora(day)

    first = max(since, terms.late_on)
    before_minor = 0
    if first > terms.late_on:
        days = [on for on in settles if on < first]
        before_minor = mora(max([last_posting_day(terms.policy, first - DAY), *days]))
    for ordinal in range(first.toordinal(), through.toordinal() + 1):
        day = date.fromordinal(ordinal)
        if is_posting_day(terms.policy, day) or day in settles:
            minor = mora(day)
            if minor != before_minor:
                yield day, minor - before_minor
            before_minor = minor


def settling_days(invoice: Invoice) -> set[date]:
    """The days whose facts ask to cover something, so that interest is posted up to them."""
    return {one.on for one in invoice.imputations if settles(one)}


def settles(one: Imputation) -> bool:
    """Whether interest is posted up to the day of a fact: it asks to cover something."""
    return one.kind != "charge_back" and (one.asked_minor > 0 or one.asked != NOTHING)


def _imputations(invoice: Invoice, replayed: Replayed) -> tuple[e.Reimputed, ...]:
    return tuple(
        e.Reimputed(at, one.kind, one.source_id, one.on, one.covered, covered)
        for at, (one, covered) in enumerate(zip(invoice.imputations, replayed.covered, strict=True))
        if one.covered != covered
    )


def _small_balances(invoice: Invoice, replayed: Replayed) -> tuple[e.SmallBalanceChange, ...]:
    before = {one.on: one.forgiven for one in invoice.small_balances}
    after = {one.on: one.forgiven for one in replayed.small_balances}
    return tuple(
        e.SmallBalanceChange(on, before.get(on, NOTHING), after.get(on, NOTHING))
        for on in sorted({*before, *after})
        if before.get(on, NOTHING) != after.get(on, NOTHING)
    )


def _late_fee(
    posted: Invoice, fee_minor: int, overdue_on: date | None
) -> tuple[e.ChargeChange, ...]:
    """The late fee that was charged, and the one that is owed, each on its first late day."""
    by_day: dict[date, int] = {}
    if posted.overdue_on is not None:
        by_day[posted.overdue_on] = -posted.charged.late_fee
    if overdue_on is not None:
        by_day[overdue_on] = by_day.get(overdue_on, 0) + fee_minor
    return tuple(e.ChargeChange(on, minor) for on, minor in sorted(by_day.items()) if minor)


def _interest_changes(posted: Invoice, after: Invoice, through: date) -> dict[date, int]:
    """By day, how much more interest is posted than was."""
    since = _first_difference(posted, after)
    by_day: dict[date, int] = {}
    if posted.mora_through is not None:
        for day, minor in postings(posted, since, posted.mora_through):
            by_day[day] = -minor
    for day, minor in postings(after, since, through):
        by_day[day] = by_day.get(day, 0) + minor
    return {day: minor for day, minor in sorted(by_day.items()) if minor}


def _first_difference(posted: Invoice, after: Invoice) -> date:
    """A day before which interest is posted as it was."""
    for name in ("terms", "due_on", "disputes", "rates"):
        if getattr(posted, name) != getattr(after, name):
            return date.min
    if charges.original_base_minor(posted) != charges.original_base_minor(after):
        return date.min
    days = settling_days(posted) ^ settling_days(after)
    days |= {one.on for one in {*posted.movements} ^ {*after.movements}}
    if posted.mora_through is not None:
        days.add(posted.mora_through + DAY)
    else:
        days.add(date.min)
    taken_over = {one for one in posted.imputations if one.kind == "renegotiated"} ^ {
        one for one in after.imputations if one.kind == "renegotiated"
    }
    days |= {one.on for one in taken_over}
    return min(days)


def runs_of(by_day: dict[date, int]) -> Iterator[e.InterestChange]:
    """Changes of single days as runs of days, with no gap of more than a week in one."""
    first_on: date | None = None
    minors: list[int] = []
    for day, minor in by_day.items():
        gap = (day - first_on).days - len(minors) if first_on is not None else 0
        if first_on is not None and gap > 7:
            yield e.InterestChange(first_on, tuple(minors))
            first_on = None
        if first_on is None:
            first_on, minors, gap = day, [], 0
        minors += [0] * gap
        minors.append(minor)
    if first_on is not None:
        yield e.InterestChange(first_on, tuple(minors))
