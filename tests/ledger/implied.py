"""Late fee and interest over the principal that an invoice's own events imply, computed a second time.

Read from the stored events alone: the terms, the splits, what was moved and given up, the disputes that hold interest.
Then the calendar is walked day by day, with whole numbers of minor units and fractions, from the rules of the field;
nothing is taken from the product but the shapes of its events.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction

from ledger.allocation import Split
from ledger.events import Event
from ledger.invoice import events as e
from ledger.invoice.evolving import evolve
from ledger.invoice.state import Invoice
from tests.ledger.independent import DAY, Terms

GIFTS = (e.Waived, e.Credited, e.WrittenOff, e.Renegotiated, e.Voided, e.Cancelled)
GIVEN_UP = ("void", "cancelled", "written_off", "renegotiated")


@dataclass
class Hold:
    """A dispute that holds interest on an amount, after `on` and up to the end of `until`."""

    on: date
    amount: int
    until: date | None = None


@dataclass
class Implied:
    """An invoice as told by its events.

    invoice     as folded: its status says whether the debt was given up
    fee, mora   what was posted of them, corrections included
    through     the day up to which interest was posted
    original    the value first asked for
    """

    total: int = 0
    terms: Terms | None = None
    original: int = 0
    parts: list[tuple[object, date, Split]] = field(default_factory=list)
    principal_gifts: list[tuple[date, int]] = field(default_factory=list)
    taken_over: list[tuple[date, int]] = field(default_factory=list)
    moved: dict[date, int] = field(default_factory=dict)
    holds: list[Hold] = field(default_factory=list)
    disputed: Hold | None = None
    invoice: Invoice | None = None
    was_overdue: bool = False
    fee: int = 0
    mora: int = 0
    through: date | None = None

    def tell(self, event: Event, on: date) -> None:
        is_given_up = self.invoice is not None and self.invoice.status in GIVEN_UP
        self.invoice = evolve(self.invoice, event, on)
        match event:
            case e.Drafted() | e.Redrafted():
                self.total = event.total_minor
            case e.Sent():
                self.terms, self.original = terms_of(event, self.total), event.mora_base_minor
            case e.DueDateMoved():
                assert self.terms is not None
                self.terms.due_on, self.was_overdue = event.due_on, False
            case e.BecameOverdue():
                self.was_overdue = True
            case e.LateFeeCharged():
                self.fee += event.amount_minor
            case e.MoraPosted():
                self.mora += event.amount_minor
                self.through = event.through
            case e.ChargesRecalculated():
                self.fee += event.late_fee_minor
                self.mora += event.mora_minor
                self.through = event.through
                for move in event.moved_on:
                    self.moved[move.on] = self.moved.get(move.on, 0) + move.principal_minor
            case _:
                self._tell_fact(event, on, is_given_up)

    def _tell_fact(self, event: Event, on: date, is_given_up: bool) -> None:
        match event:
            case e.PaymentReceived():
                self.parts.append((event.payment_id, on, event.split))
            case e.CreditApplied():
                self.parts.append((event.source_id, on, event.split))
            case e.PaymentReversed() if event.split != Split():
                self.parts.remove((event.payment_id, on, event.split))
            case e.PaymentChargedBack():
                self.parts.append((event.payment_id, on, -event.split))
            case e.Disputed():
                self.disputed = Hold(on, event.amount_minor) if event.holds_interest else None
                self.holds += [self.disputed] if self.disputed else []
            case e.DisputeResolved() if self.disputed is not None:
                self.disputed.until = on
                if event.outcome == "rejected" and not is_given_up:
                    self.holds.remove(self.disputed)
                self.disputed = None
        if isinstance(event, GIFTS):
            self.principal_gifts.append((on, event.forgiven.principal))
        if isinstance(event, e.Renegotiated):
            self.taken_over.append((on, event.forgiven.principal))

    def asked_for(self) -> tuple[int, int]:
        """(late fee, interest) that ought to stand."""
        assert self.terms is not None
        through = self.through or self.terms.issued_on
        mora, fee = 0, 0
        for day, fee_by_then, exact in self._days(through):
            fee = fee_by_then
            if day <= through:
                mora = self.terms.rounded(exact)
        return fee, mora

    def _days(self, through: date) -> Iterator[tuple[date, int, Fraction]]:
        """(day, late fee, interest) at the end of each day; to the first late one where the invoice was overdue."""
        terms = self.terms
        assert terms is not None
        changes = self._changes()
        principal, fee, exact, is_late = self.total, 0, Fraction(0), False
        day, last = terms.issued_on, through
        if self.was_overdue:  # then the fee stands, also where interest is posted only later
            last = max([through, terms.late_on, *changes, *self._held_days()]) + DAY
        while day <= last:
            bearing = principal - self._held(day)
            base: int | Fraction = bearing
            if terms.base == "original":
                base = self.original
                whole = principal + sum(amount for on, amount in self.taken_over if on < day)
                if 0 < bearing < whole:
                    base = Fraction(self.original * bearing, whole)
            if day >= terms.late_on and bearing > 0:
                first = terms.interest_after + DAY if day == terms.late_on else day
                while first <= day:
                    exact += base * terms.daily(first)
                    first += DAY
                if not is_late and (day <= through or self.was_overdue):
                    is_late, fee = True, max(terms.minimum, terms.rounded(base * terms.late_fee))
            principal += changes.get(day, 0)
            yield day, fee, exact
            day += DAY

    def _changes(self) -> dict[date, int]:
        changes: dict[date, int] = {}
        told = [(on, -split.principal) for _, on, split in self.parts]
        told += [(on, -amount) for on, amount in self.principal_gifts]
        told += [(on, -amount) for on, amount in self.moved.items()]
        for on, amount in told:
            changes[on] = changes.get(on, 0) + amount
        return changes

    def _held_days(self) -> list[date]:
        return [hold.until + DAY for hold in self.holds if hold.until is not None]

    def _held(self, day: date) -> int:
        return sum(
            hold.amount
            for hold in self.holds
            if hold.on < day and (hold.until is None or day <= hold.until)
        )


def terms_of(sent: e.Sent, total: int) -> Terms:
    """The terms of an invoice in the shape of the independent calculation."""
    policy = sent.policy
    return Terms(
        total=total,
        issued_on=sent.issued_on,
        due_on=sent.due_on,
        late_fee=Fraction(policy.late_fee.numerator, policy.late_fee.denominator),
        minimum=policy.late_fee_minimum.minor if policy.late_fee_minimum else 0,
        rate=Fraction(policy.mora.numerator, policy.mora.denominator),
        per=policy.mora.per,
        day_count=policy.day_count,
        base=policy.mora_base,
        grace_days=policy.grace_days,
        interest_from=policy.interest_from,
        rounding=policy.rounding,
        order=policy.waterfall,
        weekends=sent.calendar.name == "weekends",
    )


def implied(events: Iterable[tuple[Event, date]]) -> Implied:
    found = Implied()
    for event, on in events:
        found.tell(event, on)
    return found
