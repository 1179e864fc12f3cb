"""Late fee and interest as a pure function of facts: the frozen terms and the timeline of the open principal.

Nothing here knows what was posted. The clock, a payment and a recalculation all post the difference between
these targets and what stands, so that the result never depends on when the clock ran or in which order facts
were recorded.

Interest on a day counts the principal open when the day began, so the day of payment is included. Days run from
the day after the due date (or after the shifted one, by the policy). What was paid before the first late day,
within the payable window or the grace, bears none. What is disputed bears none either, where the dispute holds it.
Sources: `docs/explanation/money.md`.
"""

from calendar import isleap
from collections.abc import Iterable
from datetime import date, timedelta
from fractions import Fraction

from ledger.invoice.state import Invoice, Terms
from ledger.policy import FeePolicy
from ledger.rounding import divide

DAY = timedelta(days=1)

# What a rate per (month, year) is worth on one day: a numerator and a denominator beside the rate's own.
_PER_DAY = {
    ("month", "30"): (1, 30),
    ("month", "360"): (12, 360),
    ("month", "365"): (12, 365),
    ("month", "actual"): (12, 365 * 366),
    ("year", "30"): (1, 360),
    ("year", "360"): (1, 360),
    ("year", "365"): (1, 365),
    ("year", "actual"): (1, 365 * 366),
}


def principal_before(invoice: Invoice, day: date) -> int:
    """The principal open when `day` began, in minor units."""
    return invoice.total_minor + sum(
        movement.principal_minor for movement in invoice.movements if movement.on < day
    )


def held_before(invoice: Invoice, day: date) -> int:
    """What of the principal bears neither fee nor interest when `day` begins, because it is disputed."""
    return sum(
        dispute.minor
        for dispute in invoice.disputes
        if dispute.holds_interest
        and dispute.on < day
        and (dispute.until is None or day <= dispute.until)
    )


def first_late_day(invoice: Invoice) -> date | None:
    """The first day, from the terms' first late day on, that begins with principal open that bears charges.

    It is a later one when a payment that was in time is charged back, or a dispute that held all of it is over.
    """
    terms = _terms(invoice)
    bearing_minor, day = invoice.total_minor, terms.late_on
    for on, change_minor in _changes(invoice):
        if on >= day and bearing_minor > 0:
            break
        bearing_minor += change_minor
        day = max(day, on + DAY)
    return day if bearing_minor > 0 else None


def late_fee(invoice: Invoice, through: date) -> tuple[int, int]:
    """(late fee, its base) owed by `through`: zero before the first late day or with nothing open on it."""
    terms = _terms(invoice)
    if through < terms.late_on:
        return 0, 0
    late_on = first_late_day(invoice)
    if late_on is None or through < late_on:
        return 0, 0
    open_minor = principal_before(invoice, late_on) - held_before(invoice, late_on)
    base = base_on(invoice, late_on, open_minor)
    base_minor = divide(base.numerator, base.denominator, terms.policy.rounding)
    rate = terms.policy.late_fee
    fee_minor = divide(
        base.numerator * rate.numerator,
        base.denominator * rate.denominator,
        terms.policy.rounding,
    )
    minimum = terms.policy.late_fee_minimum
    if minimum is not None and minimum.currency == invoice.currency:
        fee_minor = max(fee_minor, minimum.minor)
    return fee_minor, base_minor


def base_on(invoice: Invoice, day: date, bearing_minor: int) -> int | Fraction:
    """What fee and interest count on when `day` begins with so much principal that bears them, in minor units, exactly.

    Of the value first asked for, what is disputed takes off its part of the principal; so does what an agreement has
    taken over, which bears them there.
    """
    terms = _terms(invoice)
    if terms.policy.mora_base == "outstanding":
        return bearing_minor
    day = max(day, terms.late_on)
    elsewhere_minor = held_before(invoice, day) if invoice.disputes else 0
    for gift in invoice.given_up:
        if gift.way == "renegotiated" and gift.on < day:
            elsewhere_minor += gift.split.principal
    if not elsewhere_minor:
        return terms.mora_base_minor
    return Fraction(terms.mora_base_minor * bearing_minor, bearing_minor + elsewhere_minor)


def cumulative_mora(invoice: Invoice, through: date) -> int:
    """Interest owed in all up to and including `through`, rounded once, in minor units."""
    terms = _terms(invoice)
    policy = terms.policy
    rate = policy.mora
    if rate.numerator == 0 or through < terms.late_on:
        return 0
    units: int | Fraction = 0
    for after, last, bearing_minor in _stretches(invoice, terms, through):
        base = base_on(invoice, after + DAY, bearing_minor)
        if policy.day_count == "actual":
            units += base * _weighted_days(after, last)
        else:
            units += base * (last - after).days
    numerator, denominator = _PER_DAY[rate.per, policy.day_count]
    numerator *= units.numerator * rate.numerator
    return divide(numerator, denominator * units.denominator * rate.denominator, policy.rounding)


def segments(invoice: Invoice, through: date) -> list[tuple[date, date, int]]:
    """(first day, last day, principal) of each stretch that bears interest, both days included. The principal is
    what was open and not held by a dispute."""
    terms = _terms(invoice)
    if through < terms.late_on:
        return []
    return [
        (after + DAY, last, open_minor)
        for after, last, open_minor in _stretches(invoice, terms, through)
        if last > after  # two changes on one day leave a stretch of no day between them
    ]


def is_posting_day(policy: FeePolicy, day: date) -> bool:
    """Whether interest is posted on this day: every day, or the last of each month."""
    return policy.accrual == "daily" or (day + DAY).day == 1


def last_posting_day(policy: FeePolicy, day: date) -> date:
    """The last day up to `day` on which interest is posted."""
    return day if is_posting_day(policy, day) else day.replace(day=1) - DAY


def can_accrue(invoice: Invoice) -> bool:
    """Whether a later day can bear more interest than stands: at a rate, on principal that is open."""
    return _terms(invoice).policy.mora.numerator > 0 and invoice.open.principal > 0


def _terms(invoice: Invoice) -> Terms:
    assert invoice.terms is not None, "a draft bears neither fee nor interest"
    return invoice.terms


def _stretches(invoice: Invoice, terms: Terms, through: date) -> list[tuple[date, date, int]]:
    """(the day before, last day, principal) of each stretch that bears interest by `through`, a late day."""
    after = invoice.due_on if terms.policy.interest_from == "due_date" else terms.payable_until
    bearing_minor = invoice.total_minor
    if not invoice.movements and not invoice.disputes:  # most invoices, every night
        return [(after, through, bearing_minor)]
    stretches: list[tuple[date, date, int]] = []
    for on, change_minor in _changes(invoice):
        if on >= through:
            break
        if on >= terms.late_on:
            stretches.append((after, on, bearing_minor))
            after = on
        bearing_minor += change_minor
    stretches.append((after, through, bearing_minor))
    return [stretch for stretch in stretches if stretch[2] > 0]


def _changes(invoice: Invoice) -> Iterable[tuple[date, int]]:
    """Changes of the principal that bears interest: day and signed minor units, in order."""
    movements = ((movement.on, movement.principal_minor) for movement in invoice.movements)
    if not invoice.disputes:
        return movements
    changes = list(movements)
    for dispute in invoice.disputes:
        if dispute.holds_interest:
            changes.append((dispute.on, -dispute.minor))
            if dispute.until is not None:
                changes.append((dispute.until, dispute.minor))
    return sorted(changes)


def _weighted_days(after: date, last: date) -> int:
    """Days after `after` up to `last`, each weighted by the length of the other kind of year: 366 in a common
    year, 365 in a leap year, so that over 365 * 366 each counts as its year's part."""
    weighted = 0
    while after < last:
        end = min(last, date(after.year, 12, 31))
        if end == after:
            end = min(last, date(after.year + 1, 12, 31))
        weighted += (end - after).days * (365 if isleap(end.year) else 366)
        after = end
    return weighted
