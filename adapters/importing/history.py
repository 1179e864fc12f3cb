"""What a row does to the books: an invoice that was sent elsewhere, and its settlement.

Ids derive from the tenant and the row's own number, and the commands' keys hold a digest of what the row says: a row
that was brought in before is recognised for good, and never brought in twice.
"""

from uuid import UUID

import msgspec

from adapters.importing.row_validation import Row, content_hash
from adapters.store.unit_of_work import new_command_id
from commands.credit import post
from commands.customers import RegisterCustomer, register_as
from commands.invoices import DraftInvoice, draft_as, send_imported
from commands.payments import ReceivePayment, receive_as
from commands.unit_of_work import Unit, load
from ledger.ids import stable_id
from ledger.invoice import holding
from ledger.invoice.state import Invoice
from ledger.money import Money, format_minor
from ledger.tax import Line
from ledger.tenant import Tenant

DISPUTED = "Disputed in the system it was imported from."
"""The reason of a dispute whose row says no more of it."""

SETTLED = "It was settled."


class BroughtIn(msgspec.Struct, frozen=True):
    """The stream a row's command wrote."""

    id: UUID


def invoice_id_of(tenant_id: UUID, number: str) -> UUID:
    """The id of an imported invoice."""
    return stable_id(tenant_id, "imported", number)


def payment_id_of(tenant_id: UUID, number: str) -> UUID:
    """The id of the payment that settled an imported invoice."""
    return stable_id(tenant_id, "imported payment", number)


def customer_id_of(tenant_id: UUID, customer_ref: str) -> UUID:
    """The id of a customer that an import was the first to name."""
    return stable_id(tenant_id, "imported customer", customer_ref)


def send_key(row: Row) -> str:
    """The idempotency key of bringing in the row's invoice."""
    return f"import:send:{content_hash(row)}"


def settle_key(row: Row) -> str:
    """The idempotency key of bringing in the row's settlement."""
    return f"import:settle:{content_hash(row)}"


def send_command_id(tenant_id: UUID, row: Row) -> UUID:
    """The command id that the events of the row's invoice carry."""
    return new_command_id(tenant_id, send_key(row))


def send(unit: Unit, row: Row) -> BroughtIn:
    """The customer if it is new, a draft, its sending on the issue date, and its dispute from that day on. It is held
    from dunning and contacts nobody. Raises AlreadyExists when another invoice has the number."""
    customer_id = unit.named("customer_reference", row.customer_ref)
    if customer_id is None:
        customer_id = customer_id_of(unit.tenant_id, row.customer_ref)
        name = row.customer_name or row.customer_ref
        register_as(unit, customer_id, RegisterCustomer(name=name, reference=row.customer_ref))
    invoice_id = invoice_id_of(unit.tenant_id, row.invoice_number)
    line = Line(
        description=f"Invoice {row.invoice_number}",
        quantity="1",
        unit_price=format_minor(row.amount_minor, row.currency),
    )
    command = DraftInvoice(
        customer_id=customer_id,
        due_on=row.due_on,
        lines=(line,),
        currency=row.currency,
    )
    draft_as(unit, invoice_id, command, on=row.issued_on)
    invoice = send_imported(unit, invoice_id, row.invoice_number, row.issued_on)
    if row.disputed:
        tenant: Tenant = load(unit, "tenant", unit.tenant_id)
        holds_interest = tenant.settings.dispute_holds_interest
        reason = unit.encrypt(invoice.customer_id, DISPUTED)
        decision = holding.dispute(
            invoice, None, holds_interest, reason, row.issued_on, row.issued_on
        )
        post(unit, invoice_id, decision.new)
    return BroughtIn(invoice_id)


def settle(unit: Unit, row: Row) -> BroughtIn:
    """The payment that settled the row's invoice. One dated before the issue is a prepayment: it keeps its own date
    and is booked once the invoice is there. What is paid was owed: a dispute ends with it, rejected."""
    assert row.settled_on is not None
    settled_on = max(row.settled_on, row.issued_on)
    invoice_id = invoice_id_of(unit.tenant_id, row.invoice_number)
    invoice: Invoice = load(unit, "invoice", invoice_id)
    if row.disputed and invoice.dispute is not None:
        reason = unit.encrypt(invoice.customer_id, SETTLED)
        decision = holding.resolve(invoice, "rejected", reason, settled_on, settled_on)
        post(unit, invoice_id, decision.new)
    payment_id = payment_id_of(unit.tenant_id, row.invoice_number)
    command = ReceivePayment(
        amount=Money.of(row.settled_minor, row.currency),
        invoice_id=invoice_id,
        received_on=row.settled_on,
    )
    receive_as(unit, payment_id, command, settled_on)
    return BroughtIn(payment_id)
