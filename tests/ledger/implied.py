"""Late fee and interest over the principal that an invoice's own events imply, computed a second time.

Read from the stored events alone: the terms, what each fact covers in the end, the disputes that hold interest. Then
the calendar is walked day by day, with whole numbers of minor units and fractions, from the rules of the field; nothing
is taken from the product but the shapes of its events.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction

from ledger.event_registry import Event
from ledger.invoice import events as e
from ledger.money import Money
from tests.ledger.independent import DAY, Hold, Terms

FORGIVENESS = (e.Waived, e.InterestReturned, e.WrittenOff, e.Voided, e.Cancelled)


@dataclass
class Cover:
    """A fact that covers something: the principal that is open less by it, from the end of its day on.

    asks  what it asks to cover: interest is posted up to its day then, whatever the policy
    """

    on: date
    principal: int
    asks: int = 0
    credited: int = 0
    is_takeover: bool = False


@dataclass
class Implied:
    """An invoice as told by its events.

    is_monthly  interest is posted at each month's end, and on the days of facts that ask to cover something
    covers      what each imputation covers, in the order in which they were recorded
    fee, mora   what was posted of them, corrections included
    through     the day up to which interest was posted
    overdue_on  the first late day, as posted
    """

    currency: str = ""
    total: int = 0
    terms: Terms | None = None
    is_monthly: bool = False
    covers: list[Cover] = field(default_factory=list)
    small_balances: dict[date, int] = field(default_factory=dict)
    holds: list[Hold] = field(default_factory=list)
    disputed: Hold | None = None
    due_moved_on: date | None = None
    overdue_on: date | None = None
    fee: int = 0
    mora: int = 0
    through: date | None = None

    def tell(self, event: Event, on: date) -> None:
        match event:
            case e.Drafted():
                self.currency, self.total = event.currency, event.total_minor
            case e.Redrafted():
                self.total = event.total_minor
            case e.Sent():
                self.terms = terms_of(event, self.total, self.currency)
                self.is_monthly = event.policy.accrual == "month_end"
            case e.DueDateMoved():
                assert self.terms is not None
                if self.due_moved_on is None or on >= self.due_moved_on:
                    self.terms.due_on, self.due_moved_on = event.due_on, on
            case e.ReferenceRateApplied():
                assert self.terms is not None
                assert self.terms.rates is not None
                rate = event.rate.fraction
                self.terms.rates.append((on, rate))
            case e.BecameOverdue():
                self.overdue_on = on
            case e.LateFeeCharged():
                self.fee += event.amount_minor
            case e.MoraPosted():
                self.mora += event.amount_minor
                self.through = event.through
            case e.Recalculated():
                self._recalculate(event)
            case e.Disputed():
                self.disputed = Hold(on, event.amount_minor) if event.holds_interest else None
                self.holds += [self.disputed] if self.disputed else []
            case e.DisputeResolved() if self.disputed is not None:
                self.disputed.until = on
                if event.outcome == "rejected" and not event.keeps_hold:
                    self.holds.remove(self.disputed)
                self.disputed = None
            case _:
                self._cover(event, on)

    def _cover(self, event: Event, on: date) -> None:
        match event:
            case e.PaymentReceived() | e.CreditApplied():
                self.covers.append(Cover(on, event.split.principal, event.amount_minor))
            case e.PaymentChargedBack():
                self.covers.append(Cover(on, -event.split.principal))
            case e.PaymentReversed() | e.PaymentReallocated():
                self.covers[event.fact].principal -= event.split.principal
                self.covers[event.fact].asks -= event.amount_minor
            case e.Credited():
                principal = event.forgiven.principal + event.applied.principal
                self.covers.append(Cover(on, principal, event.total_minor, event.total_minor))
            case e.SmallBalanceWaived():
                self.small_balances[on] = event.forgiven.principal
            case e.Renegotiated():
                principal, asks = event.forgiven.principal, event.forgiven.total
                self.covers.append(Cover(on, principal, asks, is_takeover=True))
            case _ if isinstance(event, FORGIVENESS):
                asks = (event.forgiven if event.asked is None else event.asked).total
                self.covers.append(Cover(on, event.forgiven.principal, asks))

    def _recalculate(self, event: e.Recalculated) -> None:
        self.fee += event.late_fee_minor
        self.mora += event.mora_minor
        self.through, self.overdue_on = event.through, event.overdue_on
        for one in event.imputations:
            cover = self.covers[one.fact]
            assert (cover.on, cover.principal) == (one.on, _principal(one.before))
            cover.principal = _principal(one.after)
        for small in event.small_balances:
            assert self.small_balances.get(small.on, 0) == small.before.principal
            self.small_balances[small.on] = small.after.principal

    def asked_for(self) -> tuple[int, int]:
        """(late fee, interest) that ought to stand."""
        assert self.terms is not None
        through = self.through or self.terms.issued_on
        stands_on = self._stands_on(through)
        fee, mora, late_since = 0, 0, None
        last = max(through, self.overdue_on or through)
        for day, late, fee_by_then, exact in self.days(last):
            late_since, fee = late, fee_by_then
            if day <= stands_on:
                mora = self.terms.rounded(exact)
        assert late_since == self.overdue_on
        return fee, mora

    def _stands_on(self, through: date) -> date:
        """The last day up to which interest was posted: every day, or a month's end or that of a fact."""
        if not self.is_monthly:
            return through
        month_end = through if (through + DAY).day == 1 else through.replace(day=1) - DAY
        asked_on = [cover.on for cover in self.covers if cover.asks and cover.on <= through]
        return max([month_end, *asked_on])

    def days(self, last: date) -> Iterator[tuple[date, date | None, int, Fraction]]:
        """(day, first late day, late fee, interest exactly) at the end of each day."""
        terms = self.terms
        assert terms is not None
        changes = self._changes()
        credited = sum(cover.credited for cover in self.covers if cover.on <= terms.due_on)
        original = max(0, terms.original_base - credited)
        early = [amount for on, amount in changes.items() if on < terms.issued_on]
        principal, fee, exact = self.total - sum(early), 0, Fraction(0)
        late_since: date | None = None
        day = terms.issued_on
        while day <= last:
            bearing = principal - self._held(day)
            if day >= terms.late_on and bearing > 0:
                base = Fraction(bearing)
                if terms.base == "original":
                    base = Fraction(original * bearing, principal + self._taken_over(day))
                first = terms.interest_after + DAY if day == terms.late_on else day
                while first <= day:
                    exact += base * terms.daily(first)
                    first += DAY
                if late_since is None:
                    late_since, fee = day, terms.fee(base, principal)
            principal -= changes.get(day, 0)
            yield day, late_since, fee, exact
            day += DAY

    def _changes(self) -> dict[date, int]:
        changes: dict[date, int] = dict(self.small_balances)
        for cover in self.covers:
            changes[cover.on] = changes.get(cover.on, 0) + cover.principal
        return changes

    def _taken_over(self, day: date) -> int:
        return sum(cover.principal for cover in self.covers if cover.is_takeover and cover.on < day)

    def _held(self, day: date) -> int:
        return sum(
            hold.amount
            for hold in self.holds
            if hold.on < day and (hold.until is None or day <= hold.until)
        )


def _principal(covered: e.Covered) -> int:
    return covered.paid.principal + covered.forgiven.principal


def terms_of(sent: e.Sent, total: int, currency: str) -> Terms:
    """The terms of an invoice in the shape of the independent calculation."""
    policy = sent.policy
    cap = policy.late_fee_cap

    def in_currency(amount: Money | None) -> int:
        return amount.minor if amount is not None and amount.currency == currency else 0

    return Terms(
        total=total,
        issued_on=sent.issued_on,
        due_on=sent.due_on,
        late_fee=Fraction(policy.late_fee.numerator, policy.late_fee.denominator),
        minimum=in_currency(policy.late_fee_minimum),
        rate=Fraction(policy.mora.numerator, policy.mora.denominator),
        per=policy.mora.per,
        day_count=policy.day_count,
        base=policy.mora_base,
        grace_days=policy.grace_days,
        interest_from=policy.interest_from,
        rounding=policy.rounding,
        order=policy.waterfall,
        weekends=sent.calendar.name == "weekends",
        cap=None if cap is None else Fraction(cap.numerator, cap.denominator),
        tolerance=in_currency(policy.small_balance_tolerance),
        original=sent.mora_base_minor,
        rates=[] if policy.mora_reference else None,
    )


def implied(events: Iterable[tuple[Event, date]]) -> Implied:
    found = Implied()
    for event, on in events:
        found.tell(event, on)
    return found
