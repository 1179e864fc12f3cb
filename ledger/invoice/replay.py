"""What each fact of an invoice covers, decided over all facts in the order of their effective dates (ADR 0020).

The walk goes from fact to fact. At each it asks what is charged by that day (`ledger.invoice.charges`), what the facts
before have covered, and lets the fact cover what it can of the rest. Nothing here knows what was decided before, but
for one limit: a fact takes more money than it did only as far as its source has credit left (`Sources`).
"""

from collections import deque
from collections.abc import Mapping
from datetime import date
from itertools import groupby
from typing import Literal, NamedTuple
from uuid import UUID

from msgspec.structs import replace

from ledger.invoice import events as e
from ledger.invoice.charges import Charges, terms_of
from ledger.invoice.sources import Room, Sources
from ledger.invoice.state import NOTHING, Imputation, Invoice, SmallBalance, Status
from ledger.waterfall import Order, Split, waterfall

_RANKS: dict[e.ImputationKind, int] = {
    "charge_back": 1,
    "waived": 3,
    "interest_returned": 4,
    "written_off": 5,
    "cancelled": 5,
    "renegotiated": 6,
    "payment": 7,
    "credited": 8,
    "credit": 9,
    "void": 10,
}
"""The order of kinds within a day; fees charged by hand come before all but charge-backs."""


ClosedAs = Literal["", "cancelled", "renegotiated"]


class Replayed(NamedTuple):
    """What facts cover, in the order in which they were recorded, and what follows.

    charges     run over all of them; ready to be asked for the last of their days or a later one
    settled_on  the day since which nothing has been open; none while something is
    """

    covered: list[e.Covered]
    small_balances: list[SmallBalance]
    charges: Charges
    status: Status
    closed_as: ClosedAs
    settled_on: date | None


def replay(invoice: Invoice, room: Room, through: date) -> Replayed:
    """Replays the invoice's facts. `through` is the day up to which anything is charged: no fact is later."""
    walk = _Walk(invoice, room, Charges(invoice))
    covered = [e.Covered()] * len(invoice.imputations)
    for day, facts in groupby(_in_order(invoice.imputations), key=lambda one: one[1].on):
        walk.begin(day)
        for at, one in facts:
            covered[at] = walk.cover(one)
        walk.end(day)
    return walk.replayed(covered, through)


def cover_latest(invoice: Invoice, one: Imputation, room: Room) -> tuple[e.Covered, Split]:
    """(what a fact covers that comes after all others, the small balance that it leaves and that is waived).

    The invoice is charged up to its day.
    """
    with_it = replace(invoice, imputations=(*invoice.imputations, one))
    walk = _Walk(with_it, room, None)
    walk.resume(invoice, one)
    return walk.cover(one), walk.end(one.on)


def is_latest(invoice: Invoice, one: Imputation) -> bool:
    """Whether a fact comes after all others and after all that is charged, so that it changes none of them."""
    for charged_on in (invoice.mora_through, invoice.overdue_on):
        if charged_on is not None and one.on < charged_on:
            return False
    if any(fee.on > one.on for fee in invoice.fees):
        return False
    if any(small.on >= one.on for small in invoice.small_balances):
        return False
    beside = [at for at, other in enumerate(invoice.imputations) if other.on >= one.on]
    if not beside:
        return True
    facts = (*invoice.imputations, one)
    offers = offers_of(facts)
    own = rank(one, len(facts) - 1, offers)
    return all(rank(facts[at], at, offers) < own for at in beside)


def rank(one: Imputation, at: int, offers: Mapping[UUID, "FirstOffer"]) -> tuple[object, ...]:
    """The place of a fact among the others. `offers` has each payment's first offer.

    A payment that a reallocation offered to the invoice comes after the day's others, whenever those were recorded.
    """
    if one.kind == "charge_back":
        first = offers.get(one.source_id)
        if first is not None and first.on == one.on:
            return one.on, _RANKS["payment"], first.reallocated, first.at, 1, at
        return one.on, _RANKS["charge_back"], False, at, 0, at
    return one.on, _RANKS[one.kind], one.reallocated, at, 0, at


class FirstOffer(NamedTuple):
    """A payment's first offer to an invoice: its day, its place by recording, and whether a reallocation made it."""

    on: date
    at: int
    reallocated: bool


def offers_of(imputations: tuple[Imputation, ...]) -> dict[UUID, FirstOffer]:
    """Each payment's first offer."""
    found: dict[UUID, FirstOffer] = {}
    for at, one in enumerate(imputations):
        if one.kind == "payment":
            found.setdefault(one.source_id, FirstOffer(one.on, at, one.reallocated))
    return found


def closed_as(imputations: tuple[Imputation, ...]) -> ClosedAs:
    """How the debt was closed last, when it was not written off since and no money of a later day has covered anything
    of it; else empty."""
    if not any(one.kind in ("cancelled", "renegotiated") for one in imputations):
        return ""
    closed = _OPEN
    for _, one in _in_order(imputations):
        closed = _closed_by(closed, one, one.covered)
    return closed.how


class _Closed(NamedTuple):
    how: ClosedAs
    on: date


_OPEN = _Closed("", date.min)


def _closed_by(closed: _Closed, one: Imputation, covered: e.Covered) -> _Closed:
    match one.kind:
        case "cancelled" | "renegotiated":
            return _Closed(one.kind, one.on)
        case "written_off":
            return _OPEN
        case "payment" | "credit" if covered.money_minor and one.on > closed.on:
            return _OPEN
    return closed


def _in_order(imputations: tuple[Imputation, ...]) -> list[tuple[int, Imputation]]:
    offers = offers_of(imputations)
    return sorted(enumerate(imputations), key=lambda one: rank(one[1], one[0], offers))


class _Walk:
    """The walk from fact to fact. Amounts are minor units.

    charges  run along; none for a fact that comes after all others, on an invoice that is charged up to its day
    """

    def __init__(self, invoice: Invoice, room: Room, charges: Charges | None) -> None:
        policy = terms_of(invoice).policy
        self._invoice = invoice
        self._order: Order = policy.waterfall
        tolerance = policy.small_balance_tolerance
        of_currency = tolerance is not None and tolerance.currency == invoice.currency
        self._tolerance_minor = tolerance.minor if tolerance is not None and of_currency else 0
        self._charges = charges
        self._sources = Sources(invoice, room)
        self._fees = deque(sorted(invoice.fees, key=lambda fee: fee.on))
        self._fees_minor = 0
        self._charged = self._open = self._paid = NOTHING
        self._recovered = self._written_off = NOTHING
        self._paid_today: dict[UUID, int] = {}
        self._small_balances: list[SmallBalance] = []
        self._closed = _OPEN
        self._settled_on: date | None = None

    def begin(self, day: date) -> None:
        """Charges what is charged by a day."""
        self._paid_today = {}
        self._charge(day)
        if self._open.total:
            self._settled_on = None

    def resume(self, invoice: Invoice, one: Imputation) -> None:
        """Goes on after all facts of an invoice, which cover what they do, on the day of a new one."""
        self._sources.resume(invoice, one.source_id)
        self._charged, self._open = invoice.charged, invoice.open
        self._written_off = invoice.written_off
        for other in invoice.imputations:
            recovered = other.covered.recovered
            if recovered != NOTHING:
                self._recovered += recovered
            if other.on == one.on:
                self._pay_today(other, other.covered)
        self._paid = invoice.paid - self._recovered

    def cover(self, one: Imputation) -> e.Covered:
        """What a fact covers."""
        covered = self._covers(one)
        self._open -= covered.paid + covered.forgiven
        self._paid += covered.paid
        self._recovered += covered.recovered
        self._written_off -= covered.recovered
        if one.kind == "written_off":
            self._written_off += covered.forgiven
        self._pay_today(one, covered)
        principal_minor = covered.paid.principal + covered.forgiven.principal
        if principal_minor and self._charges is not None:
            taken_over_minor = covered.forgiven.principal if one.kind == "renegotiated" else 0
            self._charges.move(one.on, -principal_minor, taken_over_minor)
        self._closed = _closed_by(self._closed, one, covered)
        return covered

    def end(self, day: date) -> Split:
        """Waives what a day's payments have left open, when it is no more than the policy's small balance."""
        waived = NOTHING
        paid_minor = max(self._paid_today.values(), default=0)
        if paid_minor > 0 and 0 < self._open.total <= self._tolerance_minor:
            waived, self._open = self._open, NOTHING
            self._small_balances.append(SmallBalance(day, waived))
            if waived.principal and self._charges is not None:
                self._charges.move(day, -waived.principal)
        self._settled_on = None if self._open.total else self._settled_on or day
        return waived

    def replayed(self, covered: list[e.Covered], through: date) -> Replayed:
        assert self._charges is not None
        self._charge(through)
        return Replayed(
            covered,
            self._small_balances,
            self._charges,
            self._status(through),
            self._closed.how,
            None if self._open.total else self._settled_on,
        )

    def _charge(self, day: date) -> None:
        while self._fees and self._fees[0].on <= day:
            self._fees_minor += self._fees.popleft().minor
        assert self._charges is not None
        charged = Split(
            self._fees_minor,
            self._charges.late_fee(day)[0],
            self._charges.mora(day),
            self._invoice.total_minor,
        )
        self._open += charged - self._charged
        self._charged = charged

    def _covers(self, one: Imputation) -> e.Covered:
        match one.kind:
            case "payment" | "credit":
                return self._pay(one)
            case "charge_back":
                return self._charge_back(one)
            case "credited":
                return self._credit_note(one)
            case "void":
                return e.Covered(forgiven=self._open)
            case "renegotiated":
                forgiven, _ = waterfall(one.asked_minor, self._open, self._order)
                return e.Covered(forgiven=forgiven)
        return e.Covered(forgiven=_least(one.asked, self._open))

    def _pay(self, one: Imputation) -> e.Covered:
        offered_minor = self._sources.offer(one)
        paid, rest_minor = waterfall(offered_minor, self._open, self._order)
        recovered = NOTHING
        if rest_minor:
            recovered, _ = waterfall(rest_minor, self._written_off, self._order)
        self._sources.take(one, paid.total, recovered.total)
        return e.Covered(paid=paid, recovered=recovered)

    def _charge_back(self, one: Imputation) -> e.Covered:
        paid_minor, recovered_minor = self._sources.give_back(one)
        backwards = tuple(reversed(self._order))
        recovered, _ = waterfall(recovered_minor, self._recovered, backwards)
        paid, rest_minor = waterfall(paid_minor, self._paid, backwards)
        assert rest_minor == 0, "a payment has covered no more than all have"
        return e.Covered(paid=-paid, recovered=-recovered)

    def _credit_note(self, one: Imputation) -> e.Covered:
        most_minor = self._sources.give(one)
        principal_minor = min(most_minor, self._open.principal)
        others = replace(self._open, principal=0)
        paid, _ = waterfall(most_minor - principal_minor, others, self._order)
        self._sources.given(principal_minor + paid.total)
        return e.Covered(paid=paid, forgiven=Split(principal=principal_minor))

    def _pay_today(self, one: Imputation, covered: e.Covered) -> None:
        """Counts what is paid on the day; what is charged back of it counts no longer."""
        if one.kind in ("payment", "credit") or (
            one.kind == "charge_back" and one.source_id in self._paid_today
        ):
            paid_minor = self._paid_today.get(one.source_id, 0) + covered.paid.total
            self._paid_today[one.source_id] = paid_minor

    def _status(self, through: date) -> Status:
        if any(one.kind == "void" for one in self._invoice.imputations):
            return "void"
        if self._open.total:
            assert self._charges is not None
            return "sent" if self._charges.first_late_day(through) is None else "overdue"
        if self._closed.how:
            return self._closed.how
        return "written_off" if self._written_off.total else "paid"


def _least(asked: Split, open_: Split) -> Split:
    return Split(
        min(asked.other_fees, open_.other_fees),
        min(asked.late_fee, open_.late_fee),
        min(asked.mora, open_.mora),
        min(asked.principal, open_.principal),
    )
