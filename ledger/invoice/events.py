"""What can happen to an invoice. Amounts are integer minor units of the invoice's currency.

Free text about a person (line descriptions, notes, reasons) is sealed: `ledger.sealed`.
"""

from datetime import date
from typing import Literal
from uuid import UUID

import msgspec

from ledger.allocation import Split
from ledger.calendars import Calendar
from ledger.events import Event, stored
from ledger.policy import FeePolicy


class InvoiceLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line as asked for, with its description sealed, and its amounts in minor units."""

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


@stored("invoice.due_date_moved.v1")
class DueDateMoved(Event, frozen=True):
    """The due date of a sent invoice was extended; the terms that follow from it are frozen anew."""

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
    """A payment covered components of this invoice. The split stands. Effective on the value date."""

    payment_id: UUID
    split: Split


@stored("invoice.credit_applied.v1")
class CreditApplied(Event, frozen=True):
    """The customer's credit covered components of this invoice. Effective on the day it was applied.

    source_id  what the credit came from: the payment that left it over, or the invoice that gave it back
    """

    source_id: UUID
    split: Split


@stored("invoice.payment_reversed.v1")
class PaymentReversed(Event, frozen=True):
    """A payment's part was taken back; its split is open again from the part's own date.

    recovered  what of it had been a recovery, and is written off again
    """

    payment_id: UUID
    split: Split
    recovered: Split = Split()


@stored("invoice.payment_charged_back.v1")
class PaymentChargedBack(Event, frozen=True):
    """The payer's bank took a payment's part back. The payment stood until this event's date, and no longer.

    recovered  what of it had been a recovery, and is written off again
    """

    payment_id: UUID
    split: Split
    recovered: Split = Split()


GivenUpAs = Literal["void", "cancelled", "waived", "credited", "written_off", "renegotiated"]
"""The ways in which a debt, or a part of it, stops being owed without being paid."""


class ForgivenOf(msgspec.Struct, frozen=True):
    """A change of what was given up in one way, by component."""

    way: GivenUpAs
    split: Split


class PrincipalMoved(msgspec.Struct, frozen=True):
    """Overpaid charges that count as a payment of principal on a day (negative: no longer)."""

    on: date
    principal_minor: int


@stored("invoice.charges_recalculated.v1")
class ChargesRecalculated(Event, frozen=True):
    """A fact with an earlier date changed what had been charged; this is the difference and why.

    late_fee_minor, mora_minor  change of what is charged (negative: too much had been)
    through       the day up to which fee and interest now stand
    moved         change of what payments cover by component: what a charge was overpaid (negative)
                  goes to principal (positive), and what no principal takes to credit
    moved_on      the principal in `moved`, by the day on which it counts as paid
    credit_minor  what no component could take: to the customer's credit (negative: taken back)
    forgiven      change of what was given up of a charge that is asked for in another amount now
    forgiven_of   the same by the way in which it was given up; empty in events that only knew void and cancelled
    because       the payment or change that caused it

    The components of `moved` and `credit_minor` add up to zero.
    """

    through: date
    because: str
    late_fee_minor: int = 0
    mora_minor: int = 0
    moved: Split = Split()
    moved_on: tuple[PrincipalMoved, ...] = ()
    credit_minor: int = 0
    forgiven: Split = Split()
    forgiven_of: tuple[ForgivenOf, ...] = ()


@stored("invoice.fee_charged.v1")
class FeeCharged(Event, frozen=True):
    """A fee was charged by hand, such as a bank's for a returned payment. `description` says what for."""

    amount_minor: int
    description: str


@stored("invoice.waived.v1")
class Waived(Event, frozen=True):
    """A part of what was open was given up, by component."""

    reason: str
    forgiven: Split


class CreditedLine(msgspec.Struct, frozen=True):
    """What a credit note takes back of a line, by its place in the invoice (from 0)."""

    line: int
    net_minor: int
    tax_minor: int


@stored("invoice.credited.v1")
class Credited(Event, frozen=True):
    """A credit note takes back lines, or parts of them. Net and tax are the total.

    forgiven      the principal that was open and is owed no longer
    credit_minor  the rest of the total, which had been paid: the customer's credit
    """

    credit_note_id: UUID
    number: str
    reason: str
    lines: tuple[CreditedLine, ...]
    net_minor: int
    tax_minor: int
    total_minor: int
    forgiven: Split = Split()
    credit_minor: int = 0


@stored("invoice.written_off.v1")
class WrittenOff(Event, frozen=True):
    """The debt is not expected to be paid any more. What arrives later is a recovery."""

    reason: str
    forgiven: Split


@stored("invoice.recovered.v1")
class Recovered(Event, frozen=True):
    """A payment brought back what had been written off, by component: it counts as paid instead."""

    payment_id: UUID
    split: Split


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
    """The dispute is over. Rejected, the disputed part was owed all along, and bears its interest after all."""

    outcome: Outcome
    reason: str = ""


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


@stored("invoice.voided.v1")
class Voided(Event, frozen=True):
    """The invoice never should have been. It keeps its number; what was open is no longer owed."""

    reason: str
    forgiven: Split = Split()


@stored("invoice.cancelled.v1")
class Cancelled(Event, frozen=True):
    """The debt was given up after sending; what was open is no longer owed, what was paid stays paid."""

    reason: str
    forgiven: Split = Split()
