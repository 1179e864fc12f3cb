"""Histories of an invoice: random facts, told to the ledger with the clock running as it pleases."""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from typing import Literal, NamedTuple, cast
from uuid import UUID

from ledger.calendars import Calendar
from ledger.errors import Rejected
from ledger.event_registry import New
from ledger.invoice import (
    accrual,
    adjusting,
    charges,
    credit_notes,
    holding,
    issuing,
    settling,
)
from ledger.invoice.events import Outcome
from ledger.invoice.evolve import evolve
from ledger.invoice.recalculation import recalculation, settling_days
from ledger.invoice.replay import replay
from ledger.invoice.sources import Room
from ledger.invoice.state import OPEN, Invoice, given_back_minor, taken_by_source
from ledger.money import Money
from ledger.mora import last_posting_day
from ledger.policy import Base, DayCount, FeePolicy
from ledger.rates import Per, Rate
from ledger.rounding import Rounding
from ledger.tax import Line, Priced, PricedLine
from ledger.waterfall import COMPONENTS, Component, Order, Split
from tests.ledger.implied import implied
from tests.ledger.independent import Books, Terms

Kind = Literal[
    "pay",
    "reverse",
    "charge back",
    "extend",
    "cancel",
    "waive",
    "fee",
    "credit note",
    "write off",
    "credit",
    "void",
    "take over",
    "dispute",
    "resolve",
]
KINDS: tuple[Kind, ...] = Kind.__args__  # type: ignore[attr-defined]
DAY = timedelta(days=1)
CUSTOMER = UUID(int=7)
OWN = UUID(int=8)
"""The invoice itself, as the source of the credit that its credit notes give back."""
Clock = Literal["daily", "never", "sometimes"]


class Fact(NamedTuple):
    """Something a person tells the ledger on `today`.

    on      the day on which it takes effect; of a payment, its value date
    share   a part of the amount asked for, in thousandths; of a reversal or a charge-back, of what the payment
            offers: 0 takes all of it back
    due_on  of a due date that is moved, the new one
    """

    today: date
    kind: Kind
    on: date
    share: int = 0
    choice: int = 0
    due_on: date | None = None


def payment_id(number: int) -> UUID:
    return UUID(int=1_000 + number)


def sent(terms: Terms, accrual: Literal["daily", "month_end"] = "daily") -> list[New]:
    """The events of an invoice sent on these terms."""
    amounts = PricedLine(terms.total, 0, terms.total)
    priced = Priced((amounts,), terms.total, 0, terms.total)
    lines = [Line("a service", "1", str(terms.total))]
    drafted = issuing.draft(CUSTOMER, "BRL", terms.due_on, lines, priced, "")
    calendar = Calendar("weekends" if terms.weekends else "none", "1")
    invoice = evolve(None, drafted, terms.issued_on)
    policy = policy_of(terms, accrual)
    return [
        New(drafted, terms.issued_on),
        issuing.send(invoice, "INV-000001", terms.issued_on, policy, calendar),
    ]


def policy_of(terms: Terms, accrual: Literal["daily", "month_end"] = "daily") -> FeePolicy:
    return FeePolicy(
        version=1,
        late_fee=Rate.of(terms.late_fee.numerator, terms.late_fee.denominator),
        late_fee_minimum=Money.of(terms.minimum, "BRL") if terms.minimum else None,
        late_fee_cap=(
            None if terms.cap is None else Rate.of(terms.cap.numerator, terms.cap.denominator)
        ),
        mora=Rate.of(terms.rate.numerator, terms.rate.denominator, cast(Per, terms.per)),
        mora_base=cast(Base, terms.base),
        grace_days=terms.grace_days,
        interest_from="due_date" if terms.interest_from == "due_date" else "shifted",
        day_count=cast(DayCount, terms.day_count),
        accrual=accrual,
        rounding=cast(Rounding, terms.rounding),
        waterfall=cast(Order, terms.order),
        small_balance_tolerance=Money.of(terms.tolerance, "BRL") if terms.tolerance else None,
    )


@dataclass
class Ledger:
    """One invoice in the ledger, with everything that was ever posted to it.

    offers   what each payment, and each source of credit that was applied, is worth to it, reversals and charge-backs
             taken off; the invoice is offered all of it
    value_on the payments' own days
    today    the last day on which anything was told or posted
    """

    events: list[New]
    offers: dict[UUID, int] = field(default_factory=dict)
    value_on: dict[int, date] = field(default_factory=dict)
    today: date = field(init=False)
    invoice: Invoice = field(init=False)

    def __post_init__(self) -> None:
        state: Invoice | None = None
        self.today = date.min
        for event, on in self.events:
            state = evolve(state, event, on)
            self.today = on
        assert state is not None
        self.invoice = state

    def post(self, new: Iterable[New], today: date | None = None) -> None:
        new = list(new)
        for event, on in new:
            self.events.append(New(event, on))
            self.invoice = evolve(self.invoice, event, on)
        self.today = max([self.today, *([today] if today is not None else [on for _, on in new])])

    @property
    def room(self) -> Room:
        """What is left of the credit of each source: what the invoice has not taken of it."""
        credit = {one: minor - self.taken.get(one, 0) for one, minor in self.offers.items()}
        return Room({**credit, OWN: given_back_minor(self.invoice)}, OWN)

    @property
    def taken(self) -> dict[UUID, int]:
        """What the invoice has of each source, those of nothing left out."""
        return {one: minor for one, minor in taken_by_source(self.invoice).items() if minor}

    @property
    def standing(self) -> list[int]:
        """The payments that offer anything still, by number."""
        return [n for n in self.value_on if self.offers.get(payment_id(n))]

    def run_clock(self, day: date) -> None:
        """One business day, as the clock runs it."""
        self.post(accrual.due_on_waking(self.invoice, day), day)
        self.post(accrual.mora_on(self.invoice, day), day)

    def pay(self, number: int, amount: int, on: date, today: date) -> int:
        """Returns what the invoice took."""
        one = payment_id(number)
        decision, rest = settling.receive(self.invoice, one, amount, on, today, self.room)
        self.post(decision.new, today)
        self.offers[one] = self.offers.get(one, 0) + amount
        self.value_on[number] = on
        return amount - rest

    def apply_credit(self, source_id: UUID, amount: int, today: date) -> int:
        """Credit from elsewhere; returns what the invoice took."""
        room = self.room
        room = room._replace(credit={**room.credit, source_id: room.of(source_id) + amount})
        decision, rest = settling.apply_credit(self.invoice, source_id, amount, today, today, room)
        self.post(decision.new, today)
        self.offers[source_id] = self.offers.get(source_id, 0) + amount
        return amount - rest

    def reverse(self, number: int, today: date, amount: int | None = None) -> None:
        one = payment_id(number)
        less = self.offers[one] if amount is None else amount
        self.post(settling.reverse(self.invoice, one, less, today, self.room).new, today)
        self.offers[one] -= less

    def charge_back(self, number: int, on: date, today: date, amount: int | None = None) -> None:
        one = payment_id(number)
        less = self.offers[one] if amount is None else amount
        decision = settling.charge_back(self.invoice, one, less, on, today, self.room)
        self.post(decision.new, today)
        self.offers[one] -= less

    def waive(
        self, component: Component, today: date, amount: int | None = None, on: date | None = None
    ) -> None:
        decision = adjusting.waive(
            self.invoice, component, amount, "kindness", on or today, today, self.room
        )
        self.post(decision.new, today)

    def charge_fee(self, amount: int, on: date, today: date) -> None:
        decision = adjusting.charge_fee(self.invoice, amount, "a visit", on, today, self.room)
        self.post(decision.new, today)

    def credit_note(self, number: int, amount: int, on: date, today: date) -> None:
        lines = credit_notes.by_amount(self.invoice, amount)
        note_id = UUID(int=500 + number)
        name = f"CN-{number}"
        decision = adjusting.credit(
            self.invoice, note_id, name, lines, "returned", on, today, self.room
        )
        self.post(decision.new, today)

    def write_off(self, today: date, amount: int | None = None, on: date | None = None) -> None:
        decision = adjusting.write_off(
            self.invoice, amount, on or today, today, "hopeless", self.room
        )
        self.post(decision.new, today)

    def extend(self, due_on: date, today: date, on: date | None = None) -> None:
        decision = issuing.move_due_date(
            self.invoice, due_on, on or today, today, "agreed", room=self.room
        )
        self.post(decision.new, today)

    def cancel(self, today: date) -> None:
        self.post(adjusting.cancel(self.invoice, today, "given up").new, today)

    def void(self, today: date) -> None:
        self.post(adjusting.void(self.invoice, today, "a slip").new, today)

    def take_over(self, today: date) -> None:
        self.post(adjusting.renegotiate(self.invoice, UUID(int=9), today, "in two").new, today)

    def dispute(self, amount: int | None, on: date, today: date, holds: bool = True) -> None:
        decision = holding.dispute(
            self.invoice, amount, holds, "never ordered", on, today, self.room
        )
        self.post(decision.new, today)

    def resolve(self, outcome: Outcome, on: date, today: date) -> None:
        self.post(
            holding.resolve(self.invoice, outcome, "looked into", on, today, self.room).new, today
        )

    def bring_up_to_date(self, day: date) -> None:
        self.post(accrual.bring_up_to_date(self.invoice, day).new, day)


class Told(NamedTuple):
    """A fact that was told, and how the independent books are told the same."""

    fact: Fact
    to_books: Callable[[Books], None]


def tell(ledger: Ledger, facts: Iterable[Fact], clock: Clock, rng: random.Random) -> Iterator[Told]:
    """Tells facts one after another, with the clock in between; yields what the invoice's state allowed to tell."""
    next_day = ledger.events[1].effective_on
    for number, fact in enumerate(facts, 1):
        while next_day <= fact.today:
            if clock == "daily" or (clock == "sometimes" and rng.random() < 0.2):
                ledger.run_clock(next_day)
            next_day += DAY
        try:
            to_books = _TELLING[fact.kind](ledger, fact, number)
        except Rejected:
            continue
        if to_books is not None:
            yield Told(fact, to_books)


ToBooks = Callable[[Books], None]


def _pay(ledger: Ledger, fact: Fact, number: int) -> ToBooks:
    amount = amount_of(ledger.invoice, fact)
    ledger.pay(number, amount, fact.on, fact.today)
    return lambda books: books.receive(payment_id(number), amount, fact.on)


def _credit(ledger: Ledger, fact: Fact, number: int) -> ToBooks:
    amount = amount_of(ledger.invoice, fact)
    ledger.apply_credit(payment_id(number), amount, fact.today)
    return lambda books: books.apply_credit(payment_id(number), amount, fact.today)


def _reversed(ledger: Ledger, fact: Fact) -> tuple[int, int] | None:
    """(payment, what is reversed of it)."""
    standing = ledger.standing
    if not standing:
        return None
    number = standing[fact.choice % len(standing)]
    offered = ledger.offers[payment_id(number)]
    return number, max(1, offered * min(fact.share or 1_000, 1_000) // 1_000)


def _reverse(ledger: Ledger, fact: Fact, number: int) -> ToBooks | None:
    found = _reversed(ledger, fact)
    if found is None:
        return None
    paid, amount = found
    ledger.reverse(paid, fact.today, amount)
    return lambda books: books.reverse(payment_id(paid), amount)


def _charge_back(ledger: Ledger, fact: Fact, number: int) -> ToBooks | None:
    found = _reversed(ledger, fact)
    if found is None:
        return None
    paid, amount = found
    on = max(fact.on, ledger.value_on[paid])
    ledger.charge_back(paid, on, fact.today, amount)
    return lambda books: books.charge_back(payment_id(paid), amount, on)


def _extend(ledger: Ledger, fact: Fact, number: int) -> ToBooks:
    due_on = fact.due_on
    assert due_on is not None
    ledger.extend(due_on, fact.today, fact.on)
    return lambda books: books.move_due_date(due_on, fact.on)


def _cancel(ledger: Ledger, fact: Fact, number: int) -> ToBooks:
    ledger.cancel(fact.today)
    return lambda books: books.close("cancelled", fact.today)


def _void(ledger: Ledger, fact: Fact, number: int) -> ToBooks:
    ledger.void(fact.today)
    return lambda books: books.close("void", fact.today)


def _take_over(ledger: Ledger, fact: Fact, number: int) -> ToBooks:
    ledger.take_over(fact.today)
    return lambda books: books.take_over(fact.today)


def _waive(ledger: Ledger, fact: Fact, number: int) -> ToBooks:
    component = component_of(fact)
    amount = fact.share or None
    ledger.waive(component, fact.today, amount, fact.on)
    return lambda books: books.waive(component, amount, fact.on)


def _fee(ledger: Ledger, fact: Fact, number: int) -> ToBooks:
    amount = max(1, fact.share)
    ledger.charge_fee(amount, fact.on, fact.today)
    return lambda books: books.charge_fee(amount, fact.on)


def _credit_note(ledger: Ledger, fact: Fact, number: int) -> ToBooks:
    most = credit_notes.creditable_minor(ledger.invoice)
    amount = min(amount_of(ledger.invoice, fact), most)
    ledger.credit_note(number, amount, fact.on, fact.today)
    return lambda books: books.credit_note(number, amount, fact.on)


def _write_off(ledger: Ledger, fact: Fact, number: int) -> ToBooks:
    amount = amount_of(ledger.invoice, fact) if fact.share else None
    ledger.write_off(fact.today, amount, fact.on)
    return lambda books: books.write_off(amount, fact.on)


def _dispute(ledger: Ledger, fact: Fact, number: int) -> ToBooks:
    amount = amount_of(ledger.invoice, fact) if fact.share else None
    ledger.dispute(amount, fact.on, fact.today)
    return lambda books: books.dispute(amount, fact.on)


def _resolve(ledger: Ledger, fact: Fact, number: int) -> ToBooks:
    is_accepted = fact.choice % 2 == 0
    ledger.resolve("accepted" if is_accepted else "rejected", fact.on, fact.today)
    return lambda books: books.resolve(is_accepted, fact.on)


_TELLING: dict[Kind, Callable[[Ledger, Fact, int], ToBooks | None]] = {
    "pay": _pay,
    "reverse": _reverse,
    "charge back": _charge_back,
    "extend": _extend,
    "cancel": _cancel,
    "waive": _waive,
    "fee": _fee,
    "credit note": _credit_note,
    "write off": _write_off,
    "credit": _credit,
    "void": _void,
    "take over": _take_over,
    "dispute": _dispute,
    "resolve": _resolve,
}


def component_of(fact: Fact) -> Component:
    return ("late_fee", "mora", "mora", "principal")[fact.choice % 4]


def amount_of(invoice: Invoice, fact: Fact) -> int:
    return max(1, invoice.total_minor * fact.share // 1000)


def assert_sound(ledger: Ledger) -> None:
    """What holds after every event that was decided, whatever the facts."""
    invoice = ledger.invoice
    assert_adds_up(invoice)
    if invoice.terms is None:
        return
    if invoice.mora_through is not None:
        days = [one for one in settling_days(invoice) if one <= invoice.mora_through]
        stands_on = max([last_posting_day(invoice.terms.policy, invoice.mora_through), *days])
        assert invoice.charged.mora == charges.cumulative_mora(invoice, stands_on)
    assert invoice.charged.principal == invoice.total_minor
    assert (invoice.status == "void") or (invoice.status in OPEN) == (invoice.open.total > 0)
    found = implied(ledger.events)
    assert found.asked_for() == (invoice.charged.late_fee, invoice.charged.mora)
    assert (found.fee, found.mora) == (invoice.charged.late_fee, invoice.charged.mora)
    assert_nothing_to_recalculate(ledger)
    for source_id, minor in ledger.taken.items():
        if source_id in ledger.offers:
            assert 0 < minor <= ledger.offers[source_id]


def assert_adds_up(invoice: Invoice) -> None:
    """By component: what is open, paid and given up adds up to what was charged, nothing below zero."""
    for component in COMPONENTS:
        charged, paid, forgiven, open_minor = (
            getattr(split, component)
            for split in (invoice.charged, invoice.paid, invoice.forgiven, invoice.open)
        )
        assert charged == paid + forgiven + open_minor
        assert min(charged, paid, forgiven, open_minor) >= 0
        for way, split in invoice.forgiven_of.items():
            assert getattr(split, component) >= 0, (way, component)
    assert sum(invoice.forgiven_of.values(), start=Split()) == invoice.forgiven
    covered = [one.covered for one in invoice.imputations]
    assert sum((one.paid + one.recovered for one in covered), start=Split()) == invoice.paid


def assert_nothing_to_recalculate(ledger: Ledger) -> None:
    """A replay of all facts finds everything as it is."""
    now = accrual.bring_up_to_date(ledger.invoice, ledger.today).invoice
    replayed = replay(now, ledger.room, ledger.today)
    changed = recalculation(now, now, replayed, ledger.today, "nothing new")
    if changed is not None:
        told = (changed.late_fee, changed.mora, changed.imputations, changed.small_balances)
        assert told == ((), (), (), ())
        assert changed.overdue_on == now.overdue_on
    assert replayed.status == now.status


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
        cap=rng.choice((None, None, Fraction(2, 100))),
        tolerance=rng.choice((0, 0, 0, 1, 50, 1_000)),
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


# How often each kind comes, in the order of `KINDS`.
_MIXES = (
    (70, 22, 0, 5, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    (50, 45, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    (50, 10, 25, 10, 5, 0, 0, 0, 0, 5, 0, 0, 0, 0),
    (40, 10, 15, 5, 5, 15, 5, 0, 0, 5, 0, 0, 0, 0),
    (40, 8, 12, 2, 2, 5, 5, 5, 15, 5, 0, 0, 0, 0),
    (35, 8, 8, 5, 2, 5, 8, 15, 5, 5, 1, 0, 0, 0),
    (35, 8, 8, 5, 2, 5, 5, 5, 3, 2, 0, 0, 12, 10),
    (35, 12, 12, 5, 2, 5, 5, 5, 3, 5, 0, 8, 3, 3),
    (10, 5, 5, 5, 5, 5, 5, 5, 5, 5, 1, 3, 5, 5),
)


def random_facts(rng: random.Random, terms: Terms, length: int) -> list[Fact]:
    """Facts in the order in which they become known; dated up to two months back."""
    most = rng.choice((100, 400, 1_100))
    kinds = rng.choice(_MIXES)
    today = terms.issued_on + rng.choice((0, 0, 10, 30)) * DAY
    due_on = terms.due_on
    facts: list[Fact] = []
    for _ in range(length):
        today += rng.choice((0, 0, 1, 2, 5, 10, 20)) * DAY
        kind = rng.choices(KINDS, kinds)[0]
        back = rng.choice((0, 0, 1, 3, 10, 30, 60)) * DAY
        share = rng.choice(
            (0, rng.randrange(1, most), rng.randrange(1, most), rng.randrange(1, 2_000))
        )
        moved_to = None
        if kind == "extend":
            due_on = moved_to = due_on + rng.randrange(1, 40) * DAY
        facts.append(Fact(today, kind, today - back, share, rng.randrange(100), moved_to))
    return facts


def amounts_of(split: Split) -> dict[str, int]:
    return {component: getattr(split, component) for component in COMPONENTS}
