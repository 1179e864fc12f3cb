"""Mails about a document: an invoice that was sent, a payment that was received, or what a template says.

Each is queued in the same append as its document, and the outbox sends it. A customer without an address gets none. It
is a contact and counts in the limits of contact.
"""

from uuid import UUID

import msgspec

from commands.messages import MessageView, message_view
from commands.template_loading import find_template, require_template
from commands.tenants import today
from commands.unit_of_work import Unit, load
from ledger import collection
from ledger.customer import Customer
from ledger.errors import Rejected
from ledger.event_registry import New
from ledger.invoice.state import Invoice
from ledger.message import Kind, Message, Queued, message_id
from ledger.payment import Payment
from ledger.template import Template
from ledger.tenant import Tenant


class NotReachable(Rejected):
    """The customer has no usable e-mail address, or wants no messages there."""


class QueueMail(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mail to a customer, written by a template of the tenant's."""

    template: str


def queue_invoice(unit: Unit, invoice_id: UUID) -> None:
    """Queues the mail of an invoice that was sent."""
    invoice: Invoice = load(unit, "invoice", invoice_id)
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    _queue(
        unit,
        "invoice",
        invoice.customer_id,
        invoice_id,
        currency=invoice.currency,
        amount_minor=invoice.total_minor,
        template=tenant.settings.invoice_template,
        invoice_ids=(invoice_id,),
    )


def queue_receipt(unit: Unit, payment_id: UUID) -> None:
    """Queues the receipt of a payment, where the tenant sends receipts."""
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    if not tenant.settings.receipts:
        return
    payment: Payment = load(unit, "payment", payment_id)
    _queue(
        unit,
        "receipt",
        payment.customer_id,
        payment_id,
        currency=payment.currency,
        amount_minor=payment.amount_minor,
        template=tenant.settings.receipt_template,
        invoice_ids=tuple(part.invoice_id for part in payment.allocations),
        payment_id=payment_id,
    )


def queue_mail(unit: Unit, customer_id: UUID, command: QueueMail) -> MessageView:
    """Queues what a template says. Raises Unknown, UnknownTemplate, NotReachable."""
    require_template(unit, command.template)
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    customer: Customer = load(unit, "customer", customer_id)
    if "email" in customer.opted_out:
        raise NotReachable("the customer wants no messages by e-mail")
    queued_id = _queue(
        unit,
        "generic",
        customer_id,
        unit.new_id("mail"),
        currency=tenant.settings.currency,
        amount_minor=0,
        template=command.template,
    )
    if queued_id is None:
        raise NotReachable("the customer has no usable e-mail address")
    message: Message = load(unit, "message", queued_id)
    return message_view(queued_id, message)


def _queue(
    unit: Unit,
    kind: Kind,
    customer_id: UUID,
    document_id: UUID,
    *,
    currency: str,
    amount_minor: int,
    template: str,
    invoice_ids: tuple[UUID, ...] = (),
    payment_id: UUID | None = None,
) -> UUID | None:
    """The id of the message; None when the customer has no address."""
    customer: Customer = load(unit, "customer", customer_id)
    if "email" not in customer.reachable:
        return None
    now_on = today(unit)
    found: Template | None = find_template(unit, template) if template else None
    queued_id = message_id(
        unit.tenant_id, customer_id, "email", currency, now_on, kind, document_id=document_id
    )
    queued = Queued(
        kind=kind,
        channel="email",
        customer_id=customer_id,
        currency=currency,
        amount_minor=amount_minor,
        business_date=now_on,
        invoice_ids=invoice_ids,
        template=template if found is not None else "",
        template_version=len(found.versions) if found is not None else 0,
        payment_id=payment_id,
    )
    unit.append("message", queued_id, [New(queued, now_on)])
    contacted = collection.Contacted(customer_id, queued_id, "email")
    stream_id = collection.stream_id(unit.tenant_id, customer_id)
    unit.append("collection", stream_id, [New(contacted, now_on)])
    return queued_id
