"""Histories of an invoice: random facts, told to the ledger with the clock running as it pleases."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from typing import Literal, NamedTuple, cast
from uuid import UUID

from ledger.allocation import COMPONENTS, Component, Order, Split
from ledger.calendars import Calendar
from ledger.events import New
from ledger.invoice import accrual, adjusting, charges, issuing, settling
from ledger.invoice.events import ChargesRecalculated
from ledger.invoice.evolving import evolve
from ledger.invoice.recalculation import charged_through, mora_through, recalculation
from ledger.invoice.state import OPEN, Invoice
from ledger.money import Money
from ledger.policy import Base, DayCount, FeePolicy
from ledger.rates import Rate
from ledger.rounding import Rounding
from ledger.tax import Line, Priced, PricedLine
from tests.ledger.independent import Terms

Kind = Literal["pay", "reverse", "extend", "cancel", "charge back", "waive"]
DAY = timedelta(days=1)
KINDS: tuple[Kind, ...] = ("pay", "reverse", "extend", "cancel", "charge back", "waive")
CUSTOMER = UUID(int=7)
Clock = Literal["daily", "never", "sometimes"]


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
        mora_base=cast(Base, terms.base),
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
    drafted = issuing.draft(CUSTOMER, "BRL", terms.due_on, lines, priced, "")
    calendar = Calendar("weekends" if terms.weekends else "none", "1")
    invoice = evolve(None, drafted, terms.issued_on)
    return [
        New(drafted, terms.issued_on),
        issuing.send(invoice, "INV-000001", terms.issued_on, policy, calendar),
    ]


@dataclass
class Ledger:
    """One invoice in the ledger, with everything that was ever posted to it.

    `taken` is what the invoice took of each payment that stands, by the payment's number.
    """

    events: list[New]
    credit_minor: int = 0
    taken: dict[int, int] = field(default_factory=dict)
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
        self.post(accrual.overdue(self.invoice, day))
        posted = accrual.mora_on(self.invoice, day)
        if posted is not None:
            self.post([New(posted, day)])

    def pay(self, number: int, amount: int, on: date, today: date) -> int:
        """Returns what the invoice took; nothing when it takes no money."""
        if self.invoice.status not in OPEN:
            return 0
        decision, rest = settling.receive(self.invoice, payment_id(number), amount, on, today)
        self.post(decision.new)
        if rest < amount:
            self.taken[number] = amount - rest
        return amount - rest

    def reverse(self, number: int, today: date) -> None:
        self.post(settling.reverse(self.invoice, payment_id(number), today).new)
        del self.taken[number]

    def charge_back(self, number: int, on: date, today: date) -> None:
        new = settling.charge_back(self.invoice, payment_id(number), on, today).new
        self.post(new)
        del self.taken[number]

    def waive(self, component: Component, today: date) -> None:
        self.post(adjusting.waive(self.invoice, component, None, "kindness", today).new)

    def extend(self, due_on: date, today: date) -> None:
        self.post(issuing.move_due_date(self.invoice, due_on, today, "agreed").new)

    def cancel(self, today: date) -> None:
        self.post(adjusting.cancel(self.invoice, today, "given up").new)

    def bring_up_to_date(self, day: date) -> None:
        self.post(accrual.bring_up_to_date(self.invoice, day).new)


class Told(NamedTuple):
    """A fact that was told. `number` is the payment's: received, or taken back."""

    fact: Fact
    number: int = 0


def tell(ledger: Ledger, facts: Iterable[Fact], clock: Clock, rng: random.Random) -> Iterator[Told]:
    """Tells facts one after another, with the clock in between; yields what the invoice's state allowed to tell."""
    next_day = ledger.events[1].effective_on
    for number, fact in enumerate(facts, 1):
        while next_day <= fact.today:
            if clock == "daily" or (clock == "sometimes" and rng.random() < 0.2):
                ledger.run_clock(next_day)
            next_day += DAY
        told = _told(ledger, fact, number)
        if told is not None:
            yield told


def _told(ledger: Ledger, fact: Fact, number: int) -> Told | None:
    may_change = ledger.invoice.status in OPEN
    if fact.kind == "pay":
        if ledger.pay(number, amount_of(ledger.invoice, fact), fact.on, fact.today):
            return Told(fact, number)
    elif fact.kind == "reverse":
        standing = sorted(ledger.taken)
        if standing:
            taken = standing[fact.choice % len(standing)]
            ledger.reverse(taken, fact.today)
            return Told(fact, taken)
    elif fact.kind == "charge back":
        standing = sorted(ledger.taken)
        if standing:
            taken = standing[fact.choice % len(standing)]
            ledger.charge_back(taken, fact.on, fact.today)
            return Told(fact, taken)
    elif fact.kind == "waive":
        try:
            ledger.waive(component_of(fact), fact.today)
        except (issuing.NotOpen, adjusting.OverWaived):
            return None
        return Told(fact)
    elif fact.kind == "extend":
        if may_change and fact.on > ledger.invoice.due_on:
            ledger.extend(fact.on, fact.today)
            return Told(fact)
    elif may_change:
        ledger.cancel(fact.today)
        return Told(fact)
    return None


def component_of(fact: Fact) -> Component:
    return ("late_fee", "mora", "mora", "principal")[fact.choice % 4]


def amount_of(invoice: Invoice, fact: Fact) -> int:
    return max(1, invoice.total_minor * fact.share // 1000)


def assert_sound(ledger: Ledger) -> None:
    """What holds after every event that was decided, whatever the facts."""
    invoice = ledger.invoice
    for component in COMPONENTS:
        charged, paid, forgiven, open_minor = (
            getattr(split, component)
            for split in (invoice.charged, invoice.paid, invoice.forgiven, invoice.open)
        )
        assert charged == paid + forgiven + open_minor
        assert min(charged, paid, forgiven, open_minor) >= 0
    mora_stands, fee_stands = mora_through(invoice), charged_through(invoice)
    assert invoice.charged.mora == charges.cumulative_mora(invoice, mora_stands)
    assert invoice.charged.late_fee == charges.late_fee(invoice, fee_stands)[0]
    assert invoice.charged.principal == invoice.total_minor
    assert recalculation(invoice, "nothing new") is None
    assert (invoice.status in OPEN) == (invoice.open.total > 0)
    assert invoice.credited_minor == ledger.credit_minor >= 0
    assert sum(ledger.taken.values()) == invoice.paid.total + ledger.credit_minor
    splits: Counter[UUID] = Counter()
    for part in invoice.received:
        splits[part.source_id] += part.split.total
    taken = {payment_id(number): minor for number, minor in ledger.taken.items()}
    assert {one: minor for one, minor in splits.items() if minor} == taken


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
    kinds = rng.choice(
        (
            (70, 22, 5, 3, 0, 0),
            (60, 20, 2, 18, 0, 0),
            (50, 45, 5, 0, 0, 0),
            (90, 5, 5, 0, 0, 0),
            (50, 10, 10, 5, 25, 0),
            (50, 10, 5, 5, 15, 15),
        )
    )
    today = terms.issued_on + rng.choice((0, 0, 10, 30)) * DAY
    due_on = terms.due_on
    facts: list[Fact] = []
    for _ in range(length):
        today += rng.choice((0, 0, 1, 2, 5, 10, 20)) * DAY
        kind = rng.choices(KINDS, kinds)[0]
        on = today
        if kind in ("pay", "charge back"):
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
    return {component: getattr(split, component) for component in COMPONENTS}
