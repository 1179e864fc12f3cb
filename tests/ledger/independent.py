"""What an invoice owes, computed a second time: day by day, in fractions, from the rules of the field alone.

Nothing of the product is imported. Whenever the books are read they are calculated from the first day, over all facts
in the order of their effective dates (ADR 0020), so there is no clock, no posting and no recalculation to go wrong.
Amounts are whole minor units, interest is a `Fraction` until it is rounded.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from fractions import Fraction

DAY = timedelta(days=1)
COMPONENTS = ("other_fees", "late_fee", "mora", "principal")
Amounts = dict[str, int]


@dataclass
class Terms:
    """`rate` is per day, month or year; `late_fee` a part of the base. Calendar: weekends, or none.

    minimum, cap  the late fee is at least an amount, and at most a part of the total
    tolerance     the small balance: what a payment leaves open is waived when it is at most this
    original      the value first asked for; the total when it is left out
    rates         reference rates a year and their first days, in order; with them, `rate` is a margin on them
    """

    total: int
    issued_on: date
    due_on: date
    late_fee: Fraction = Fraction(0)
    minimum: int = 0
    rate: Fraction = Fraction(0)
    per: str = "month"
    day_count: str = "30"
    base: str = "outstanding"
    grace_days: int = 0
    interest_from: str = "due_date"
    rounding: str = "half_even"
    order: tuple[str, ...] = COMPONENTS
    weekends: bool = True
    cap: Fraction | None = None
    tolerance: int = 0
    original: int | None = None
    rates: list[tuple[date, Fraction]] | None = None

    @property
    def original_base(self) -> int:
        return self.total if self.original is None else self.original

    @property
    def payable_until(self) -> date:
        day = self.due_on
        while self.weekends and day.isoweekday() > 5:
            day += DAY
        return day

    @property
    def late_on(self) -> date:
        return self.payable_until + (1 + self.grace_days) * DAY

    @property
    def interest_after(self) -> date:
        return self.due_on if self.interest_from == "due_date" else self.payable_until

    def daily(self, day: date) -> Fraction:
        """The part of the base that one day costs."""
        if self.rates is not None:
            known = [rate for from_on, rate in self.rates if from_on <= day]
            return (
                max(Fraction(0), known[-1] + self.rate) / self._year(day) if known else Fraction(0)
            )
        if self.per == "day":
            return self.rate
        if self.day_count == "30":
            return self.rate / 30 if self.per == "month" else self.rate / 360
        return (self.rate * 12 if self.per == "month" else self.rate) / self._year(day)

    def _year(self, day: date) -> int:
        leap = day.year % 4 == 0 and (day.year % 100 != 0 or day.year % 400 == 0)
        return {"30": 360, "360": 360, "365": 365, "actual": 366 if leap else 365}[self.day_count]

    def fee(self, base: Fraction, principal: int) -> int:
        """The late fee, with so much principal open on the first late day."""
        if principal <= self.tolerance:
            return 0
        fee = max(self.minimum, self.rounded(base * self.late_fee))
        return fee if self.cap is None else min(fee, math.floor(self.total * self.cap))

    def rounded(self, exact: Fraction) -> int:
        if self.rounding == "half_even":
            return round(exact)
        if self.rounding == "half_up":
            return math.floor(exact + Fraction(1, 2))
        return math.floor(exact)


@dataclass
class Fact:
    """Something that happened on a day, and what it covers as the books stand.

    name      the payment, the source of credit, or the payment that is charged back
    amount    what money offers, or less of it; the total of a credit note or of a takeover
    asked     what is forgiven at the most, by component
    """

    kind: str
    on: date
    name: object = None
    amount: int = 0
    asked: Amounts = field(default_factory=dict)
    paid: Amounts = field(default_factory=dict)
    given: Amounts = field(default_factory=dict)
    recovered: Amounts = field(default_factory=dict)


RANKS = {
    "charge back": 1,
    "fee": 2,
    "waived": 3,
    "interest returned": 4,
    "written off": 5,
    "cancelled": 5,
    "renegotiated": 6,
    "payment": 7,
    "credit note": 8,
    "credit": 9,
    "void": 10,
}
CLOSING = ("written off", "cancelled", "void", "renegotiated")


@dataclass
class Hold:
    """A dispute that holds interest on an amount, after `on` and up to the end of `until`."""

    on: date
    amount: int
    until: date | None = None


@dataclass
class Page:
    """The books at the end of a day."""

    day: date
    charged: Amounts
    paid: Amounts
    given: Amounts
    written_off: Amounts
    late_since: date | None
    small_balance: Amounts
    status: str

    @property
    def open(self) -> Amounts:
        return {c: self.charged[c] - self.paid[c] - self.given[c] for c in COMPONENTS}


@dataclass
class Books:
    """Facts, and the books that they make: calculated from the first day whenever they are read."""

    terms: Terms
    facts: list[Fact] = field(default_factory=list)
    moves: list[tuple[date, date]] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)

    # What is told.

    def receive(self, name: object, amount: int, value_on: date) -> None:
        self.facts.append(Fact("payment", max(value_on, self.counts_from), name, amount))

    def apply_credit(self, name: object, amount: int, on: date) -> None:
        self.facts.append(Fact("credit", max(on, self.counts_from), name, amount))

    def reverse(self, name: object, amount: int) -> None:
        """So much of the payment never was: off its last offer first."""
        for fact in reversed(self.facts):
            if fact.name == name and fact.kind in ("payment", "credit"):
                less = min(amount, fact.amount)
                fact.amount -= less
                amount -= less

    def charge_back(self, name: object, amount: int, on: date) -> None:
        self.facts.append(Fact("charge back", on, name, amount))

    def charge_fee(self, amount: int, on: date) -> None:
        self.facts.append(Fact("fee", on, amount=amount))

    def credit_note(self, name: object, amount: int, on: date) -> None:
        self.facts.append(Fact("credit note", on, name, amount))

    def waive(self, component: str, amount: int | None, on: date) -> None:
        open_ = self.at(on).open[component]
        self._forgive("waived", nothing() | {component: open_ if amount is None else amount}, on)

    def write_off(self, amount: int | None, on: date) -> None:
        open_ = self.at(on).open
        wanted = sum(open_.values()) if amount is None else amount
        self._forgive("written off", self._poured(wanted, open_), on)

    def close(self, kind: str, on: date) -> None:
        """Cancels or voids all that is open."""
        self._forgive(kind, self.at(on).open, on)

    def take_over(self, on: date) -> None:
        self.facts.append(Fact("renegotiated", on, amount=sum(self.at(on).open.values())))

    def move_due_date(self, due_on: date, on: date) -> None:
        """The last move, by the day of the move, counts as if it had always been so."""
        self.moves.append((on, due_on))
        self.moves.sort(key=lambda move: move[0])
        self.terms = replace(self.terms, due_on=self.moves[-1][1])

    def dispute(self, amount: int | None, on: date) -> None:
        self.holds.append(Hold(on, self.at(on).open["principal"] if amount is None else amount))

    def resolve(self, is_accepted: bool, on: date) -> None:
        """One that is rejected never held anything, unless the debt was closed without being paid."""
        is_closed = any(fact.kind in CLOSING and fact.on <= on for fact in self.facts)
        stays = is_accepted or (is_closed and not any(self.at(on).open.values()))
        hold = self.holds.pop()
        if stays:
            self.holds.append(replace(hold, until=on))

    def _forgive(self, kind: str, asked: Amounts, on: date) -> None:
        self.facts.append(Fact(kind, on, asked=asked))

    # What follows.

    @property
    def counts_from(self) -> date:
        taken_over = [fact.on for fact in self.facts if fact.kind == "renegotiated"]
        return max([self.terms.issued_on, *taken_over])

    @property
    def given_back(self) -> int:
        """What credit notes have given back as credit, as read last."""
        return sum(
            fact.amount - sum(fact.paid.values()) - sum(fact.given.values())
            for fact in self.facts
            if fact.kind == "credit note"
        )

    def taken(self) -> dict[object, int]:
        """The money of each source that covers something, as read last."""
        taken: dict[object, int] = {}
        for fact in self.facts:
            if fact.kind in ("payment", "credit", "charge back"):
                money = sum(fact.paid.values()) + sum(fact.recovered.values())
                taken[fact.name] = taken.get(fact.name, 0) + money
        return taken

    def at(self, day: date) -> Page:
        """The books at the end of `day` (or of the issue date)."""
        *_, last = self.pages(max(day, self.terms.issued_on))
        return last

    def in_order(self) -> list[Fact]:
        """By day, by kind, and as recorded. A charge-back on its payment's own day follows that payment."""
        offers: dict[object, tuple[date, int]] = {}
        for at, fact in enumerate(self.facts):
            if fact.kind == "payment":
                offers.setdefault(fact.name, (fact.on, at))

        def place(one: tuple[int, Fact]) -> tuple[date, int, int, int]:
            at, fact = one
            if fact.kind == "charge back" and fact.name in offers:
                paid_on, paid_at = offers[fact.name]
                if paid_on == fact.on:
                    return fact.on, RANKS["payment"], paid_at, 1 + at
            return fact.on, RANKS[fact.kind], at, 0

        return [fact for _, fact in sorted(enumerate(self.facts), key=place)]

    def pages(self, through: date) -> Iterator[Page]:
        terms = self.terms
        ordered = self.in_order()
        desk = _Desk(terms)
        original = terms.original_base - sum(
            fact.amount
            for fact in self.facts
            if fact.kind == "credit note" and fact.on <= terms.due_on
        )
        exact, late_since = Fraction(0), None
        day = min([terms.issued_on, *[fact.on for fact in ordered[:1]]])
        while day <= through:
            principal = desk.open["principal"]
            held = sum(
                hold.amount
                for hold in self.holds
                if hold.on < day and (hold.until is None or day <= hold.until)
            )
            bearing = principal - held
            if day >= terms.late_on and bearing > 0:
                base = Fraction(bearing)
                if terms.base == "original":
                    whole = principal + desk.taken_over
                    base = Fraction(max(0, original) * bearing, whole)
                first = terms.interest_after + DAY if day == terms.late_on else day
                while first <= day:
                    exact += base * terms.daily(first)
                    first += DAY
                if late_since is None:
                    late_since = day
                    desk.charged["late_fee"] = terms.fee(base, principal)
            desk.charged["mora"] = terms.rounded(exact)
            desk.begin()
            while ordered and ordered[0].on == day:
                desk.tell(ordered.pop(0))
            small = desk.small_balance()
            if day >= terms.issued_on:
                yield Page(
                    day,
                    dict(desk.charged),
                    dict(desk.paid),
                    dict(desk.given),
                    dict(desk.written_off),
                    late_since,
                    small,
                    desk.status(late_since),
                )
            day += DAY

    def _poured(self, amount: int, owed: Amounts) -> Amounts:
        return poured(amount, owed, self.terms.order)


class _Desk:
    """Where facts are worked off one after another: what they cover by now."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self.charged = nothing() | {"principal": terms.total}
        self.paid, self.given = nothing(), nothing()
        self.written_off, self.taken_over = nothing(), 0
        self._recovered = nothing()
        self._offers: dict[object, int] = {}
        self._taken: dict[object, int] = {}
        self._recovered_by: dict[object, int] = {}
        self._paid_today: dict[object, int] = {}
        self._closed_as = ""
        self._closed_on = date.min
        self._is_void = False

    @property
    def open(self) -> Amounts:
        return minus(minus(self.charged, self.paid), self.given)

    def begin(self) -> None:
        self._paid_today = {}

    def tell(self, fact: Fact) -> None:
        fact.paid, fact.given, fact.recovered = nothing(), nothing(), nothing()
        order = self._terms.order
        if fact.kind == "fee":
            self.charged["other_fees"] += fact.amount
        elif fact.kind in ("payment", "credit"):
            self._pay(fact)
        elif fact.kind == "charge back":
            self._charge_back(fact)
        elif fact.kind == "credit note":
            fact.given["principal"] = min(fact.amount, self.open["principal"])
            rest = fact.amount - fact.given["principal"]
            fact.paid = poured(rest, self.open | {"principal": 0}, order)
        elif fact.kind == "renegotiated":
            fact.given = poured(fact.amount, self.open, order)
            self.taken_over += fact.given["principal"]
        else:
            fact.given = {c: min(fact.asked[c], self.open[c]) for c in COMPONENTS}
        if fact.kind == "written off":
            self.written_off = plus(self.written_off, fact.given)
        self.written_off = minus(self.written_off, fact.recovered)
        self._recovered = plus(self._recovered, fact.recovered)
        self.paid = plus(plus(self.paid, fact.paid), fact.recovered)
        self.given = minus(plus(self.given, fact.given), fact.recovered)
        self._close(fact)

    def _pay(self, fact: Fact) -> None:
        name, order = fact.name, self._terms.order
        self._offers[name] = self._offers.get(name, 0) + fact.amount
        stands = self._offers[name] - self._taken.get(name, 0)
        most = max(0, min(fact.amount, stands))
        fact.paid = poured(most, self.open, order)
        fact.recovered = poured(most - sum(fact.paid.values()), self.written_off, order)
        money = sum(fact.paid.values()) + sum(fact.recovered.values())
        self._taken[name] = self._taken.get(name, 0) + money
        by = self._recovered_by
        by[name] = by.get(name, 0) + sum(fact.recovered.values())
        today = self._paid_today
        today[name] = today.get(name, 0) + sum(fact.paid.values())

    def _charge_back(self, fact: Fact) -> None:
        name, last_first = fact.name, tuple(reversed(self._terms.order))
        self._offers[name] = self._offers.get(name, 0) - fact.amount
        back = max(0, self._taken.get(name, 0) - max(0, self._offers[name]))
        self._taken[name] = self._taken.get(name, 0) - back
        recovered = min(back, self._recovered_by.get(name, 0))
        self._recovered_by[name] = self._recovered_by.get(name, 0) - recovered
        paid = poured(back - recovered, minus(self.paid, self._recovered), last_first)
        fact.paid = minus(nothing(), paid)
        fact.recovered = minus(nothing(), poured(recovered, self._recovered, last_first))
        if name in self._paid_today:
            self._paid_today[name] -= back - recovered

    def small_balance(self) -> Amounts:
        left = self.open
        is_paid = any(amount > 0 for amount in self._paid_today.values())
        if not is_paid or not 0 < sum(left.values()) <= self._terms.tolerance:
            return nothing()
        self.given = plus(self.given, left)
        return left

    def _close(self, fact: Fact) -> None:
        self._is_void = self._is_void or fact.kind == "void"
        if fact.kind in ("cancelled", "renegotiated"):
            self._closed_as, self._closed_on = fact.kind, fact.on
        elif fact.kind == "written off" or (
            fact.kind in ("payment", "credit")
            and fact.on > self._closed_on
            and (any(fact.paid.values()) or any(fact.recovered.values()))
        ):
            self._closed_as = ""

    def status(self, late_since: date | None) -> str:
        if self._is_void:
            return "void"
        if any(self.open.values()):
            return "sent" if late_since is None else "overdue"
        if self._closed_as:
            return self._closed_as
        return "written_off" if any(self.written_off.values()) else "paid"


def nothing() -> Amounts:
    return dict.fromkeys(COMPONENTS, 0)


def plus(one: Amounts, other: Amounts) -> Amounts:
    return {c: one[c] + other[c] for c in COMPONENTS}


def minus(one: Amounts, other: Amounts) -> Amounts:
    return {c: one[c] - other[c] for c in COMPONENTS}


def poured(amount: int, owed: Amounts, order: tuple[str, ...]) -> Amounts:
    split = nothing()
    for component in order:
        split[component] = min(amount, owed[component])
        amount -= split[component]
    return split
