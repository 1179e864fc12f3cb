"""An agreement: a loan, or a payment plan over invoices that are open. Amounts are minor units of its currency.

    requested --> approved --> active <--> paid
        |            |           |
        +------------+           +--> renegotiated, lost
              |
              +--> rejected

Another person approves or rejects it than the one who requested it. One that follows another agreement in force is
active at once. Its instalments are invoices; what is open and paid follows from them.
"""

from datetime import date
from typing import Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from ledger.agreement import events as e
from ledger.event_registry import Event

FOLD_VERSION = 2

Status = Literal["requested", "approved", "rejected", "active", "paid", "renegotiated", "lost"]


class Agreement(msgspec.Struct, frozen=True, array_like=True):
    """An agreement as folded. `lent_minor` is what the first agreement of its chain lent, or took over."""

    customer_id: UUID
    kind: e.Kind
    currency: str
    principal_minor: int
    original_minor: int
    plan: e.Plan
    requested_by: str
    invoices: tuple[UUID, ...]
    renegotiates: UUID | None
    notes: str
    requested_on: date
    status: Status = "requested"
    decided_by: str = ""
    activated_on: date | None = None
    instalments: tuple[e.ScheduledInstalment, ...] = ()
    successor_id: UUID | None = None
    reason: str = ""
    first_agreement_id: UUID | None = None
    lent_minor: int = 0
    early_pay_off: e.EarlyPayOff = "actuarial"


def evolve(agreement: Agreement | None, event: Event, effective_on: date) -> Agreement:
    if isinstance(event, e.Requested):
        return Agreement(
            customer_id=event.customer_id,
            kind=event.kind,
            currency=event.currency,
            principal_minor=event.principal_minor,
            original_minor=event.original_minor,
            plan=event.plan,
            requested_by=event.requested_by,
            invoices=event.invoices,
            renegotiates=event.renegotiates,
            notes=event.notes,
            requested_on=effective_on,
        )
    assert agreement is not None, f"{event.TAG} came before the agreement was requested"
    match event:
        case e.Approved():
            return replace(agreement, status="approved", decided_by=event.approved_by)
        case e.Refused():
            return replace(
                agreement, status="rejected", decided_by=event.rejected_by, reason=event.reason
            )
        case e.Activated():
            return replace(
                agreement,
                status="active",
                principal_minor=event.principal_minor,
                original_minor=event.original_minor,
                activated_on=effective_on,
                instalments=event.instalments,
                first_agreement_id=event.first_agreement_id,
                lent_minor=event.lent_minor,
                early_pay_off=event.early_pay_off,
            )
        case e.Paid():
            return replace(agreement, status="paid")
        case e.Reopened():
            return replace(agreement, status="active")
        case e.Renegotiated():
            return replace(
                agreement,
                status="renegotiated",
                successor_id=event.successor_id,
                reason=event.reason,
            )
        case e.Lost():
            return replace(agreement, status="lost", reason=event.reason)
    raise AssertionError(f"an agreement does not know {event.TAG}")
