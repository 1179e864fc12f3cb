"""What can happen to an invoice. Amounts are integer minor units of the invoice's currency.

Free text about a person (line descriptions, notes, reasons) is encrypted: `ledger.encrypted`.
"""

from datetime import date
from typing import Literal
from uuid import UUID

import msgspec

from ledger.calendars import Calendar
from ledger.dunning.plan import ChosenBy
from ledger.event_registry import Event, stored
from ledger.policy import FeePolicy
from ledger.rates import YearlyRate
from ledger.waterfall import Split


class InvoiceLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line as asked for, with its description encrypted, and its amounts in minor units."""

    description: str
    quantity: str
    unit_price: str
    net_minor: int
    tax_minor: int
    gross_minor: int
    tax_rate: str = "0%"
    tax_included: bool = False


class Instalment(msgspec.Struct, frozen=True):
    """An invoice's place in an agreement. Number 0 is a down payment. Principal and interest are the total.

    interest_minor  contractual interest, unearned until the instalment is due
    first_agreement_id  the first agreement of its agreement's chain of renegotiations
    lent_minor      its share of what that one lent or took over; nothing where its agreement follows another
    """

    agreement_id: UUID
    number: int
    principal_minor: int
    interest_minor: int
    first_agreement_id: UUID | None = None
    lent_minor: int = 0


@stored("invoice.drafted.v1")
class Drafted(Event, frozen=True):
    """A draft was made, or imported. It has no number and owes nothing yet."""

    customer_id: UUID
    currency: str
    due_on: date
    lines: tuple[InvoiceLine, ...]
    net_minor: int
    tax_minor: int
    total_minor: int
    notes: str = ""
    instalment: Instalment | None = None


@stored("invoice.redrafted.v1")
class Redrafted(Event, frozen=True):
    """The content of a draft was replaced."""

    due_on: date
    lines: tuple[InvoiceLine, ...]
    net_minor: int
    tax_minor: int
    total_minor: int
    notes: str = ""


@stored("invoice.sent.v1")
class Sent(Event, frozen=True):
    """The invoice was sent: it has its number, and the terms that decide its future are frozen.

    payable_until  the due date moved to the next business day of the calendar: payable without charge
    late_on        the first late day: the day after payable_until and grace
    imported       its number comes from another system and stands outside the series
    sent_on        the day on which it was sent, where that is later than its issue date
    """

    number: str
    issued_on: date
    due_on: date
    payable_until: date
    late_on: date
    policy: FeePolicy
    calendar: Calendar
    mora_base_minor: int
    imported: bool = False
    sent_on: date | None = None


@stored("invoice.due_date_moved.v1")
class DueDateMoved(Event, frozen=True):
    """The due date of a sent invoice was extended; the terms that follow from it are frozen again."""

    due_on: date
    payable_until: date
    late_on: date
    calendar: Calendar
    reason: str = ""


@stored("invoice.became_overdue.v1")
class BecameOverdue(Event, frozen=True):
    """The first late day came and principal was open. Effective on that day."""


@stored("invoice.late_fee_charged.v1")
class LateFeeCharged(Event, frozen=True):
    """The late fee, once. Effective on the first late day."""

    amount_minor: int
    base_minor: int


@stored("invoice.mora_posted.v1")
class MoraPosted(Event, frozen=True):
    """Interest up to and including `through`: the cumulative amount rounded once, less what was posted before."""

    amount_minor: int
    through: date


@stored("invoice.payment_received.v1")
class PaymentReceived(Event, frozen=True):
    """A payment offers an amount to this invoice. Effective on the value date, or on the first day it can count.

    amount_minor  what it offers; what it does not cover is the customer's credit
    split         what it pays of what was open at its place, by component
    recovered     what it pays of what had been written off
    reallocated   whether a person said later that it is for this invoice: then it comes after the day's other payments
    """

    payment_id: UUID
    split: Split
    amount_minor: int
    recovered: Split = Split()
    reallocated: bool = False


@stored("invoice.credit_applied.v1")
class CreditApplied(Event, frozen=True):
    """The customer's credit was applied to this invoice. Effective on the day it was applied.

    source_id     what the credit came from: the payment that left it over, or the invoice that gave it back
    amount_minor, split, recovered  as of a payment
    """

    source_id: UUID
    split: Split
    amount_minor: int
    recovered: Split = Split()


@stored("invoice.payment_reversed.v1")
class PaymentReversed(Event, frozen=True):
    """A payment, or a part of it, never was: it offers less. Effective on the day of the offer.

    fact          the offer, by its place among the invoice's imputations
    amount_minor  what is taken off the offer
    split, recovered  what the offer covers less by it
    """

    payment_id: UUID
    fact: int
    amount_minor: int
    split: Split = Split()
    recovered: Split = Split()


@stored("invoice.payment_reallocated.v1")
class PaymentReallocated(Event, frozen=True):
    """A person offered a payment, or a part of it, to other invoices than this one. Fields as of a reversal; below
    zero, the payment offers and covers so much more."""

    payment_id: UUID
    fact: int
    amount_minor: int
    split: Split = Split()
    recovered: Split = Split()


@stored("invoice.payment_charged_back.v1")
class PaymentChargedBack(Event, frozen=True):
    """The payer's bank took a payment, or a part of it, back. It stood until this event's date, and no longer.

    amount_minor  what the payment offers less from then on
    split         what of the paid components is open again, the last in the policy's order first
    recovered     what of it had been a recovery, and is written off again
    """

    payment_id: UUID
    amount_minor: int
    split: Split = Split()
    recovered: Split = Split()


ForgivenessKind = Literal[
    "void",
    "cancelled",
    "waived",
    "credited",
    "written_off",
    "renegotiated",
    "interest_returned",
    "small_balance",
]
"""The kinds of forgiveness: how a debt, or a part of it, stops being owed without being paid."""

ImputationKind = Literal[
    "payment",
    "credit",
    "charge_back",
    "waived",
    "credited",
    "interest_returned",
    "written_off",
    "cancelled",
    "void",
    "renegotiated",
]
"""The kinds of facts that cover components, or uncover them."""


class Covered(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a fact covers, by component.

    paid       of what was open, by money; below zero where a charge-back opens it again
    forgiven   of what was open, because the creditor gave it up
    recovered  of what was written off, by money
    """

    paid: Split = Split()
    forgiven: Split = Split()
    recovered: Split = Split()

    @property
    def money_minor(self) -> int:
        """The money it takes, in minor units."""
        return self.paid.total + self.recovered.total

    def __sub__(self, other: "Covered") -> "Covered":
        return Covered(
            self.paid - other.paid, self.forgiven - other.forgiven, self.recovered - other.recovered
        )

    def __neg__(self) -> "Covered":
        return Covered() - self


class Reimputed(msgspec.Struct, frozen=True):
    """What a fact covers otherwise than before. `fact` is its place among the invoice's imputations."""

    fact: int
    kind: ImputationKind
    source_id: UUID
    on: date
    before: Covered
    after: Covered


class ChargeChange(msgspec.Struct, frozen=True, array_like=True):
    """A change of what is charged, on a day, in minor units (negative: too much had been)."""

    on: date
    minor: int


class InterestChange(msgspec.Struct, frozen=True, array_like=True):
    """Changes of the interest of days that follow one another, in minor units, from `first_on` on."""

    first_on: date
    minors: tuple[int, ...]

    def by_day(self) -> list[ChargeChange]:
        """The change of each day, those of nothing left out."""
        first = self.first_on.toordinal()
        return [
            ChargeChange(date.fromordinal(first + index), minor)
            for index, minor in enumerate(self.minors)
            if minor
        ]


class SmallBalanceChange(msgspec.Struct, frozen=True):
    """What is waived as a small balance on a day, before and after."""

    on: date
    before: Split
    after: Split


@stored("invoice.recalculated.v1")
class Recalculated(Event, frozen=True):
    """A fact changed what others cover, or what is charged. Effective on the earliest day on which it changes anything.

    because         the fact
    through         the day through which interest stands now
    overdue_on      the first late day now; none when it was never late
    closed_as       how the debt was closed last, when no money has paid anything of it since; else empty
    settled_on      the day on which nothing was open any more; none while something is
    late_fee        changes of the late fee, each effective on its day
    mora            changes of interest, each effective on its day
    imputations     facts that cover something else than before, each effective on its own day
    small_balances  changes of small balances that were waived
    """

    because: str
    through: date
    overdue_on: date | None = None
    closed_as: Literal["", "cancelled", "renegotiated"] = ""
    settled_on: date | None = None
    late_fee: tuple[ChargeChange, ...] = ()
    mora: tuple[InterestChange, ...] = ()
    imputations: tuple[Reimputed, ...] = ()
    small_balances: tuple[SmallBalanceChange, ...] = ()

    @property
    def late_fee_minor(self) -> int:
        """The change of the late fee in all, in minor units."""
        return sum(change.minor for change in self.late_fee)

    @property
    def mora_minor(self) -> int:
        """The change of interest in all, in minor units."""
        return sum(sum(change.minors) for change in self.mora)


@stored("invoice.small_balance_waived.v1")
class SmallBalanceWaived(Event, frozen=True):
    """A payment left no more open than the policy's small balance; that is owed no longer."""

    forgiven: Split


@stored("invoice.reference_rate_applied.v1")
class ReferenceRateApplied(Event, frozen=True):
    """A reference rate of the invoice's interest is known: in force from this event's date on."""

    rate: YearlyRate


@stored("invoice.fee_charged.v1")
class FeeCharged(Event, frozen=True):
    """A fee was charged by hand, such as a bank's for a returned payment. `description` says what for."""

    amount_minor: int
    description: str


@stored("invoice.waived.v1")
class Waived(Event, frozen=True):
    """A part of what was open was forgiven, by component.

    forgiven  what of that is open, and owed no longer
    asked     what is forgiven at the most; `forgiven` where it is left out, here and below
    """

    reason: str
    forgiven: Split
    asked: Split | None = None


class CreditedLine(msgspec.Struct, frozen=True):
    """What a credit note credits of a line, by its place in the invoice (from 0)."""

    line: int
    net_minor: int
    tax_minor: int


@stored("invoice.credited.v1")
class Credited(Event, frozen=True):
    """A credit note credits lines, or parts of them. Net and tax are the total.

    forgiven      the principal that was open and is owed no longer
    applied       what the rest of the total, which had been paid, pays of other open components
    credit_minor  what is left of it: the customer's credit
    """

    credit_note_id: UUID
    number: str
    reason: str
    lines: tuple[CreditedLine, ...]
    net_minor: int
    tax_minor: int
    total_minor: int
    forgiven: Split = Split()
    applied: Split = Split()
    credit_minor: int = 0


@stored("invoice.written_off.v1")
class WrittenOff(Event, frozen=True):
    """The debt, or a part of it, is not expected to be paid any more. What arrives later is a recovery."""

    reason: str
    forgiven: Split
    asked: Split | None = None


@stored("invoice.interest_returned.v1")
class InterestReturned(Event, frozen=True):
    """An agreement was paid off early: the contractual interest of days to come is owed no longer.

    earned_on  the instalment's due date, on which that interest would have been earned
    """

    agreement_id: UUID
    earned_on: date
    forgiven: Split
    asked: Split | None = None


@stored("invoice.renegotiated.v1")
class Renegotiated(Event, frozen=True):
    """What was open is owed by an agreement from now on."""

    agreement_id: UUID
    reason: str
    forgiven: Split


@stored("invoice.disputed.v1")
class Disputed(Event, frozen=True):
    """The customer disputes the invoice, or the part `amount_minor` of it; dunning leaves that part out.

    holds_interest  no interest is counted on the disputed part, from the next day until the dispute is resolved
    """

    amount_minor: int
    reason: str
    holds_interest: bool = False


Outcome = Literal["accepted", "rejected"]


@stored("invoice.dispute_resolved.v1")
class DisputeResolved(Event, frozen=True):
    """The dispute is over. Rejected, the disputed part was owed all along, and bears its interest after all.

    keeps_hold  all the same it bears none: the debt was closed without being paid when that was recorded
    """

    outcome: Outcome
    reason: str = ""
    keeps_hold: bool = False


@stored("invoice.promised.v1")
class Promised(Event, frozen=True):
    """The customer promises to pay an amount by a day. Dunning waits for it."""

    amount_minor: int
    promised_on: date
    note: str = ""


@stored("invoice.promise_kept.v1")
class PromiseKept(Event, frozen=True):
    """The day after the promised one came, and the amount had been paid by then."""

    paid_minor: int


@stored("invoice.promise_broken.v1")
class PromiseBroken(Event, frozen=True):
    """The day after the promised one came, and the amount had not been paid."""

    paid_minor: int


@stored("invoice.held.v1")
class Held(Event, frozen=True):
    """Dunning leaves the invoice alone, until a day (included) or until it is released."""

    reason: str
    until_on: date | None = None


@stored("invoice.released.v1")
class Released(Event, frozen=True):
    """Dunning takes the invoice up again."""

    reason: str = ""


PassedReason = Literal["collapsed", "before_entry"]


class PassedStep(msgspec.Struct, frozen=True):
    """A step that is never taken: `collapsed` into a higher one that came at the same time, or passed `before_entry`,
    before dunning could act on the debt."""

    step: str
    reason: PassedReason


@stored("invoice.dunning_plan_chosen.v1")
class DunningPlanChosen(Event, frozen=True):
    """The invoice follows a dunning plan of its own, by its key; empty, it follows its customer's or the tenant's."""

    plan: str


@stored("invoice.dunning_step_taken.v1")
class DunningStepTaken(Event, frozen=True):
    """A step of a dunning plan was taken by a message, which may take steps of the customer's other debts as well.

    offset  the step's days from the due date in that version of the plan
    passed  the lower steps that are never taken
    chosen_by  what named the plan: the invoice, its customer, a tag of the customer, or the tenant's default
    tag        the tag, where a tag named it
    """

    plan: str
    plan_version: int
    step: str
    offset: int
    message_id: UUID
    passed: tuple[PassedStep, ...] = ()
    chosen_by: ChosenBy = "default"
    tag: str = ""


@stored("invoice.voided.v1")
class Voided(Event, frozen=True):
    """The invoice never should have been. It keeps its number; what was open is no longer owed."""

    reason: str
    forgiven: Split = Split()
    asked: Split | None = None


@stored("invoice.cancelled.v1")
class Cancelled(Event, frozen=True):
    """The debt was forgiven after sending; what was open is no longer owed, what was paid stays paid."""

    reason: str
    forgiven: Split = Split()
    asked: Split | None = None
