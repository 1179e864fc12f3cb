"""Invoices and the dated facts about them, as plain data: what happened and when, never what it led to.

Amounts are whole minor units. Invoices are named by their place in `History.invoices`, payments by their number.
A list of facts is in the order in which they were recorded: that order decides between equal kinds of one day, what an
agreement had seen when it took a debt over, and nothing else.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import Literal, NamedTuple

DAY = timedelta(days=1)
COMPONENTS = ("other_fees", "late_fee", "mora", "principal")

Component = Literal["other_fees", "late_fee", "mora", "principal"]
Kind = Literal[
    "payment",
    "credit_applied",
    "reversal",
    "charge_back",
    "reallocation",
    "refund",
    "fee",
    "waiver",
    "credit_note",
    "write_off",
    "cancellation",
    "takeover",
    "dispute",
    "resolution",
    "promise",
    "due_date_moved",
]
COVERING: tuple[Kind, ...] = (
    "payment",
    "credit_applied",
    "credit_note",
    "waiver",
    "write_off",
    "cancellation",
    "takeover",
)
"""The kinds that can cover something of an invoice."""


@dataclass(frozen=True)
class Invoice:
    """A sent invoice and the terms frozen at sending.

    customer, currency   whose debt, in what
    total, tax           what was asked for, the tax in it
    late_fee             a part of the base, once; at least `minimum`, at most `cap` x total
    rate, per            interest a day, month or year; `day_count` is 30, 360, 365 or actual
    base, original       `outstanding`, or `original`: the value first asked for (None: the total)
    weekends             a due date on a Saturday or Sunday is payable until Monday
    accrual              interest is posted daily, or at month ends and on days of facts that cover something
    order                in which a payment covers the components
    small_balance        what a payment or credit may leave open and is then waived
    agreement            its number, if the invoice is an instalment of it: the principal is in `loans_receivable`,
                         and sending posts nothing
    """

    total: int
    issued_on: date
    due_on: date
    customer: int = 0
    currency: str = "BRL"
    tax: int = 0
    late_fee: Fraction = Fraction(0)
    minimum: int = 0
    cap: Fraction | None = None
    rate: Fraction = Fraction(0)
    per: Literal["day", "month", "year"] = "month"
    day_count: Literal["30", "360", "365", "actual"] = "30"
    base: Literal["outstanding", "original"] = "outstanding"
    original: int | None = None
    grace_days: int = 0
    interest_from: Literal["due_date", "shifted"] = "due_date"
    accrual: Literal["daily", "month_end"] = "daily"
    rounding: Literal["half_even", "half_up", "truncate"] = "half_even"
    order: tuple[str, ...] = COMPONENTS
    weekends: bool = False
    small_balance: int = 0
    agreement: int = -1

    @property
    def is_instalment(self) -> bool:
        return self.agreement >= 0


@dataclass(frozen=True)
class Fact:
    """Something that happened on a day. Which fields a kind uses:

    payment         payment (its number), amount, offers; customer, currency
    credit_applied  invoice, amount (asked); its source: payment, or source_invoice (that invoice's credit notes)
    reversal        payment, amount (the whole or a part). It counts from the payment's day; `on` is when it was found
    charge_back     payment, amount (the whole of what is left, or a part)
    reallocation    payment, offers: instead of those before. `on` as for a reversal
    refund          amount; its source: payment, or source_invoice; customer, currency
    fee             invoice, amount
    waiver          invoice, component, amount (asked)
    credit_note     invoice, amount (the total), tax (in the total)
    write_off       invoice, split (asked)
    cancellation    invoice, split (asked)
    takeover        invoice, amount (the total), agreement (its number)
    dispute         invoice, amount (of principal), holds_interest
    resolution      invoice, outcome: of the dispute that is open then
    promise         invoice, amount, until (the promised day)
    due_date_moved  invoice, until (the new due date)

    known_on  the first day on which it can be recorded, if that is later than `on`: a payment dated before an invoice
              that it is offered to, or heard of only then
    offers  (invoice, amount) each, in their order; what the amount has beyond them is offered to no invoice
    split   amounts in the order of COMPONENTS
    """

    kind: Kind
    on: date
    invoice: int = -1
    payment: int = -1
    source_invoice: int = -1
    amount: int = 0
    tax: int = 0
    offers: tuple[tuple[int, int], ...] = ()
    split: tuple[int, int, int, int] = (0, 0, 0, 0)
    component: str = ""
    holds_interest: bool = False
    outcome: Literal["", "accepted", "rejected"] = ""
    until: date = date.min
    agreement: int = -1
    customer: int = 0
    currency: str = "BRL"
    known_on: date = date.min

    @property
    def recordable_on(self) -> date:
        return max(self.on, self.known_on)


@dataclass(frozen=True)
class History:
    """Invoices, and facts in the order in which they came to be known, each on its `recordable_on`."""

    invoices: tuple[Invoice, ...]
    facts: tuple[Fact, ...]

    @property
    def last_on(self) -> date:
        return last_on(self.invoices, self.facts)


class Recording(NamedTuple):
    """A fact, and the day on which it is recorded."""

    on: date
    fact: Fact


Order = list[Recording]


def chronological(history: History) -> Order:
    """Every fact recorded as soon as it can be."""
    return [Recording(fact.recordable_on, fact) for fact in history.facts]


def last_on(invoices: Iterable[Invoice], facts: Iterable[Fact]) -> date:
    """The last day on which something was issued or came to be known."""
    return max([fact.recordable_on for fact in facts] + [each.issued_on for each in invoices])
