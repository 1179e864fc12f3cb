"""What can happen to an agreement. Amounts are minor units of its currency; free text is encrypted:
`ledger.encrypted`.
"""

from datetime import date
from typing import Literal
from uuid import UUID

import msgspec

from ledger.event_registry import Event, stored
from ledger.policy import Base
from ledger.rates import Rate

Kind = Literal["loan", "payment_plan"]
Schedule = Literal["equal", "price", "sac"]
EarlyPayOff = Literal["actuarial", "none"]
FirstPeriod = Literal["whole_month", "pro_rata"]


class Plan(msgspec.Struct, frozen=True):
    """How a principal is to be repaid: instalments by month, from `first_due_on`, keeping its day of the month.

    rate          contractual interest, per month
    mora_base     what late fee and mora count on: `original`, the value first asked for, or what is `outstanding`
    discount_minor      taken off what is open
    down_payment_minor  due on `down_payment_due_on`; instalment number 0
    first_period  the first instalment bears a month's interest, or that of the days since the activation over thirty
    """

    schedule: Schedule
    count: int
    rate: Rate
    first_due_on: date
    mora_base: Base = "original"
    discount_minor: int = 0
    down_payment_minor: int = 0
    down_payment_due_on: date | None = None
    first_period: FirstPeriod = "whole_month"


@stored("agreement.requested.v1")
class Requested(Event, frozen=True):
    """An agreement was asked for.

    principal_minor  what is to be lent; of a plan or a renegotiation, what was open when it was asked for
    original_minor   the value first asked for: the base of late fee and mora, also after renegotiations
    invoices         open invoices that it takes over: of a payment plan, or of the agreement that it follows
    renegotiates     the agreement that this one follows
    """

    customer_id: UUID
    kind: Kind
    currency: str
    principal_minor: int
    original_minor: int
    plan: Plan
    requested_by: str
    invoices: tuple[UUID, ...] = ()
    renegotiates: UUID | None = None
    notes: str = ""


@stored("agreement.approved.v1")
class Approved(Event, frozen=True):
    """Another person than the requester agreed."""

    approved_by: str


@stored("agreement.rejected.v1")
class Refused(Event, frozen=True):
    """Another person than the requester refused."""

    rejected_by: str
    reason: str


class ScheduledInstalment(msgspec.Struct, frozen=True):
    """An instalment as it was generated: its invoice, and its shares of the value first asked for and of what was lent.

    invoice_id       its invoice
    due_on           its due date
    mora_base_minor  what its late fee and interest count on, where they count on the value first asked for
    lent_minor       its share of what was lent or taken over; nothing where the agreement follows another
    """

    number: int
    invoice_id: UUID
    due_on: date
    principal_minor: int
    interest_minor: int
    mora_base_minor: int
    lent_minor: int = 0


@stored("agreement.activated.v1")
class Activated(Event, frozen=True):
    """The agreement is in force: a loan was paid out, its instalments are invoices that are sent.

    principal_minor  what the instalments' principals add up to
    original_minor   what their bases of mora add up to
    first_agreement_id  the first agreement of its chain of renegotiations: itself, where it follows none
    lent_minor       what that one lent, or the value it took over before its discount
    disbursed_minor  what was paid out: the principal of a loan, nothing of what was owed already
    early_pay_off    how interest is given back when it is paid off early, whatever the tenant's setting becomes
    """

    principal_minor: int
    original_minor: int
    instalments: tuple[ScheduledInstalment, ...]
    first_agreement_id: UUID
    lent_minor: int
    disbursed_minor: int = 0
    discount_minor: int = 0
    early_pay_off: EarlyPayOff = "actuarial"


@stored("agreement.paid.v1")
class Paid(Event, frozen=True):
    """The last open instalment was settled."""


@stored("agreement.reopened.v1")
class Reopened(Event, frozen=True):
    """A settled instalment is open again."""


@stored("agreement.renegotiated.v1")
class Renegotiated(Event, frozen=True):
    """Another agreement took its place; its open instalments were closed."""

    successor_id: UUID
    reason: str


@stored("agreement.lost.v1")
class Lost(Event, frozen=True):
    """It is not expected to be paid any more; its open instalments were written off."""

    reason: str
