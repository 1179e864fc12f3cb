"""The state of an invoice: what was folded from its events (`ledger.invoice.evolve`)."""

from collections.abc import Mapping
from datetime import date
from typing import Literal
from uuid import UUID

import msgspec

from ledger.calendars import Calendar
from ledger.invoice import events as e
from ledger.policy import FeePolicy
from ledger.reference_rates import ReferenceRate
from ledger.waterfall import Split

Status = Literal[
    "draft", "sent", "overdue", "paid", "void", "cancelled", "written_off", "renegotiated"
]
OPEN: frozenset[Status] = frozenset(("sent", "overdue"))
ENDED_UNPAID: frozenset[Status] = frozenset(("void", "cancelled", "written_off", "renegotiated"))
"""Closed without being paid: nothing more is charged."""

FOLD_VERSION = 5
"""Raised whenever `Invoice` or `evolve` changes, so that stored snapshots are refolded."""

NOTHING = Split()
NO_SOURCE = UUID(int=0)

MONEY: frozenset[e.ImputationKind] = frozenset(("payment", "credit", "charge_back"))
"""The kinds of imputations that pay, or reverse what was paid."""


class Movement(msgspec.Struct, frozen=True, array_like=True):
    """A change of the open principal: effective date and signed minor units."""

    on: date
    principal_minor: int


class Imputation(msgspec.Struct, frozen=True, array_like=True):
    """A fact that covers components: money that pays them, or the creditor who gives them up.

    source_id    the payment, what credit came from, the credit note, or the agreement that took over; else `NO_SOURCE`
    asked_minor  of money, what it offers; of a charge-back, what the payment offers less; of a credit note or a
                 takeover, its total
    asked        of what is forgiven, at most so much of each component
    covered      what it covers, given all facts that are known
    reallocated  of a payment: whether a person offered it to this invoice later, by a reallocation
    """

    kind: e.ImputationKind
    on: date
    source_id: UUID
    asked_minor: int = 0
    asked: Split = Split()
    covered: e.Covered = e.Covered()
    reallocated: bool = False


class Fee(msgspec.Struct, frozen=True, array_like=True):
    """A fee charged by hand."""

    on: date
    minor: int


class SmallBalance(msgspec.Struct, frozen=True, array_like=True):
    """What was waived on a day because it was no more than the policy's small balance."""

    on: date
    forgiven: Split


class Dispute(msgspec.Struct, frozen=True, array_like=True):
    """What the customer disputes: from the day after `on` until the end of `until`, or still."""

    on: date
    minor: int
    holds_interest: bool
    until: date | None = None
    outcome: e.Outcome | None = None


class Promise(msgspec.Struct, frozen=True, array_like=True):
    """What the customer promised on a day to pay by another; `kept` once that one is over.

    paid_minor  what was found paid on it once its day was over
    """

    on: date
    minor: int
    promised_on: date
    kept: bool | None = None
    paid_minor: int = 0


class Hold(msgspec.Struct, frozen=True, array_like=True):
    """Dunning leaves the invoice alone, until a day (included) or until it is released; `imported`, because nobody has
    released it since it was imported."""

    until_on: date | None
    imported: bool = False


class StepTaken(msgspec.Struct, frozen=True, array_like=True):
    """A step of a dunning plan that was taken, with its days from the due date at the time."""

    plan: str
    step: str
    offset: int
    on: date


class CreditedLine(msgspec.Struct, frozen=True, array_like=True):
    """What credit notes have credited of a line so far."""

    net_minor: int = 0
    tax_minor: int = 0


class Terms(msgspec.Struct, frozen=True, array_like=True):
    """What was frozen at sending."""

    number: str
    issued_on: date
    payable_until: date
    late_on: date
    policy: FeePolicy
    calendar: Calendar
    mora_base_minor: int


class Invoice(msgspec.Struct, frozen=True, array_like=True):
    """An invoice as folded from its events. Amounts are minor units of `currency`.

    charged   everything ever asked for, by component: principal at sending, fees and interest as posted
    paid      what payments and credit cover, by component
    forgiven  what was forgiven, by component; `forgiven_of` has it by way, recoveries taken off
    open      charged - paid - forgiven
    imputations  the facts that cover something, in the order in which they were recorded
    fees      the fees charged by hand
    small_balances  what was waived because it was no more than the policy's small balance
    movements changes of the open principal after sending by day, from the imputations and small balances
    mora_through  the day up to which interest is posted, once anything was posted or recalculated
    overdue_on    the first late day, once it has come; the late fee is charged on it
    due_moved_on  the day on which the due date was moved last
    lines     the priced lines, still encoded: only documents need them
    instalment  its place in an agreement
    disputes  the dispute that is open, and earlier ones that held interest
    promise   the last promise to pay
    hold      what keeps dunning from it
    credited_lines  what credit notes credited, by line; empty before the first
    rates     the reference rates of its interest that are known, in order
    dunning_from  since when dunning may act on it: it was sent, or a hold, dispute or promise has ended
    dunned    the dunning steps that were taken, in the order of their days
    dunning_plan  the key of the plan that it follows; empty, its customer's or the tenant's
    """

    customer_id: UUID
    currency: str
    status: Status
    due_on: date
    net_minor: int
    tax_minor: int
    total_minor: int
    lines: msgspec.Raw
    notes: str
    terms: Terms | None = None
    charged: Split = Split()
    paid: Split = Split()
    forgiven: Split = Split()
    open: Split = Split()
    movements: tuple[Movement, ...] = ()
    mora_through: date | None = None
    overdue_on: date | None = None
    imputations: tuple[Imputation, ...] = ()
    fees: tuple[Fee, ...] = ()
    small_balances: tuple[SmallBalance, ...] = ()
    forgiven_of: dict[e.ForgivenessKind, Split] = {}
    due_moved_on: date | None = None
    instalment: e.Instalment | None = None
    disputes: tuple[Dispute, ...] = ()
    promise: Promise | None = None
    hold: Hold | None = None
    credited_lines: tuple[CreditedLine, ...] = ()
    rates: tuple[ReferenceRate, ...] = ()
    dunning_from: date | None = None
    dunned: tuple[StepTaken, ...] = ()
    dunning_plan: str = ""

    @property
    def dispute(self) -> Dispute | None:
        """The dispute that is open."""
        last = self.disputes[-1] if self.disputes else None
        return last if last is not None and last.until is None else None

    @property
    def written_off(self) -> Split:
        """What is written off and has not been recovered."""
        return self.forgiven_of.get("written_off", NOTHING)

    @property
    def agreement_id(self) -> UUID | None:
        """The agreement of which it is an instalment."""
        return self.instalment.agreement_id if self.instalment is not None else None

    @property
    def number(self) -> str:
        return self.terms.number if self.terms else ""


def lines_of(invoice: Invoice) -> tuple[e.InvoiceLine, ...]:
    """The priced lines of an invoice."""
    return msgspec.msgpack.decode(invoice.lines, type=tuple[e.InvoiceLine, ...])


def taken_over_on(invoice: Invoice) -> date | None:
    """The last day on which an agreement took over what was open."""
    return max((one.on for one in invoice.imputations if one.kind == "renegotiated"), default=None)


def taken_by_source(invoice: Invoice) -> dict[UUID, int]:
    """The money the invoice has of each source, in minor units, charge-backs taken off."""
    taken: dict[UUID, int] = {}
    for one in invoice.imputations:
        if one.kind in MONEY:
            taken[one.source_id] = taken.get(one.source_id, 0) + one.covered.money_minor
    return taken


def given_back_minor(invoice: Invoice) -> int:
    """What its credit notes have given back to the customer's credit, in minor units."""
    return sum(
        one.asked_minor - one.covered.forgiven.total - one.covered.paid.total
        for one in invoice.imputations
        if one.kind == "credited"
    )


def moved_principal(
    movements: tuple[Movement, ...], changes: Mapping[date, int]
) -> tuple[Movement, ...]:
    """Movements with more, by day in minor units: a movement a day, in order, those of nothing left out."""
    if not changes:
        return movements
    if len(changes) == 1:
        ((on, minor),) = changes.items()
        if not movements or movements[-1].on < on:
            return (*movements, Movement(on, minor)) if minor else movements
    by_day = {one.on: one.principal_minor for one in movements}
    for on, minor in changes.items():
        by_day[on] = by_day.get(on, 0) + minor
    return tuple(Movement(on, minor) for on, minor in sorted(by_day.items()) if minor)
