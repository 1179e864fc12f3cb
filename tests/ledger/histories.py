"""Histories of an invoice: random facts, told to the ledger with the clock running as it pleases."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from typing import Literal, NamedTuple, cast
from uuid import UUID

from ledger.allocation import Order, Split
from ledger.calendars import Calendar
from ledger.events import New
from ledger.invoice import decisions
from ledger.invoice.events import ChargesRecalculated
from ledger.invoice.state import OPEN, Invoice, evolve
from ledger.money import Money
from ledger.policy import Base, DayCount, FeePolicy
from ledger.rates import Rate
from ledger.rounding import Rounding
from ledger.tax import Line, Priced, PricedLine
from tests.ledger.independent import Terms

DAY = timedelta(days=1)
CUSTOMER = UUID(int=7)
Clock = Literal["daily", "never", "sometimes"]
Kind = Literal["pay", "reverse", "extend", "cancel"]


class Fact(NamedTuple):
    """Something a person tells the ledger on `today`. `share` is a part of the amount asked for, in thousandths."""

    today: date
    kind: Kind
    on: date
    share: int = 0
    choice: int = 0


def payment_id(number: int) -> UUID:
    return UUID(int=1_000 + number)


def sent(terms: Terms, accrual: Literal["daily", "month_end"] = "daily") -> list[New]:
    """The events of an invoice sent on these terms."""
    policy = FeePolicy(
        version=1,
        late_fee=Rate.of(terms.late_fee.numerator, terms.late_fee.denominator),
        late_fee_minimum=Money.of(terms.minimum, "BRL") if terms.minimum else None,
        mora=Rate.of(
            terms.rate.numerator,
            terms.rate.denominator,
            "month" if terms.per == "month" else "year",
        ),
        base=cast(Base, terms.base),
        grace_days=terms.grace_days,
        interest_from="due_date" if terms.interest_from == "due_date" else "shifted",
        day_count=cast(DayCount, terms.day_count),
        accrual=accrual,
        rounding=cast(Rounding, terms.rounding),
        waterfall=cast(Order, terms.order),
    )
    amounts = PricedLine(terms.total, 0, terms.total)
    priced = Priced((amounts,), terms.total, 0, terms.total)
    lines = [Line("a service", "1", str(terms.total))]
    drafted = decisions.draft(CUSTOMER, "BRL", terms.due_on, lines, priced, "")
    calendar = Calendar("weekends" if terms.weekends else "none", "1")
    invoice = evolve(None, drafted, terms.issued_on)
    return [
        New(drafted, terms.issued_on),
        decisions.send(invoice, "INV-000001", terms.issued_on, policy, calendar),
    ]


@dataclass
class Ledger:
    """One invoice in the ledger, with everything that was ever posted to it."""

    events: list[New]
    clock_ran_on: date = date.min
    credit_minor: int = 0
    taken: dict[UUID, int] = field(default_factory=dict)
    invoice: Invoice = field(init=False)

    def __post_init__(self) -> None:
        state: Invoice | None = None
        for event, on in self.events:
            state = evolve(state, event, on)
        assert state is not None
        self.invoice = state

    def post(self, new: Iterable[New]) -> None:
        for event, on in new:
            self.events.append(New(event, on))
            self.invoice = evolve(self.invoice, event, on)
            if isinstance(event, ChargesRecalculated):
                self.credit_minor += event.credit_minor

    def run_clock(self, day: date) -> None:
        """One business day, as the clock runs it."""
        self.post(decisions.overdue(self.invoice, day))
        posted = decisions.mora_on(self.invoice, day)
        if posted is not None:
            self.post([New(posted, day)])
        self.clock_ran_on = max(self.clock_ran_on, day)

    def pay(self, number: int, amount: int, on: date, today: date) -> int:
        """Returns what is left over, the whole amount when the invoice takes no money."""
        if self.invoice.status not in OPEN:
            return amount
        decision, rest = decisions.receive(self.invoice, payment_id(number), amount, on, today)
        self.post(decision.new)
        if rest < amount:
            self.taken[payment_id(number)] = amount - rest
        return rest

    def reverse(self, number: int, today: date) -> None:
        self.post(decisions.reverse(self.invoice, payment_id(number), today).new)
        del self.taken[payment_id(number)]

    def extend(self, due_on: date, today: date) -> None:
        self.post(decisions.move_due_date(self.invoice, due_on, today, "agreed").new)

    def cancel(self, today: date) -> None:
        self.post(decisions.cancel(self.invoice, today, "given up").new)

    def bring_up_to_date(self, day: date) -> None:
        self.post(decisions.bring_up_to_date(self.invoice, day).new)


def tell(ledger: Ledger, facts: Iterable[Fact], clock: Clock, rng: random.Random) -> Iterable[Fact]:
    """Tells the facts one after another, running the clock in between; yields each fact that was told.

    The same seed tells the same facts, whatever the clock does: amounts follow from the share of the total.
    """
    issued_on = ledger.events[1].effective_on
    next_day = issued_on
    number = 0
    for fact in facts:
        while next_day <= fact.today:
            if clock == "daily" or (clock == "sometimes" and rng.random() < 0.2):
                ledger.run_clock(next_day)
            next_day += DAY
        if fact.kind == "pay":
            number += 1
        told = _told(ledger, fact, number)
        if told:
            yield fact


def _told(ledger: Ledger, fact: Fact, number: int) -> bool:
    """Tells one fact where the invoice's state allows it: only what is refused by name is left out."""
    status = ledger.invoice.status
    if fact.kind == "pay":
        ledger.pay(number, amount_of(ledger.invoice, fact), fact.on, fact.today)
        return True
    if fact.kind == "reverse":
        standing = sorted(ledger.taken)
        if standing:
            ledger.reverse(standing[fact.choice % len(standing)].int - 1_000, fact.today)
        return bool(standing)
    if fact.kind == "extend":
        if status in OPEN and fact.on > ledger.invoice.due_on:
            ledger.extend(fact.on, fact.today)
            return True
        return False
    if status in OPEN:
        ledger.cancel(fact.today)
        return True
    return False


def amount_of(invoice: Invoice, fact: Fact) -> int:
    return max(1, invoice.total_minor * fact.share // 1000)


def random_terms(rng: random.Random) -> Terms:
    issued_on = date(2023, 9, 1) + rng.randrange(200) * DAY
    order = list(Terms.order)
    if rng.random() < 0.3:
        rng.shuffle(order)
    return Terms(
        total=rng.choice((1, rng.randrange(1, 2_000), rng.randrange(1, 5_000_000), 50_000)),
        issued_on=issued_on,
        due_on=issued_on + rng.randrange(20) * DAY,
        late_fee=rng.choice((Fraction(0), Fraction(2, 100), Fraction(1, 3), Fraction(7, 1000))),
        minimum=rng.choice((0, 0, 0, 4_000)),
        rate=rng.choice(
            (Fraction(1, 100), Fraction(1, 100), Fraction(1, 7), Fraction(3, 10_000), Fraction(0))
        ),
        per=rng.choice(("month", "year")),
        day_count=rng.choice(("30", "360", "365", "actual")),
        base=rng.choice(("outstanding", "outstanding", "original")),
        grace_days=rng.choice((0, 0, 0, 3, 8)),
        interest_from=rng.choice(("due_date", "shifted")),
        rounding=rng.choice(("half_even", "half_up", "truncate")),
        order=tuple(order),
        weekends=rng.random() < 0.7,
    )


def random_facts(rng: random.Random, terms: Terms, length: int) -> list[Fact]:
    """Facts in the order in which they become known; payments dated up to two months back."""
    most = rng.choice((100, 400, 1_100))
    kinds = rng.choice(((70, 22, 5, 3), (60, 20, 2, 18), (50, 45, 5, 0), (90, 5, 5, 0)))
    today = terms.issued_on + rng.choice((0, 0, 10, 30)) * DAY
    due_on = terms.due_on
    facts: list[Fact] = []
    for _ in range(length):
        today += rng.choice((0, 0, 1, 2, 5, 10, 20)) * DAY
        kind = cast(Kind, rng.choices(("pay", "reverse", "extend", "cancel"), kinds)[0])
        on = today
        if kind == "pay":
            on -= rng.choice((0, 0, 1, 3, 10, 30, 60)) * DAY
        if kind == "extend":
            due_on += rng.randrange(1, 40) * DAY
            on = due_on
        share = rng.choice(
            (0, rng.randrange(1, most), rng.randrange(1, most), rng.randrange(1, 2_000))
        )
        facts.append(Fact(today, kind, on, share, rng.randrange(100)))
    return facts


def amounts_of(split: Split) -> dict[str, int]:
    return {
        "other_fees": split.other_fees,
        "late_fee": split.late_fee,
        "mora": split.mora,
        "principal": split.principal,
    }


Runner = Callable[[Ledger, date], None]
