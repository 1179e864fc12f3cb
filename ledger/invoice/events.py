"""What can happen to an invoice. Amounts are integer minor units of the invoice's currency.

Free text about a person (line descriptions, notes, reasons) is sealed: `ledger.sealed`.
"""

from datetime import date
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


@stored("invoice.payment_reversed.v1")
class PaymentReversed(Event, frozen=True):
    """A payment was taken back; its split is open again from the payment's own date."""

    payment_id: UUID
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
