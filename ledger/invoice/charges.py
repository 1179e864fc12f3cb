"""Late fee and interest of an invoice, as a pure function of facts: the frozen terms and the changes of the open
principal. The formulas are in `ledger.late_fee` and `ledger.mora`.

Nothing here knows what was posted. The clock, a payment and a recalculation all post the difference between
these targets and what is charged already, so that the result never depends on when the clock ran or in which order
facts were recorded.

Interest on a day counts the principal open when the day began, so the day of payment is included. Days run from
the day after the due date (or after the shifted one, by the policy). What was paid before the first late day,
within the payable window or the grace, bears none. What is disputed bears none either, where the dispute holds it.
Sources: `docs/explanation/money.md`.
"""

from datetime import date
from fractions import Fraction
from typing import NamedTuple

from ledger.invoice.state import Invoice, Terms
from ledger.late_fee import late_fee_of
from ledger.mora import DAY, per_day, weighted_by_rate, weighted_days
from ledger.rounding import divide


class Stretch(NamedTuple):
    """Days, both included, on which interest counts on the same amounts, in minor units.

    base   what it counts on, exactly
    bearing_minor, held_minor  the open principal that bears it, and what a dispute holds of it
    """

    first_on: date
    last_on: date
    base: int | Fraction
    bearing_minor: int
    held_minor: int


class Charges:
    """Late fee and interest of an invoice, run forward over the changes of its principal.

    `move` tells the changes in the order of their days; `late_fee` and `mora` ask for a day that is not before the
    last change. Amounts are minor units.

    principal_minor, held_minor  the open principal after the last change, and what disputes hold of it
    """

    def __init__(self, invoice: Invoice, *, tell_stretches: bool = False) -> None:
        terms = terms_of(invoice)
        policy = terms.policy
        self._terms, self._policy, self._rates = terms, policy, invoice.rates
        self._currency, self._total_minor = invoice.currency, invoice.total_minor
        self._base_minor = original_base_minor(invoice)
        self._holds = _hold_changes(invoice)
        self.held_minor = 0
        self._taken_over_minor = 0
        self.principal_minor = invoice.total_minor
        self._since = date.min  # the first day with the present principal and holds
        self._after = (
            invoice.due_on if policy.interest_from == "due_date" else terms.payable_until
        )  # interest through this day is in the units
        self._units: int | Fraction = 0
        self._stretches: list[Stretch] | None = [] if tell_stretches else None
        self._late: tuple[date, int | Fraction, int] | None = None  # day, base, open principal
        self._late_fee: tuple[int, int] | None = None

    def move(self, on: date, change_minor: int, taken_over_minor: int = 0) -> None:
        """The open principal changes at the end of a day. What an agreement took over bears its charges there."""
        self._hold_until(on)
        self._cut(on)
        self.principal_minor += change_minor
        self._taken_over_minor += taken_over_minor

    def first_late_day(self, through: date) -> date | None:
        """The first day, from the terms' first late day on, that begins with principal open that bears charges.

        It is a later one when a payment that was in time is charged back, or a dispute that held all of it is over.
        None when there is none through that day.
        """
        self._hold_until(through)
        self._find_late(through)
        return self._late[0] if self._late is not None else None

    def late_fee(self, through: date) -> tuple[int, int]:
        """(late fee, its base) owed by a day: zero before the first late day."""
        if self.first_late_day(through) is None:
            return 0, 0
        if self._late_fee is None:
            assert self._late is not None
            _, base, open_minor = self._late
            self._late_fee = late_fee_of(
                self._policy, self._currency, base, open_minor, self._total_minor
            )
        return self._late_fee

    def mora(self, through: date) -> int:
        """Interest owed in all up to and including a day, rounded once."""
        if through < self._terms.late_on or not self._policy.bears_interest:
            return 0
        self._hold_until(through)
        units = self._units + self._weighed(self._after, through)
        if not units:
            return 0
        numerator, denominator = per_day(self._policy)
        return divide(
            numerator * units.numerator, denominator * units.denominator, self._policy.rounding
        )

    def stretches(self, through: date) -> list[Stretch]:
        """The days that bear interest by a day, as stretches; nothing can be asked for afterwards."""
        assert self._stretches is not None, "made to tell stretches"
        self._hold_until(through)
        self._cut(through)
        return self._stretches

    @property
    def _bearing_minor(self) -> int:
        return self.principal_minor - self.held_minor

    def _hold_until(self, day: date) -> None:
        """Applies what disputes change before the beginning of a day."""
        while self._holds and self._holds[0][0] < day:
            on, change_minor = self._holds.pop(0)
            self._cut(on)
            self.held_minor += change_minor

    def _cut(self, on: date) -> None:
        """Counts the interest of the days through `on`, on what has borne it until then."""
        self._find_late(on)
        if on >= self._terms.late_on and on > self._after:
            bearing_minor = self._bearing_minor
            if bearing_minor > 0:
                self._units += self._weighed(self._after, on)
                if self._stretches is not None:
                    base, first_on = self._base(bearing_minor), self._after + DAY
                    self._stretches.append(
                        Stretch(first_on, on, base, bearing_minor, self.held_minor)
                    )
            self._after = on
        if on >= self._since:
            self._since = on + DAY

    def _find_late(self, through: date) -> None:
        if self._late is not None or self._bearing_minor <= 0:
            return
        day = max(self._terms.late_on, self._since)
        if day <= through:
            self._late = (day, self._base(self._bearing_minor), self.principal_minor)

    def _weighed(self, after: date, last: date) -> int | Fraction:
        bearing_minor = self._bearing_minor
        if bearing_minor <= 0 or last <= after:
            return 0
        base = self._base(bearing_minor)
        if self._policy.mora_reference:
            return base * weighted_by_rate(self._policy, self._rates, after, last)
        return base * weighted_days(self._policy, after, last)

    def _base(self, bearing_minor: int) -> int | Fraction:
        """What fee and interest count on, exactly. Of the value first asked for, what is disputed takes off its part of
        the principal; so does what an agreement has taken over, which bears them there."""
        if self._policy.mora_base == "outstanding":
            return bearing_minor
        elsewhere_minor = self.held_minor + self._taken_over_minor
        if not elsewhere_minor:
            return self._base_minor
        return Fraction(self._base_minor * bearing_minor, bearing_minor + elsewhere_minor)


def charges_of(
    invoice: Invoice, before: date = date.max, *, tell_stretches: bool = False
) -> Charges:
    """The charges of an invoice, run over the changes of its principal that come before a day."""
    charges = Charges(invoice, tell_stretches=tell_stretches)
    for change in principal_changes(invoice):
        if change[0] >= before:
            break
        charges.move(*change)
    return charges


def principal_changes(invoice: Invoice) -> list[tuple[date, int, int]]:
    """(day, change of the open principal, what of it an agreement took over) in order, in minor units."""
    changes = [(one.on, one.principal_minor, 0) for one in invoice.movements]
    taken_over = [
        (one.on, 0, one.covered.forgiven.principal)
        for one in invoice.imputations
        if one.kind == "renegotiated"
    ]
    return sorted(changes + taken_over) if taken_over else changes


def late_fee(invoice: Invoice, through: date) -> tuple[int, int]:
    """(late fee, its base) owed by `through`: zero before the first late day."""
    return _until_late(invoice, through).late_fee(through)


def first_late_day(invoice: Invoice, through: date) -> date | None:
    """The first day that begins with principal that is late and bears charges, if it has come by `through`."""
    return _until_late(invoice, through).first_late_day(through)


def cumulative_mora(invoice: Invoice, through: date) -> int:
    """Interest owed in all up to and including `through`, rounded once, in minor units."""
    return charges_of(invoice, before=through).mora(through)


def _until_late(invoice: Invoice, through: date) -> Charges:
    """The charges run over the changes of the principal before the first late day."""
    charges = Charges(invoice)
    for change in principal_changes(invoice):
        if change[0] >= through or charges.first_late_day(change[0]) is not None:
            break
        charges.move(*change)
    return charges


def stretches(invoice: Invoice, through: date) -> list[Stretch]:
    """The days that bear interest by `through`, as stretches."""
    if through < terms_of(invoice).late_on:
        return []
    return charges_of(invoice, before=through, tell_stretches=True).stretches(through)


def original_base_minor(invoice: Invoice) -> int:
    """The value first asked for, less the credit notes that take effect by the due date, in minor units."""
    credited_minor = sum(
        one.asked_minor
        for one in invoice.imputations
        if one.kind == "credited" and one.on <= invoice.due_on
    )
    return max(0, terms_of(invoice).mora_base_minor - credited_minor)


def can_accrue(invoice: Invoice) -> bool:
    """Whether a later day can bear more interest than is charged: at a rate, on principal that is open."""
    return invoice.open.principal > 0 and terms_of(invoice).policy.bears_interest


def terms_of(invoice: Invoice) -> Terms:
    """The terms that were frozen at sending."""
    assert invoice.terms is not None, "a draft bears neither fee nor interest"
    return invoice.terms


def _hold_changes(invoice: Invoice) -> list[tuple[date, int]]:
    """(day, change of what is held) in order: what a dispute holds bears nothing from the next day on."""
    changes: list[tuple[date, int]] = []
    for dispute in invoice.disputes:
        if dispute.holds_interest:
            changes.append((dispute.on, dispute.minor))
            if dispute.until is not None:
                changes.append((dispute.until, -dispute.minor))
    return sorted(changes)
