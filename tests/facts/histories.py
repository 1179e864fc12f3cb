"""Random histories of invoices, and random orders in which they may be recorded.

A history is made day by day, as it would happen: each fact is chosen in view of what is open, paid and left over then,
so that the interesting ones meet. The same `random.Random` gives the same history.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Literal

from tests.facts.facts import (
    COMPONENTS,
    Fact,
    History,
    Invoice,
    Kind,
    Order,
    Recording,
    chronological,
)
from tests.facts.oracle import Books, Page, Source, books

WEIGHTS: dict[Kind, int] = {
    "payment": 36,
    "credit_applied": 12,
    "reversal": 9,
    "charge_back": 9,
    "reallocation": 3,
    "refund": 3,
    "fee": 5,
    "waiver": 6,
    "credit_note": 6,
    "write_off": 5,
    "cancellation": 2,
    "takeover": 3,
    "dispute": 5,
    "resolution": 15,
    "promise": 4,
    "due_date_moved": 4,
}
MOST_DAYS = 120
OUTCOMES: tuple[Literal["accepted", "rejected"], ...] = ("accepted", "rejected")
BASES: tuple[Literal["outstanding", "original"], ...] = ("outstanding", "original", "original")
ORDERS = (
    COMPONENTS,
    COMPONENTS,
    ("mora", "late_fee", "other_fees", "principal"),
    ("late_fee", "principal", "mora", "other_fees"),
    ("principal", "mora", "late_fee", "other_fees"),
)


def random_history(rng: random.Random) -> History:
    """One to four invoices of one or two customers in one or two currencies, and 3 to 30 facts about them."""
    return _Story(rng).told()


def random_terms(rng: random.Random, issued_on: date, customer: int, currency: str) -> Invoice:
    total = rng.choice(
        [rng.randrange(1_00, 20_00), rng.randrange(50_00, 900_00), 500_00, 100_000_00]
    )
    return Invoice(
        total=total,
        issued_on=issued_on,
        due_on=issued_on + timedelta(days=rng.randrange(0, 31)),
        customer=customer,
        currency=currency,
        late_fee=rng.choice(
            [Fraction(0), Fraction(2, 100), Fraction(2, 100), Fraction(333, 10_000)]
        ),
        minimum=rng.choice([0, 0, 0, 40_00]),
        cap=rng.choice([None, None, Fraction(2, 100), Fraction(1, 100)]),
        rate=rng.choice([Fraction(0), Fraction(1, 100), Fraction(1, 100), Fraction(85, 1000)]),
        per=rng.choice(["month", "month", "year", "day"]) if total < 1000_00 else "month",
        day_count=rng.choice(["30", "30", "360", "365", "actual"]),
        base=rng.choice(["outstanding", "outstanding", "original"]),
        grace_days=rng.choice([0, 0, 0, 1, 5]),
        interest_from=rng.choice(["due_date", "due_date", "shifted"]),
        accrual=rng.choice(["daily", "daily", "month_end"]),
        rounding=rng.choice(["half_even", "half_even", "half_up", "truncate"]),
        order=rng.choice(ORDERS),
        weekends=rng.random() < 0.5,
        small_balance=rng.choice([0, 0, 0, 50, 5_00]),
    )


def shared(total: int, weights: list[int]) -> list[int]:
    """A total over weights by largest remainder, equal remainders to the earlier part."""
    whole = sum(weights)
    parts = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda at: -(total * weights[at] % whole))
    for at in by_remainder[: total - sum(parts)]:
        parts[at] += 1
    return parts


class _Story:
    """A history in the making: what is known so far, and what it has led to by today."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        start = date(2023, 1, 1) + timedelta(days=rng.randrange(1200))
        currencies = rng.choice([["BRL"], ["BRL"], ["BRL", "EUR"]])
        customers = rng.choice([[0], [0], [0, 1]])
        self.invoices = [
            random_terms(
                rng,
                start + timedelta(days=rng.choice([0, 0, rng.randrange(25)])),
                rng.choice(customers),
                rng.choice(currencies),
            )
            for _ in range(rng.randrange(1, 5))
        ]
        self.invoices.sort(key=lambda invoice: invoice.issued_on)
        self.facts: list[Fact] = []
        self.today = self.invoices[0].issued_on
        self.payments = 0
        self.last_kind: Kind | None = None

    def told(self) -> History:
        rng = self.rng
        most = rng.randrange(3, 31)
        end = self.today + timedelta(days=rng.randrange(20, MOST_DAYS))
        days = sorted(
            self.today + timedelta(days=rng.randrange((end - self.today).days)) for _ in range(most)
        )
        for before, on in pairwise([self.today, *days]):
            self.today = max(self.today, before if rng.random() < 0.3 else on)
            self._add()
        return History(tuple(self.invoices), tuple(self.facts))

    def _add(self) -> None:
        """One more fact, of a kind that has something to be about; contested credit is avoided."""
        self.now = self._books(self.facts)
        weights = dict(WEIGHTS)
        for kind in ("credit_applied", "refund", "charge_back", "reversal"):
            if any(left > 0 for left in self.now.left.values()):
                weights[kind] *= 2
        if any(place for place in self._issued() if any(self._page(place).written_off.values())):
            weights["payment"] *= 2
        kinds = list(weights)
        for kind in self.rng.choices(kinds, [weights[kind] for kind in kinds], k=4):
            made: Fact | None = getattr(self, f"_{kind}")()
            if made is None:
                continue
            facts = [*self.facts, made]
            if not any(map(_can_be_contested, facts)) or not self._books(facts).contested:
                self.facts.append(made)
                if made.kind == "takeover":
                    self.invoices += self._instalments(made)
                return

    def _books(self, facts: list[Fact]) -> Books:
        return books(self.invoices, facts, self.today, since=self.today)

    # -- what there is

    def _issued(self) -> list[int]:
        return [at for at, invoice in enumerate(self.invoices) if invoice.issued_on <= self.today]

    def _page(self, place: int) -> Page:
        return self.now.page(self.today, place)

    def _is_taken_over(self, place: int) -> bool:
        return any(fact.kind == "takeover" and fact.invoice == place for fact in self.facts)

    def _pick(self, which: Callable[[int], bool]) -> int | None:
        """An issued invoice that no agreement has taken over."""
        places = [at for at in self._issued() if not self._is_taken_over(at) and which(at)]
        return self.rng.choice(places) if places else None

    def _open(self, place: int) -> int:
        return sum(self._page(place).open.values())

    def _part(self, amount: int) -> int:
        """The whole, or a part of it."""
        return amount if self.rng.random() < 0.5 else self.rng.randrange(1, amount + 1)

    def _stands(self, number: int) -> int:
        """What of a payment was neither reversed nor charged back."""
        total = 0
        for fact in self.facts:
            if fact.payment == number and fact.kind in ("payment", "reversal", "charge_back"):
                total += fact.amount if fact.kind == "payment" else -fact.amount
        return total

    def _standing_payment(self) -> Fact | None:
        made = [
            fact
            for fact in self.facts
            if fact.kind == "payment" and fact.on <= self.today and self._stands(fact.payment) > 0
        ]
        if not made:
            return None
        left_over = [fact for fact in made if self.now.left.get(("payment", fact.payment), 0) > 0]
        return self.rng.choice(left_over if left_over and self.rng.random() < 0.4 else made)

    # -- facts about money

    def _payment(self) -> Fact | None:
        rng = self.rng
        if rng.random() < 0.2 and (again := self._entered_again()) is not None:
            return again
        first = rng.choice(self._issued())
        terms = self.invoices[first]
        mates = [
            at
            for at in self._issued()
            if at != first
            and (self.invoices[at].customer, self.invoices[at].currency)
            == (terms.customer, terms.currency)
        ]
        places = [first, *rng.sample(mates, rng.randrange(0, min(2, len(mates)) + 1))]
        offers = []
        for place in places:
            owed = max(1, self._open(place) + sum(self._page(place).written_off.values()))
            choices = [owed, self._part(owed), max(1, owed // 2), owed + rng.randrange(1, 50_00)]
            if (small := self.invoices[place].small_balance) and owed > small:
                choices.append(owed - rng.randrange(1, small + 1))
            offers.append((place, rng.choice(choices)))
        beyond = rng.choice([0, 0, 0, rng.randrange(1, 100_00)])
        if rng.random() < 0.05:
            offers, beyond = [], rng.randrange(1, 100_00)
        on = self.today
        if rng.random() < 0.15:  # heard of late: before the issue date, or a takeover, perhaps
            on -= timedelta(days=rng.randrange(1, 15))
        return self._new_payment(on, sum(amount for _, amount in offers) + beyond, offers, terms)

    def _new_payment(
        self, on: date, amount: int, offers: Iterable[tuple[int, int]], whose: Invoice | Fact
    ) -> Fact:
        self.payments += 1
        return Fact(
            "payment",
            on,
            payment=self.payments,
            amount=amount,
            offers=tuple(offers),
            customer=whose.customer,
            currency=whose.currency,
            known_on=self.today,
        )

    def _entered_again(self) -> Fact | None:
        """A payment that was reversed as a whole, recorded again."""
        gone = [
            fact for fact in self.facts if fact.kind == "payment" and not self._stands(fact.payment)
        ]
        if not gone:
            return None
        was = self.rng.choice(gone)
        return self._new_payment(was.on, was.amount, was.offers, was)

    def _reversal(self) -> Fact | None:
        payment = self._standing_payment()
        if payment is None:
            return None
        amount = self._part(self._stands(payment.payment))
        return Fact("reversal", self.today, payment=payment.payment, amount=amount)

    def _charge_back(self) -> Fact | None:
        payment = self._standing_payment()
        if payment is None:
            return None
        on, amount = self.today, self._part(self._stands(payment.payment))
        if self.rng.random() < 0.2:
            on = payment.on + (self.today - payment.on) * self.rng.randrange(0, 3) // 2
            on = max(payment.on, min(on, self.today))
        return Fact("charge_back", on, payment=payment.payment, amount=amount, known_on=self.today)

    def _reallocation(self) -> Fact | None:
        payment = self._standing_payment()
        if payment is None:
            return None
        number = payment.payment
        changed = [fact for fact in self.facts if fact.payment == number]
        if any(fact.kind in ("charge_back", "credit_applied", "refund") for fact in changed):
            return None
        left, offers = self._stands(number), []
        places = [
            at
            for at in self._issued()
            if not self._is_taken_over(at)
            and (self.invoices[at].customer, self.invoices[at].currency)
            == (payment.customer, payment.currency)
        ]
        self.rng.shuffle(places)
        for place in places[: self.rng.randrange(0, 3)]:
            if left:
                offers.append((place, self._part(left)))
                left -= offers[-1][1]
        return Fact("reallocation", self.today, payment=number, offers=tuple(offers))

    def _sources(self) -> list[Source]:
        return [source for source, left in self.now.left.items() if left > 0]

    def _credit_applied(self) -> Fact | None:
        sources = self._sources()
        if not sources:
            return None
        kind, number = source = self.rng.choice(sources)
        whose = self._whose(source)
        place = self._pick(
            lambda at: (
                self._open(at) > 0
                and (self.invoices[at].customer, self.invoices[at].currency) == whose
                and at not in self._offered(source)
            )
        )
        if place is None:
            return None
        net = sum(left for one, left in self.now.left.items() if self._whose(one) == whose)
        if net <= 0:
            return None
        amount = min(self._part(min(self.now.left[source], net)), self._open(place))
        fact = Fact("credit_applied", self.today, invoice=place, amount=amount)
        if kind == "invoice":
            return replace(fact, source_invoice=number)
        return replace(fact, payment=number)

    def _offered(self, source: Source) -> set[int]:
        """The invoices that a source was offered or applied to: what a later charge-back takes of one is one amount."""
        kind, number = source
        places: set[int] = set()
        for fact in self.facts:
            if kind == "payment" and fact.payment == number:
                places |= {place for place, _ in fact.offers}
                if fact.kind == "credit_applied":
                    places.add(fact.invoice)
        return places

    def _whose(self, source: Source) -> tuple[int, str]:
        kind, number = source
        if kind == "invoice":
            return self.invoices[number].customer, self.invoices[number].currency
        [payment] = [
            fact for fact in self.facts if fact.kind == "payment" and fact.payment == number
        ]
        return payment.customer, payment.currency

    def _refund(self) -> Fact | None:
        """Of the oldest payment that has credit left; not where an invoice's credit notes have some."""
        sources = self._sources()
        if not sources:
            return None
        whose = self._whose(self.rng.choice(sources))
        sources = [source for source in sources if self._whose(source) == whose]
        if any(kind == "invoice" for kind, _ in sources):
            return None
        arrived = [fact.payment for fact in self.facts if fact.kind == "payment"]
        number = min((number for _, number in sources), key=arrived.index)
        if sum(left for source, left in self.now.left.items() if self._whose(source) == whose) <= 0:
            return None
        amount = self._part(self.now.left["payment", number])
        return Fact(
            "refund",
            self.today,
            payment=number,
            amount=amount,
            customer=whose[0],
            currency=whose[1],
        )

    # -- facts about invoices

    def _fee(self) -> Fact | None:
        place = self._pick(lambda at: self._open(at) > 0)
        if place is None:
            return None
        return Fact("fee", self.today, invoice=place, amount=self.rng.randrange(1, 30_00))

    def _waiver(self) -> Fact | None:
        place = self._pick(lambda at: self._open(at) > 0)
        if place is None:
            return None
        owed = {part: amount for part, amount in self._page(place).open.items() if amount}
        component = self.rng.choice(list(owed))
        amount = self._part(owed[component])
        return Fact("waiver", self.today, invoice=place, component=component, amount=amount)

    def _credit_note(self) -> Fact | None:
        place = self._pick(
            lambda at: (
                not self.invoices[at].is_instalment
                and self._page(at).status in ("sent", "overdue", "paid")
                and self._creditable(at) > 0
            )
        )
        if place is None:
            return None
        amount = self._part(self._creditable(place))
        return Fact("credit_note", self.today, invoice=place, amount=amount)

    def _creditable(self, place: int) -> int:
        """What is left of the total, less principal that was forgiven in another way."""
        page = self._page(place)
        credited = sum(
            fact.amount
            for fact in self.facts
            if fact.kind == "credit_note" and fact.invoice == place
        )
        return self.invoices[place].total - credited - page.forgiven["principal"]

    def _write_off(self) -> Fact | None:
        return self._closing("write_off", lambda at: self._open(at) > 0)

    def _cancellation(self) -> Fact | None:
        return self._closing(
            "cancellation",
            lambda at: self._open(at) > 0 and not self.invoices[at].is_instalment,
        )

    def _closing(self, kind: Kind, which: Callable[[int], bool]) -> Fact | None:
        place = self._pick(which)
        if place is None:
            return None
        other, late_fee, mora, principal = (self._page(place).open[c] for c in COMPONENTS)
        if kind == "write_off" and principal and self.rng.random() < 0.25:
            principal = self.rng.randrange(principal)
        split = (other, late_fee, mora, principal)
        if not any(split):
            return None
        return Fact(kind, self.today, invoice=place, split=split)

    def _takeover(self) -> Fact | None:
        """An agreement takes over all that is open on an invoice."""
        if any(fact.kind == "takeover" for fact in self.facts):
            return None
        place = self._pick(lambda at: self._open(at) > 0 and not self.invoices[at].is_instalment)
        if place is None:
            return None
        nothing = Fact("waiver", self.today, invoice=place, component="mora")  # a day of posting
        page = self._books([*self.facts, nothing]).page(self.today, place)
        amount = sum(page.open.values())
        return Fact("takeover", self.today, invoice=place, amount=amount, agreement=0)

    def _instalments(self, takeover: Fact) -> list[Invoice]:
        """One to three, of the same terms; by their part of the value first asked for, or by what is outstanding."""
        was = self.invoices[takeover.invoice]
        parts = shared(takeover.amount, [1] * min(self.rng.randrange(1, 4), takeover.amount))
        instalment = replace(
            was,
            issued_on=self.today,
            base=self.rng.choice(BASES),
            agreement=takeover.agreement,
        )
        return [
            replace(
                instalment,
                total=part,
                original=original,
                due_on=self.today + timedelta(days=5 + 15 * number),
            )
            for number, (part, original) in enumerate(
                zip(parts, shared(was.total, parts), strict=True)
            )
        ]

    def _disputed(self) -> set[int]:
        """Invoices on which a dispute is open."""
        places: set[int] = set()
        for fact in self.facts:
            if fact.kind == "dispute":
                places.add(fact.invoice)
            elif fact.kind == "resolution":
                places.discard(fact.invoice)
        return places

    def _dispute(self) -> Fact | None:
        place = self._pick(
            lambda at: self._page(at).open["principal"] > 0 and at not in self._disputed()
        )
        if place is None:
            return None
        return Fact(
            "dispute",
            self.today,
            invoice=place,
            amount=self._part(self._page(place).open["principal"]),
            holds_interest=self.rng.random() < 0.8,
        )

    def _resolution(self) -> Fact | None:
        places = sorted(self._disputed())
        if not places:
            return None
        place = self.rng.choice(places)
        outcome = self.rng.choice(OUTCOMES)
        return Fact("resolution", self.today, invoice=place, outcome=outcome)

    def _promise(self) -> Fact | None:
        place = self._pick(lambda at: self._open(at) > 0)
        if place is None:
            return None
        return Fact(
            "promise",
            self.today,
            invoice=place,
            amount=self._part(self._open(place)),
            until=self.today + timedelta(days=self.rng.randrange(0, 15)),
        )

    def _due_date_moved(self) -> Fact | None:
        place = self._pick(lambda at: self._open(at) > 0)
        if place is None:
            return None
        moves = [
            fact.until
            for fact in self.facts
            if fact.kind == "due_date_moved" and fact.invoice == place
        ]
        due_on = max([self.invoices[place].due_on, *moves])
        until = max(due_on, self.today) + timedelta(days=self.rng.randrange(1, 20))
        return Fact("due_date_moved", self.today, invoice=place, until=until)


# ---------------------------------------------------------------------------------------------------------------------
# Orders of recording

DATABLE: frozenset[Kind] = frozenset(WEIGHTS) - {"takeover", "promise"}
"""The kinds that may be recorded after the day on which they could have been."""


def random_orders(
    history: History, rng: random.Random, count: int = 3, datable: frozenset[Kind] = DATABLE
) -> list[Order]:
    """Orders of recording other than the chronological one, in which every fact can be recorded as it is.

    - A fact is recorded on a day from its `recordable_on` on; a kind that is not `datable` on that day itself.
    - Facts of one kind and day keep their order, and so do those about one payment and adjustments of one invoice.
    - A fact that needs something open is recorded after the reversals and charge-backs that came before it.
    - A takeover, and the rejection of a dispute that holds interest, are recorded on their own day: after all that was
      known of that customer and currency before them, before all that came after.
    - Credit is applied or refunded when its source has that much left, and no source is ever contested.
    """
    return [_random_order(history, rng, datable) for _ in range(count)]


def _random_order(history: History, rng: random.Random, datable: frozenset[Kind]) -> Order:
    uses = frozenset(at for at, fact in enumerate(history.facts) if _uses_credit(fact))
    barriers = frozenset(at for at in range(len(history.facts)) if _is_barrier(history, at))
    for attempt in range(4):
        order = _ordered(history, rng, datable, barriers | uses if attempt > 1 else barriers)
        if _is_feasible(history, order):
            return order
    return chronological(history)


def _uses_credit(fact: Fact) -> bool:
    return fact.kind in ("credit_applied", "refund")


def _can_be_contested(fact: Fact) -> bool:
    return _uses_credit(fact) or fact.kind == "takeover"


def _is_barrier(history: History, at: int) -> bool:
    fact = history.facts[at]
    if fact.kind == "resolution" and fact.outcome == "rejected":
        disputes = [
            other
            for other in history.facts[:at]
            if other.kind == "dispute" and other.invoice == fact.invoice
        ]
        return disputes[-1].holds_interest
    return fact.kind == "takeover"


def _scope(history: History, fact: Fact) -> tuple[int, str]:
    """Whose it is, in what currency."""
    if fact.invoice >= 0:
        return history.invoices[fact.invoice].customer, history.invoices[fact.invoice].currency
    if fact.payment >= 0:
        for other in history.facts:
            if other.kind == "payment" and other.payment == fact.payment:
                return other.customer, other.currency
    return fact.customer, fact.currency


def _ordered(
    history: History, rng: random.Random, datable: frozenset[Kind], barriers: frozenset[int]
) -> Order:
    facts = history.facts
    before = _dependencies(history, barriers)
    ends = [date.max] * len(facts)
    for at in reversed(range(len(facts))):
        if at in barriers or facts[at].kind not in datable:
            ends[at] = min(ends[at], facts[at].recordable_on)
        for other in before[at]:
            ends[other] = min(ends[other], ends[at])
    days: list[date] = []
    for at, fact in enumerate(facts):
        day = fact.recordable_on
        if rng.random() < 0.6:
            day += timedelta(days=rng.choice([0, rng.randrange(1, 8), rng.randrange(1, 60)]))
        days.append(max([min(day, ends[at]), *(days[other] for other in before[at])]))
    waiting, order = set(range(len(facts))), Order()
    while waiting:
        free = [at for at in sorted(waiting) if not waiting & before[at]]
        first = min(days[at] for at in free)
        chosen = rng.choice([at for at in free if days[at] == first])
        waiting.remove(chosen)
        order.append(Recording(days[chosen], facts[chosen]))
    return order


ADJUSTMENTS = ("fee", "waiver", "credit_note", "write_off", "cancellation", "due_date_moved")
NEEDS_OPEN = (*ADJUSTMENTS, "dispute", "promise")


def _dependencies(history: History, barriers: frozenset[int]) -> list[set[int]]:
    """Of each fact, those that have to be recorded before it."""
    facts = history.facts
    scopes = [_scope(history, fact) for fact in facts]
    return [
        {
            other
            for other in range(at)
            if scopes[other] == scopes[at]
            and (
                at in barriers
                or other in barriers
                or _goes_before(history, facts[other], facts[at])
            )
        }
        for at in range(len(facts))
    ]


def _goes_before(history: History, first: Fact, second: Fact) -> bool:
    """Whether two facts keep their order."""
    if first.kind == second.kind and first.on == second.on:
        return True
    if first.payment >= 0 and first.payment == second.payment:
        return True
    if first.kind == second.kind == "payment":
        return _count_from_one_day(history, first, second)
    if first.invoice >= 0 and first.invoice == second.invoice:
        for kinds in (NEEDS_OPEN, ("dispute", "resolution"), ("promise",)):
            if first.kind in kinds and second.kind in kinds:
                return True
    if first.kind in ("reversal", "charge_back", "reallocation"):
        if second.kind == "payment":  # entered again, perhaps
            return first.kind == "reversal"
        return second.kind in NEEDS_OPEN
    return False


def _count_from_one_day(history: History, first: Fact, second: Fact) -> bool:
    """Whether an invoice takes both payments only from its issue date, or from a takeover, on: then in their order."""
    for place in {place for place, _ in first.offers} & {place for place, _ in second.offers}:
        starts = [history.invoices[place].issued_on]
        starts += [
            fact.on for fact in history.facts if fact.kind == "takeover" and fact.invoice == place
        ]
        if any(first.on <= start and second.on <= start for start in starts):
            return True
    return False


def _is_feasible(history: History, order: Order) -> bool:
    """Whether credit is there when it is used, and no source is asked for more than it has, at every recording."""
    facts = [recording.fact for recording in order]
    can_fail = [at for at, fact in enumerate(facts) if _can_be_contested(fact)]
    last: Books | None = None
    for at in range(can_fail[0] if can_fail else len(facts) + 1, len(facts) + 1):
        day = max(order[at - 1].on if at else order[0].on, history.invoices[0].issued_on)
        found = books(history.invoices, facts[:at], day, since=day)
        if found.contested or (last is not None and _overdrawn(facts[at - 1], last, found)):
            return False
        if at < len(facts) and _uses_credit(facts[at]):
            fact = facts[at]
            source = (
                ("invoice", fact.source_invoice)
                if fact.source_invoice >= 0
                else ("payment", fact.payment)
            )
            if found.left.get(source, 0) < fact.amount:
                return False
        last = found
    return True


def _overdrawn(fact: Fact, before: Books, after: Books) -> bool:
    """Whether a fact has made a source fall short that it does not itself reverse."""
    return any(
        left < min(0, before.left.get(source, 0))
        and not (fact.kind in ("reversal", "charge_back") and source == ("payment", fact.payment))
        for source, left in after.left.items()
    )
