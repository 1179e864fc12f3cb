"""Instalments: what becomes of an agreement follows from its invoices."""

from uuid import UUID

from commands.tenants import today
from commands.unit_of_work import Unit, load
from ledger.agreement.events import Paid, Reopened
from ledger.agreement.state import Agreement
from ledger.event_registry import New
from ledger.invoice.state import Invoice


def follow_agreement(unit: Unit, before: Invoice, after: Invoice) -> None:
    """An agreement is paid when the last of its instalments is, and open again when one of them is.

    One that was renegotiated or lost stays so, whatever arrives on its invoices or is reversed from them.
    """
    if after.instalment is None or (before.status == "paid") == (after.status == "paid"):
        return
    agreement_id = after.instalment.agreement_id
    agreement: Agreement = load(unit, "agreement", agreement_id)
    if agreement.status == "paid" and after.status != "paid":
        unit.append("agreement", agreement_id, [New(Reopened(), today(unit))])
    elif agreement.status == "active" and after.status == "paid" and _all_paid(unit, agreement):
        unit.append("agreement", agreement_id, [New(Paid(), today(unit))])


def _all_paid(unit: Unit, agreement: Agreement) -> bool:
    """The last one first: while it is open, nothing else need be loaded."""
    *others, last = [part.invoice_id for part in agreement.instalments]
    if not _is_paid(unit, last):
        return False
    unit.expect(others)
    return all(_is_paid(unit, one) for one in others)


def _is_paid(unit: Unit, invoice_id: UUID) -> bool:
    invoice: Invoice = load(unit, "invoice", invoice_id)
    return invoice.status == "paid"
