"""Credit: money that is the customer's because no invoice takes it."""

from collections.abc import Iterable
from uuid import UUID

from commands.unit import Unit
from ledger.customer import CreditAdded, CreditWithdrawn
from ledger.events import New
from ledger.invoice.events import ChargesRecalculated
from ledger.invoice.state import Invoice


def pass_on_credit(unit: Unit, invoice_id: UUID, invoice: Invoice, new: Iterable[New]) -> None:
    """Hands what a recalculation found overpaid to the customer's credit, or takes it back."""
    for event, effective_on in new:
        if not isinstance(event, ChargesRecalculated) or event.credit_minor == 0:
            continue
        because = f"charges recalculated after {event.because}"
        credit: CreditAdded | CreditWithdrawn
        if event.credit_minor > 0:
            credit = CreditAdded(
                currency=invoice.currency,
                amount_minor=event.credit_minor,
                because=because,
                invoice_id=invoice_id,
                flag="recalculated",
            )
        else:
            credit = CreditWithdrawn(
                currency=invoice.currency,
                amount_minor=-event.credit_minor,
                because=because,
                invoice_id=invoice_id,
            )
        unit.append("customer", invoice.customer_id, [New(credit, effective_on)])
