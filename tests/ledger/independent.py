"""What an invoice owes, computed a second time: day by day, in fractions, from the rules of the field alone.

Nothing of the product is imported. A fact is known from the day it is told; the books are then written anew from the
first day, so there is no clock, no posting and no recalculation to go wrong. Amounts are whole minor units, interest
is a `Fraction` until it is rounded.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction

DAY = timedelta(days=1)
COMPONENTS = ("other_fees", "late_fee", "mora", "principal")
Amounts = dict[str, int]


@dataclass
class Terms:
    """`rate` is per month or per year; `late_fee` a part of the base. Calendar: weekends, or none."""

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
        if self.day_count == "30":
            return self.rate / 30 if self.per == "month" else self.rate / 360
        yearly = self.rate * 12 if self.per == "month" else self.rate
        leap = day.year % 4 == 0 and (day.year % 100 != 0 or day.year % 400 == 0)
        length = {"360": 360, "365": 365, "actual": 366 if leap else 365}[self.day_count]
        return yearly / length

    def rounded(self, exact: Fraction) -> int:
        if self.rounding == "half_even":
            return round(exact)
        if self.rounding == "half_up":
            return math.floor(exact + Fraction(1, 2))
        return math.floor(exact)


@dataclass
class Paid:
    name: object
    on: date
    split: Amounts


@dataclass
class Gift:
    on: date
    split: Amounts


@dataclass
class Page:
    """The books at the end of a day. `credit` is what was overpaid and taken by no principal so far."""

    day: date
    fee: int
    mora: int
    principal: int
    paid: Amounts
    given: Amounts
    exact_mora: Fraction

    @property
    def over(self) -> int:
        return max(0, self.covered("late_fee") - self.fee) + max(
            0, self.covered("mora") - self.mora
        )

    def covered(self, component: str) -> int:
        return self.paid[component] + self.given[component]


@dataclass
class Books:
    """Facts as they become known, and the books they make."""

    terms: Terms
    payments: list[Paid] = field(default_factory=list)
    gifts: list[Gift] = field(default_factory=list)

    def receive(self, name: object, amount: int, value_on: date) -> int:
        """Stores the split of a payment; returns what is left over."""
        on = max(value_on, self.terms.issued_on)
        first = self._poured(amount, self._owed(on))
        rest = amount - sum(first.values())
        self.payments.append(Paid(name, on, first))
        while rest:
            end = self.at(self.last_on())
            more = self._poured(
                rest,
                {
                    "late_fee": max(0, end.fee - end.covered("late_fee")),
                    "mora": max(0, end.mora - end.covered("mora")),
                },
            )
            if not any(more.values()):
                break
            rest -= sum(more.values())
            split = self.payments[-1].split
            self.payments[-1].split = {c: split[c] + more[c] for c in COMPONENTS}
        if not any(self.payments[-1].split.values()):
            self.payments.pop()
        return rest

    def reverse(self, name: object) -> None:
        self.payments = [paid for paid in self.payments if paid.name != name]

    def charge_back(self, name: object, on: date) -> None:
        """The payment stood until that day."""
        for paid in [paid for paid in self.payments if paid.name == name]:
            taken = {c: -paid.split[c] for c in COMPONENTS}
            self.payments.append(Paid(name, max(on, paid.on), taken))

    def waive(self, component: str, on: date) -> None:
        split = dict.fromkeys(COMPONENTS, 0) | {component: self._open(on)[component]}
        self.gifts.append(Gift(on, split))

    def give_up(self, on: date) -> None:
        """Gives up all that is open, and what is open in consequence."""
        gift = Gift(on, dict.fromkeys(COMPONENTS, 0))
        more = self._open(on)
        self.gifts.append(gift)
        while any(more.values()):
            gift.split = {c: gift.split[c] + more[c] for c in COMPONENTS}
            more = self._open(on)

    def _open(self, on: date) -> Amounts:
        page = self.at(on)
        return {
            "other_fees": 0,
            "late_fee": max(0, page.fee - page.covered("late_fee")),
            "mora": max(0, page.mora - page.covered("mora")),
            "principal": self.open_principal(),
        }

    def _room(self) -> dict[date, int]:
        """By the days of facts: the least principal that stored splits leave open from then on."""
        facts = [(paid.on, paid.split["principal"]) for paid in self.payments]
        facts += [(gift.on, gift.split["principal"]) for gift in self.gifts]
        days = sorted({on for on, _ in facts})
        left = {
            day: self.terms.total - sum(amount for on, amount in facts if on <= day) for day in days
        }
        return {day: min(left[later] for later in days if later >= day) for day in days}

    def last_on(self) -> date:
        return max(
            [paid.on for paid in self.payments] + [gift.on for gift in self.gifts],
            default=self.terms.issued_on,
        )

    def at(self, day: date) -> Page:
        """The books at the end of `day` (or of the issue date)."""
        *_, last = self.pages(max(day, self.terms.issued_on))
        return last

    def open_principal(self) -> int:
        end = self.at(self.last_on())
        return self.terms.total - end.covered("principal")

    def credit(self) -> int:
        """What payments covered too much and no principal took."""
        return self.at(self.last_on()).over

    def pages(self, through: date) -> Iterator[Page]:
        terms = self.terms
        room, moved_so_far, is_late = self._room(), 0, False
        principal, fee, exact = terms.total, 0, Fraction(0)
        paid, given = dict.fromkeys(COMPONENTS, 0), dict.fromkeys(COMPONENTS, 0)
        day = terms.issued_on
        while day <= through:
            base = terms.total if terms.base == "original" else principal
            if day >= terms.late_on and principal > 0 and not is_late:
                is_late, fee = True, max(terms.minimum, terms.rounded(base * terms.late_fee))
            if day == terms.late_on and principal > 0:
                waited = terms.interest_after + DAY
                while waited < day:
                    exact += base * terms.daily(waited)
                    waited += DAY
            if day >= terms.late_on and principal > 0:
                exact += base * terms.daily(day)
            mora = terms.rounded(exact)
            for payment in self.payments:
                if payment.on == day:
                    paid = {c: paid[c] + payment.split[c] for c in COMPONENTS}
                    principal -= payment.split["principal"]
            for component, owed in (
                ("late_fee", None),
                ("mora", None),
                ("late_fee", fee),
                ("mora", mora),
            ):
                covers = paid[component] + given[component]
                if owed is None:  # what a charge-back took had moved to principal, and comes back
                    moved = min(0, paid[component])
                else:
                    free = max(0, room[day] - moved_so_far) if day in room else 0
                    moved = min(max(0, covers - owed), free)
                moved_so_far += moved
                principal -= moved
                paid[component] -= moved
                paid["principal"] += moved
            gifts = [gift for gift in self.gifts if gift.on == day]
            if gifts:
                for component, owed in (("late_fee", fee), ("mora", mora)):
                    wanted = sum(gift.split[component] for gift in gifts)
                    most = max(0, owed - paid[component] - given[component])
                    given[component] += min(wanted, most)
                for gift in gifts:
                    given["principal"] += gift.split["principal"]
                    principal -= gift.split["principal"]
            yield Page(day, fee, mora, principal, dict(paid), dict(given), exact)
            day += DAY

    def _owed(self, on: date) -> Amounts:
        """What a payment of that day can cover: fee and interest as owed then and covered by nothing since."""
        then, end = self.at(on), self.at(max(on, self.last_on()))
        over = end.over  # in credit: no longer covering anything
        covered = {c: end.covered(c) for c in ("late_fee", "mora")}
        if over:
            covered = {
                "late_fee": min(covered["late_fee"], end.fee),
                "mora": min(covered["mora"], end.mora),
            }
        return {
            "other_fees": 0,
            "late_fee": max(0, then.fee - covered["late_fee"]),
            "mora": max(0, then.mora - covered["mora"]),
            "principal": self.open_principal(),
        }

    def _poured(self, amount: int, owed: Amounts) -> Amounts:
        split = dict.fromkeys(COMPONENTS, 0)
        for component in self.terms.order:
            split[component] = min(amount, owed.get(component, 0))
            amount -= split[component]
        return split
