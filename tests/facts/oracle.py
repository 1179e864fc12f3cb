"""What invoices owe on every day, computed from the facts alone, by the rules of ADR 0020.

Nothing of the product is imported. There is no event, no clock and no recalculation: the books are written from the
first day on, day by day and fact by fact, in `Fraction`s, as if everything had been known from the start.

Where the decision record is silent, the reading taken here is listed in AMBIGUITIES, and marked [A1], [A2], ... in the
code.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from functools import partial
from typing import Any, TypeVar

from tests.facts.facts import COMPONENTS, DAY, Fact, Invoice, last_on

AMBIGUITIES = """
A1   The late fee is decided once, on the first late day: with open principal of at most the small
     balance when that day begins, no fee is ever charged.
A2   The cap is rounded down to whole units, counts on the invoice's total as sent, and binds the
     minimum, too.
A3   Days between the due date and the first late day bear interest on the principal (less what is
     held) with which the first late day of the terms begins.
A4   Base `original` with a dispute that holds, or beside a takeover: the base x bearing principal /
     (open principal + principal taken over on earlier days).
A5   A rejection is judged by the facts recorded before it, at the end of its own day: with nothing
     open and the status cancelled, renegotiated or written_off it leaves the hold as it was.
A6   Credit applied is an offer of its source payment, after the payment's own offers, by the day it
     was applied. A partial reversal or charge-back takes first what exceeds all these offers
     together, then the last of them.
A7   Which of its offers a partial reversal or charge-back takes is a fact of the day on which it was
     recorded: it looks at what was offered then.
A8   A charge-back reverses as much recovered as the payment had recovered; which components, is
     the reverse order over all that is recovered, whoever recovered it. What is paid includes no
     recovery.
A9   A charge-back on the payment's own day follows that payment at once, before other payments. If
     the invoice takes the payment only later (issue date, takeover), the offer is lowered before it
     covers anything.
A10  The small balance is waived when a payment or credit placed on the day covers something at the
     end of the day (after charge-backs of that day), recoveries not counted.
A11  With accrual `month_end`, a fact's day is a posting day by the fact's kind, whether it finds
     anything to cover or was charged back before; wholly reversed payments are no facts, charge-backs
     and fees post nothing.
A12  `cancelled` or `renegotiated` comes last if no later write-off, cancellation or takeover, and
     no payment or credit of a later day that covered anything, follows it; also where it gave up
     nothing.
A13  The first late day, for the status, is the first day from the one in the terms on that begins
     with bearing principal; something else that is open leaves the invoice `sent` until then.
A14  What is paid on a promise includes recoveries and credit applied, not what a credit note pays.
     A promise whose place a later one takes by the end of its promised day gets no verdict.
A15  A source never covers more than it has left at that place in the order of days; credit used
     earlier in that order comes first. Where that limit binds, `contested` says so: then the order
     of recording may matter.
A16  A reallocation onto an invoice that the payment did not offer to before counts as recorded then
     (against a takeover), and after the payments of its day that named the invoice themselves;
     otherwise its offers keep the payment's place.
A17  Dates before the issue date count from the issue date for every kind, as for payments.
A18  Only kinds that cover something move to after a takeover that was recorded before them, and
     only with a date before its day; on its own day the order of kinds holds.
A19  A takeover that finds less than its total takes what is open, and is `contested`: so it is when
     a payment, whose principal a credit note had given back as credit, was charged back, taken over
     and then reversed, so that the credit note takes that principal off after all.
A20  An invoice to which a payment offers something right before a reallocation keeps its place among
     the payment's offers; the others follow as they are named, one whose offer had been reversed
     wholly, too.
"""

RANKS = {
    "fee": 2,
    "waiver": 3,
    "write_off": 5,
    "cancellation": 5,
    "takeover": 6,
    "credit_note": 8,
}
CHARGE_BACK, PAYMENT, CREDIT, REFUND = 1, 7, 9, 11
"""The order of kinds within a day. The small balance, 10, comes last of what invoices see."""

K = TypeVar("K")
Amounts = dict[str, int]
Source = tuple[str, int]
"""("payment", its number), or ("invoice", its place): where credit comes from."""


@dataclass
class Page:
    """An invoice at the end of a day. `forgiven` includes `written_off`, which is what is not recovered yet."""

    status: str
    charged: Amounts
    paid: Amounts
    forgiven: Amounts
    open: Amounts
    written_off: Amounts


@dataclass
class Day:
    """The books at the end of a day. What is zero is left out of all but `invoices`.

    invoices    by their places; with the status `unsent` before the issue date
    credit      by (customer, currency): what arrived less what invoices took and what was refunded, signed
    statement   by (customer, currency): the sum of what is open
    journal     by currency and account: the sum of postings effective by then (debits above zero)
    """

    invoices: list[Page]
    credit: dict[tuple[int, str], int]
    statement: dict[tuple[int, str], int]
    journal: dict[str, Amounts]


@dataclass
class Verdict:
    """What became of a promise, on the day after the promised one."""

    invoice: int
    promised_on: date
    kept: bool
    paid: int


@dataclass
class Books:
    """Every day, and what became of promises.

    contested  where the limit of a source bound ([A15]), or a takeover found less than its total
    over_offered  payments of which a part was reversed while they offered more than they had left, because what one
               invoice had not taken of its offer was applied to another: which offers shrink is then decided by what
               they had taken on the day of recording
    left       what each source had left at the end
    """

    days: dict[date, Day] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    contested: list[str] = field(default_factory=list)
    over_offered: list[int] = field(default_factory=list)
    left: dict[Source, int] = field(default_factory=dict)

    def page(self, day: date, place: int) -> Page:
        """An invoice at the end of a day."""
        return self.days[day].invoices[place]


@dataclass
class Offer:
    """What a payment or credit offers to an invoice: `offered` falls with each charge-back, from its day on."""

    invoice: int
    source: Source
    offered: int
    on: date
    index: int
    position: int
    rank: int
    recorded: int
    reallocated: int = 0
    charge_backs: list[tuple[int, date, int]] = field(default_factory=list)
    paid: int = 0
    recovered: int = 0
    covered_on: list[tuple[date, int]] = field(default_factory=list)

    @property
    def covers(self) -> int:
        return self.paid + self.recovered


@dataclass
class Account:
    """An invoice's running totals."""

    place: int
    terms: Invoice
    due_on: date
    payable_until: date
    late_on: date
    original: int
    holds: list[tuple[date, date | None, int]]
    posting_days: set[date] = field(default_factory=set)
    offers: list[Offer] = field(default_factory=list)
    exact_mora: Fraction = Fraction(0)
    first_late_day: date | None = None
    charged: Amounts = field(default_factory=lambda: dict.fromkeys(COMPONENTS, 0))
    paid: Amounts = field(default_factory=lambda: dict.fromkeys(COMPONENTS, 0))
    recovered: Amounts = field(default_factory=lambda: dict.fromkeys(COMPONENTS, 0))
    given: Amounts = field(default_factory=lambda: dict.fromkeys(COMPONENTS, 0))
    written_off: Amounts = field(default_factory=lambda: dict.fromkeys(COMPONENTS, 0))
    taken_over: list[tuple[date, int]] = field(default_factory=list)
    last_closing: str = ""
    closed_on: date = date.min
    is_paid_after: bool = False

    def open(self, component: str) -> int:
        return (
            self.charged[component]
            - self.paid[component]
            - self.recovered[component]
            - self.given[component]
            - self.written_off[component]
        )

    @property
    def open_total(self) -> int:
        return sum(self.open(component) for component in COMPONENTS)

    def close(self, how: str, day: date) -> None:
        self.last_closing, self.closed_on, self.is_paid_after = how, day, False

    def status(self, day: date) -> str:
        if day < self.terms.issued_on:
            return "unsent"
        if self.open_total > 0:
            is_late = self.first_late_day is not None and day >= self.first_late_day
            return "overdue" if is_late else "sent"
        if self.last_closing in ("cancelled", "renegotiated") and not self.is_paid_after:  # [A12]
            return self.last_closing
        return "written_off" if any(self.written_off.values()) else "paid"

    def page(self, day: date) -> Page:
        return Page(
            self.status(day),
            dict(self.charged),
            {c: self.paid[c] + self.recovered[c] for c in COMPONENTS},
            {c: self.given[c] + self.written_off[c] for c in COMPONENTS},
            {c: self.open(c) for c in COMPONENTS},
            dict(self.written_off),
        )


def books(
    invoices: Sequence[Invoice],
    facts: Sequence[Fact],
    through: date | None = None,
    since: date = date.min,
) -> Books:
    """The books of every day through one (default: the last day of a fact), given facts in the order of recording.

    Days before `since` are calculated, but not written down; nor are verdicts on promises for them.
    """
    return _Calculation(invoices, facts, through or last_on(invoices, facts), since).books


# ---------------------------------------------------------------------------------------------------------------------
# Terms


def daily_rate(terms: Invoice, day: date) -> Fraction:
    """The part of the base that one day costs."""
    if terms.per == "day":
        return terms.rate
    if terms.day_count == "30":
        return terms.rate / 30 if terms.per == "month" else terms.rate / 360
    yearly = terms.rate * 12 if terms.per == "month" else terms.rate
    leap = day.year % 4 == 0 and (day.year % 100 != 0 or day.year % 400 == 0)
    return yearly / {"360": 360, "365": 365, "actual": 366 if leap else 365}[terms.day_count]


def rounded(terms: Invoice, exact: Fraction) -> int:
    if terms.rounding == "half_even":
        return round(exact)
    if terms.rounding == "half_up":
        return math.floor(exact + Fraction(1, 2))
    return math.floor(exact)


def late_fee(terms: Invoice, base: Fraction) -> int:
    fee = max(terms.minimum, rounded(terms, base * terms.late_fee))
    if terms.cap is not None:
        fee = min(fee, math.floor(terms.cap * terms.total))  # [A2]
    return fee


def payable_until(terms: Invoice, due_on: date) -> date:
    while terms.weekends and due_on.isoweekday() > 5:
        due_on += DAY
    return due_on


def due_on_in_force(terms: Invoice, place: int, facts: Sequence[Fact]) -> date:
    """The last moved one, by the day of the move; moves of one day as recorded."""
    moves = [fact for fact in facts if fact.kind == "due_date_moved" and fact.invoice == place]
    moves.sort(key=lambda fact: fact.on)
    return moves[-1].until if moves else terms.due_on


def holds_of(
    invoices: Sequence[Invoice], facts: Sequence[Fact], place: int
) -> list[tuple[date, date | None, int]]:
    """(raised on, resolved on, amount) of each dispute that takes its amount out of the bearing principal."""
    told = [
        (fact.on, index, fact)
        for index, fact in enumerate(facts)
        if fact.kind in ("dispute", "resolution") and fact.invoice == place
    ]
    holds: list[tuple[date, date | None, int]] = []
    raised: Fact | None = None
    for on, index, fact in sorted(told, key=lambda entry: entry[:2]):
        if fact.kind == "dispute":
            raised = fact
        elif raised is not None:
            stays = fact.outcome == "accepted" or (
                raised.holds_interest and is_closed_unpaid(invoices, facts[:index], place, on)
            )
            if raised.holds_interest and stays:
                holds.append((raised.on, on, raised.amount))
            raised = None
    if raised is not None and raised.holds_interest:
        holds.append((raised.on, None, raised.amount))
    return holds


def is_closed_unpaid(
    invoices: Sequence[Invoice], known: Sequence[Fact], place: int, on: date
) -> bool:
    """[A5]"""
    page = books(invoices, known, on, since=on).page(on, place)
    return not any(page.open.values()) and page.status in (
        "cancelled",
        "renegotiated",
        "written_off",
    )


# ---------------------------------------------------------------------------------------------------------------------
# Offers


def lower(offers: list[Offer], left: int, amount: int) -> list[tuple[Offer, int]]:
    """Takes an amount off a payment: first what is offered to no invoice, then the last offers ([A6])."""
    lowered = []
    if amount == left:  # all that is left of it: then nothing is offered any more
        lowered = [(offer, offer.offered) for offer in offers if offer.offered]
        for offer in offers:
            offer.offered = 0
        return lowered
    amount -= min(amount, max(0, left - sum(offer.offered for offer in offers)))
    for offer in reversed(offers):
        part = min(amount, offer.offered)
        if part:
            lowered.append((offer, part))
        offer.offered -= part
        amount -= part
    return lowered


def offered_before(
    payment: Fact, changes: Sequence[tuple[date, int, Fact]]
) -> dict[int, list[int]]:
    """The invoices to which a payment offered something right before each reallocation, in the order of its offers."""
    source = ("payment", payment.payment)

    def offer(place: int, amount: int, rank: int) -> Offer:
        return Offer(place, source, amount, payment.on, 0, 0, rank, 0)

    offers = [offer(place, amount, PAYMENT) for place, amount in payment.offers]
    left, found = payment.amount, {}
    for _, at, fact in sorted(changes, key=lambda change: change[1]):
        if fact.kind in ("reversal", "charge_back"):
            for lowered, part in lower(offers, left, fact.amount):
                assert lowered.offered >= 0, part
            left -= fact.amount
        elif fact.kind == "credit_applied":
            offers.append(offer(fact.invoice, fact.amount, CREDIT))
        elif fact.kind == "reallocation":
            places = [one.invoice for one in offers if one.rank == PAYMENT and one.offered]
            found[at] = places
            parts = sorted(
                fact.offers,
                key=lambda part: places.index(part[0]) if part[0] in places else len(places),
            )
            offers = [offer(place, amount, PAYMENT) for place, amount in parts] + [
                one for one in offers if one.rank == CREDIT
            ]
    return found


def offers_of(
    invoices: Sequence[Invoice], facts: Sequence[Fact], over_offered: list[int]
) -> list[Offer]:
    """All offers, lowered by reversals; charge-backs noted beside what they lower, and when."""
    all_offers: list[Offer] = []
    for index, payment in enumerate(facts):
        if payment.kind != "payment":
            continue
        number = payment.payment
        changes = [(fact.on, at, fact) for at, fact in enumerate(facts) if fact.payment == number]
        changes.sort(key=lambda change: change[:2])
        parts, recorded = payment.offers, {place: index for place, _ in payment.offers}
        first = dict(recorded)
        offered = offered_before(payment, changes)
        for _, at, fact in changes:
            if fact.kind == "reallocation":
                places = offered[at]
                parts = tuple(
                    sorted(
                        fact.offers,
                        key=lambda part: (
                            places.index(part[0]) if part[0] in places else len(places)
                        ),
                    )
                )  # [A20]
                recorded = {place: recorded.get(place, at) for place, _ in parts}  # [A16]
                first = {place: at for place, _ in parts} | first
        source = ("payment", number)
        offers = [
            Offer(
                place,
                source,
                amount,
                payment.on,
                first[place],
                position,
                PAYMENT,
                recorded[place],
                int(first[place] != index),
            )
            for position, (place, amount) in enumerate(parts)
        ]
        offers += [
            Offer(fact.invoice, source, fact.amount, fact.on, at, 0, CREDIT, at)
            for _, at, fact in changes
            if fact.kind == "credit_applied"
        ]
        left = payment.amount
        asked = [offer.offered for offer in offers]
        for on, at, fact in sorted(changes, key=lambda change: change[1]):  # [A7]
            if fact.kind not in ("reversal", "charge_back"):
                continue
            known = [offer for offer in offers if offer.rank == PAYMENT or offer.index < at]
            for offer, part in lower(known, left, fact.amount):
                if fact.kind == "reversal":
                    asked[offers.index(offer)] -= part
                else:
                    offer.charge_backs.append((at, on, part))
            left -= fact.amount
            if sum(offer.offered for offer in known) > left:
                over_offered.append(number)
        for offer, amount in zip(offers, asked, strict=True):
            offer.offered = amount
        all_offers += offers
    all_offers += [
        Offer(
            fact.invoice, ("invoice", fact.source_invoice), fact.amount, fact.on, at, 0, CREDIT, at
        )
        for at, fact in enumerate(facts)
        if fact.kind == "credit_applied" and fact.source_invoice >= 0
    ]
    return all_offers


# ---------------------------------------------------------------------------------------------------------------------
# The walk


def _without_zeros(totals: dict[K, int]) -> dict[K, int]:
    return {key: amount for key, amount in totals.items() if amount}


Key = tuple[int, ...]
Step = Callable[[], None]


class _Calculation:
    """One walk over all days and all invoices."""

    def __init__(
        self, invoices: Sequence[Invoice], facts: Sequence[Fact], through: date, since: date
    ) -> None:
        self.invoices = invoices
        self.facts = facts
        self.books = Books()
        self.accounts = [self._account(place) for place in range(len(invoices))]
        self.arrived: dict[Source, int] = {}
        self.spent: dict[Source, int] = {}
        self.owner: dict[Source, tuple[int, str]] = {
            ("invoice", place): (invoice.customer, invoice.currency)
            for place, invoice in enumerate(invoices)
        }
        self.journal: dict[str, Amounts] = {}
        self.program: dict[date, list[tuple[Key, Step]]] = {}
        self._plan()
        day = min([*self.program, *(invoice.issued_on for invoice in invoices)])
        while day <= through:
            self._live(day)
            if day >= since:
                self._write(day)
            day += DAY
        self._judge(through)

    def _account(self, place: int) -> Account:
        terms = self.invoices[place]
        due_on = due_on_in_force(terms, place, self.facts)
        until = payable_until(terms, due_on)
        original = terms.total if terms.original is None else terms.original
        for index, fact in enumerate(self.facts):
            if fact.kind != "credit_note" or fact.invoice != place:
                continue
            if self._place(place, fact.on, index) <= due_on:
                original -= fact.amount
        holds = holds_of(self.invoices, self.facts, place)
        late_on = until + timedelta(days=1 + terms.grace_days)
        return Account(place, terms, due_on, until, late_on, max(0, original), holds)

    def _place(self, place: int, on: date, recorded: int) -> date:
        """The day on which a fact that covers something counts: not before the issue date ([A17]), nor before an
        agreement that had taken the debt over when the fact was recorded ([A18])."""
        on = max(on, self.invoices[place].issued_on)
        for fact in self.facts[:recorded]:
            if fact.kind == "takeover" and fact.invoice == place:
                on = max(on, fact.on)
        return on

    # -- the program: what happens on which day, in which order

    def _at(self, day: date, key: Key, do: Callable[..., None], *arguments: Any) -> None:
        self.program.setdefault(day, []).append((key, partial(do, *arguments)))

    def _plan(self) -> None:
        for index, fact in enumerate(self.facts):
            if fact.kind == "payment":
                source = ("payment", fact.payment)
                self.owner[source] = (fact.customer, fact.currency)
                reversed_ = sum(
                    other.amount
                    for other in self.facts
                    if other.kind == "reversal" and other.payment == fact.payment
                )
                self._at(
                    fact.on, (PAYMENT, 0, index, -1), self._arrive, source, fact.amount - reversed_
                )
                self._plan_charge_backs(fact, index)
            elif fact.kind == "refund":
                source = self._source_of(fact)
                self._at(fact.on, (REFUND, 0, index), self._refund, source, fact.amount)
            elif fact.kind in RANKS:
                self._plan_adjustment(fact, index)
        for offer in offers_of(self.invoices, self.facts, self.books.over_offered):
            self._plan_offer(offer)

    def _source_of(self, fact: Fact) -> Source:
        if fact.source_invoice >= 0:
            return ("invoice", fact.source_invoice)
        return ("payment", fact.payment)

    def _plan_charge_backs(self, payment: Fact, index: int) -> None:
        for at, fact in enumerate(self.facts):
            if fact.kind == "charge_back" and fact.payment == payment.payment:
                source = ("payment", payment.payment)
                is_same_day = fact.on <= payment.on
                key = (PAYMENT, 0, index, 1_000, at) if is_same_day else (CHARGE_BACK, 0, at, -1)
                self._at(max(fact.on, payment.on), key, self._arrive, source, -fact.amount)

    def _plan_adjustment(self, fact: Fact, index: int) -> None:
        account = self.accounts[fact.invoice]
        rank, day = RANKS[fact.kind], max(fact.on, account.terms.issued_on)
        key: Key = (rank, 0, index)
        if fact.kind not in ("fee", "takeover"):
            day = self._place(fact.invoice, fact.on, index)
            if day > max(fact.on, account.terms.issued_on):
                key = (RANKS["takeover"], rank, index)
        if fact.kind != "fee":
            account.posting_days.add(day)  # [A11]
        self._at(day, key, getattr(self, f"_{fact.kind}"), account, fact, day)

    def _plan_offer(self, offer: Offer) -> None:
        account = self.accounts[offer.invoice]
        told_on = offer.on
        offer.on = self._place(offer.invoice, told_on, offer.recorded)
        key = (offer.rank, offer.reallocated, offer.index, offer.position)
        if offer.offered:
            account.posting_days.add(offer.on)  # [A11]
        for at, on, part in offer.charge_backs:
            is_right_after = offer.rank == PAYMENT and on <= told_on == offer.on
            if is_right_after:
                self._at(offer.on, (*key, 1, at), self._charge_back, account, offer, part, offer.on)
            elif on <= offer.on:  # [A9]
                offer.offered -= part
            else:
                back_key = (CHARGE_BACK, 0, at, offer.position, offer.index)
                self._at(on, back_key, self._charge_back, account, offer, part, on)
        if offer.offered:
            account.offers.append(offer)
            self._at(offer.on, (*key, 0), self._cover, account, offer, offer.on)

    # -- a day

    def _live(self, day: date) -> None:
        for account in self.accounts:
            if day == account.terms.issued_on:
                self._send(account)
            if day >= account.late_on:
                self._charge(account, day)
        for _, step in sorted(self.program.get(day, []), key=lambda entry: entry[0]):
            step()
        for account in self.accounts:
            if account.terms.small_balance and day in account.posting_days:
                self._waive_small_balance(account, day)

    def _write(self, day: date) -> None:
        pages: list[Page] = []
        statement: dict[tuple[int, str], int] = {}
        for account in self.accounts:
            terms = account.terms
            page = account.page(day)
            assert all(amount >= 0 for amount in page.open.values()), (day, page)
            assert all(amount >= 0 for amount in page.paid.values()), (day, page)
            pages.append(page)
            whose = (terms.customer, terms.currency)
            statement[whose] = statement.get(whose, 0) + sum(page.open.values())
        credit: dict[tuple[int, str], int] = {}
        for source, amount in self.arrived.items():
            left = amount - self.spent.get(source, 0)
            credit[self.owner[source]] = credit.get(self.owner[source], 0) + left
            self.books.left[source] = left
        for totals in self.journal.values():
            assert sum(totals.values()) == 0, (day, totals)
        journal = {currency: _without_zeros(totals) for currency, totals in self.journal.items()}
        self.books.days[day] = Day(
            pages, _without_zeros(credit), _without_zeros(statement), journal
        )

    def _post(self, currency: str, *postings: tuple[str, int]) -> None:
        totals = self.journal.setdefault(currency, {})
        for account, amount in postings:
            totals[account] = totals.get(account, 0) + amount

    def _receivable(self, account: Account, component: str) -> str:
        if component == "principal":
            return "loans_receivable" if account.terms.is_instalment else "receivable_principal"
        return f"receivable_{component}"

    # -- what is charged

    def _send(self, account: Account) -> None:
        terms = account.terms
        account.charged["principal"] = terms.total
        if not terms.is_instalment:
            self._post(
                terms.currency,
                ("receivable_principal", terms.total),
                ("revenue", terms.tax - terms.total),
                ("tax", -terms.tax),
            )

    def _charge(self, account: Account, day: date) -> None:
        """Late fee and interest of a day, on the principal with which it begins."""
        terms = account.terms
        principal = account.open("principal")
        held = sum(
            amount
            for raised_on, until, amount in account.holds
            if raised_on < day and (until is None or day <= until)
        )
        bearing = max(0, principal - held)
        if bearing > 0:
            base = Fraction(bearing)
            if terms.base == "original":  # [A4]
                elsewhere = sum(amount for on, amount in account.taken_over if on < day)
                base = Fraction(account.original * bearing, principal + elsewhere)
            if account.first_late_day is None:
                account.first_late_day = day
                if principal > terms.small_balance:  # [A1]
                    self._charge_component(account, "late_fee", late_fee(terms, base))
            if day == account.late_on:  # [A3]
                waited = (
                    account.due_on if terms.interest_from == "due_date" else account.payable_until
                )
                while (waited := waited + DAY) < day:
                    account.exact_mora += base * daily_rate(terms, waited)
            account.exact_mora += base * daily_rate(terms, day)
        if terms.accrual == "daily" or (day + DAY).day == 1 or day in account.posting_days:
            mora = rounded(terms, account.exact_mora) - account.charged["mora"]
            self._charge_component(account, "mora", mora)

    def _charge_component(self, account: Account, component: str, amount: int) -> None:
        if not amount:
            return
        income = {"other_fees": "fee_income"}.get(component, f"{component}_income")
        account.charged[component] += amount
        self._post(account.terms.currency, (f"receivable_{component}", amount), (income, -amount))

    def _fee(self, account: Account, fact: Fact, day: date) -> None:
        self._charge_component(account, "other_fees", fact.amount)

    # -- money and credit

    def _arrive(self, source: Source, amount: int) -> None:
        self.arrived[source] = self.arrived.get(source, 0) + amount
        self._post(self.owner[source][1], ("cash", amount), ("customer_credit", -amount))

    def _refund(self, source: Source, amount: int) -> None:
        """Asked for and paid out on one day."""
        self.arrived.setdefault(source, 0)
        self.spent[source] = self.spent.get(source, 0) + amount
        self._post(self.owner[source][1], ("customer_credit", amount), ("cash", -amount))

    def _cover(self, account: Account, offer: Offer, day: date) -> None:
        """A payment, or credit applied: pays what is open, then recovers what is written off."""
        left = self.arrived.get(offer.source, 0) - self.spent.get(offer.source, 0)
        wanted = min(offer.offered, account.open_total + sum(account.written_off.values()))
        amount = max(0, min(wanted, left))  # [A15]
        if amount < wanted:
            self.books.contested.append(
                f"{day}: {offer.source} covers {amount} instead of {wanted} of invoice {account.place}"
            )
        self.spent[offer.source] = self.spent.get(offer.source, 0) + amount
        currency = account.terms.currency
        self._post(currency, ("customer_credit", amount))
        for component in account.terms.order:
            part = min(amount, account.open(component))
            amount -= part
            offer.paid += part
            account.paid[component] += part
            self._post(currency, (self._receivable(account, component), -part))
        for component in account.terms.order:
            part = min(amount, account.written_off[component])
            amount -= part
            offer.recovered += part
            account.written_off[component] -= part
            account.recovered[component] += part
            self._post(currency, ("bad_debt", -part))
        if offer.covers:
            offer.covered_on.append((day, offer.covers))
            account.is_paid_after = account.is_paid_after or day > account.closed_on

    def _charge_back(self, account: Account, offer: Offer, lowered: int, day: date) -> None:
        """Reverses what an offer has covered beyond what it still offers."""
        offer.offered -= lowered
        beyond = max(0, offer.covers - offer.offered)
        currency = account.terms.currency
        self.spent[offer.source] -= beyond
        self._post(currency, ("customer_credit", -beyond))
        if beyond:
            offer.covered_on.append((day, -beyond))
        again_lost = min(beyond, offer.recovered)  # [A8]
        offer.recovered -= again_lost
        offer.paid -= beyond - again_lost
        reopened = beyond - again_lost
        for component in reversed(account.terms.order):
            part = min(again_lost, account.recovered[component])
            again_lost -= part
            account.recovered[component] -= part
            account.written_off[component] += part
            self._post(currency, ("bad_debt", part))
            part = min(reopened, account.paid[component])
            reopened -= part
            account.paid[component] -= part
            self._post(currency, (self._receivable(account, component), part))
        assert again_lost == reopened == 0

    # -- what is forgiven

    def _forgive(self, account: Account, on_account: str, asked: Amounts) -> Amounts:
        """The smaller of what is asked and what is open, of each component."""
        given = {c: min(asked.get(c, 0), account.open(c)) for c in COMPONENTS}
        currency = account.terms.currency
        for component, amount in given.items():
            if on_account == "bad_debt":
                account.written_off[component] += amount
            else:
                account.given[component] += amount
            self._post(currency, (self._receivable(account, component), -amount))
        self._post(currency, (on_account, sum(given.values())))
        return given

    def _waiver(self, account: Account, fact: Fact, day: date) -> None:
        self._forgive(account, "waivers", {fact.component: fact.amount})

    def _write_off(self, account: Account, fact: Fact, day: date) -> None:
        self._forgive(account, "bad_debt", dict(zip(COMPONENTS, fact.split, strict=True)))
        account.close("written_off", day)

    def _cancellation(self, account: Account, fact: Fact, day: date) -> None:
        self._forgive(account, "cancellations", dict(zip(COMPONENTS, fact.split, strict=True)))
        account.close("cancelled", day)

    def _takeover(self, account: Account, fact: Fact, day: date) -> None:
        asked, left = {}, fact.amount
        for component in account.terms.order:
            asked[component] = min(left, account.open(component))
            left -= asked[component]
        if left:
            self.books.contested.append(f"{day}: {left} of a takeover is not open any more")
        given = self._forgive(account, "loans_receivable", asked)
        account.taken_over.append((day, given["principal"]))
        account.close("renegotiated", day)

    def _credit_note(self, account: Account, fact: Fact, day: date) -> None:
        """Takes open principal off; the rest pays the other components, and is then credit of the invoice."""
        source, currency = ("invoice", account.place), account.terms.currency
        principal = min(fact.amount, account.open("principal"))
        rest = fact.amount - principal
        account.given["principal"] += principal
        self._post(
            currency,
            ("revenue", fact.amount - fact.tax),
            ("tax", fact.tax),
            (self._receivable(account, "principal"), -principal),
            ("customer_credit", -rest),
        )
        self.arrived[source] = self.arrived.get(source, 0) + rest
        for component in account.terms.order:
            part = min(rest, account.open(component))
            rest -= part
            account.paid[component] += part
            self.spent[source] = self.spent.get(source, 0) + part
            self._post(
                currency, ("customer_credit", part), (self._receivable(account, component), -part)
            )

    def _waive_small_balance(self, account: Account, day: date) -> None:
        is_paid_today = any(offer.on == day and offer.paid for offer in account.offers)  # [A10]
        if is_paid_today and 0 < account.open_total <= account.terms.small_balance:
            self._forgive(account, "waivers", {c: account.open(c) for c in COMPONENTS})

    # -- promises

    def _judge(self, through: date) -> None:
        for place, promise in self._promises():
            if promise.until not in self.books.days or promise.until + DAY > through:
                continue
            paid = sum(
                amount
                for offer in self.accounts[place].offers
                if promise.on <= offer.on <= promise.until
                for on, amount in offer.covered_on
                if on <= promise.until
            )
            page = self.books.page(promise.until, place)
            is_settled = not any(page.open.values()) and not any(page.written_off.values())
            kept = paid >= promise.amount or is_settled
            self.books.verdicts.append(Verdict(place, promise.until, kept, paid))

    def _promises(self) -> Iterator[tuple[int, Fact]]:
        """Those that no later promise has taken the place of ([A14])."""
        for place in range(len(self.invoices)):
            made = [fact for fact in self.facts if fact.kind == "promise" and fact.invoice == place]
            made.sort(key=lambda fact: fact.on)
            for at, fact in enumerate(made):
                if not any(later.on <= fact.until for later in made[at + 1 :]):
                    yield place, fact
