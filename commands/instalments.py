"""Instalments: what becomes of an agreement follows from its invoices."""

from commands.tenants import today
from commands.unit import Unit, load
from ledger.agreement import Agreement, Paid, Reopened
from ledger.events import New
from ledger.invoice.state import Invoice


def follow_agreement(unit: Unit, before: Invoice, after: Invoice) -> None:
    """An agreement is paid when the last of its instalments is, and open again when one of them is."""
    if after.instalment is None or (before.status == "paid") == (after.status == "paid"):
        return
    agreement_id = after.instalment.agreement_id
    agreement: Agreement = load(unit, "agreement", agreement_id)
    if agreement.status == "paid" and after.status != "paid":
        unit.append("agreement", agreement_id, [New(Reopened(), today(unit))])
    elif agreement.status == "active" and after.status == "paid":
        # The last one first: while it is open, nothing else need be loaded.
        last_first = reversed(agreement.instalments)
        if all(load(unit, "invoice", part.invoice_id).status == "paid" for part in last_first):
            unit.append("agreement", agreement_id, [New(Paid(), today(unit))])
