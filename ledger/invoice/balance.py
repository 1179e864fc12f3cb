"""What was open on an invoice at the end of a day, given all facts that are known."""

from datetime import date

from ledger import mora
from ledger.invoice import charges
from ledger.invoice.state import NOTHING, Invoice
from ledger.waterfall import Split


def open_on(invoice: Invoice, day: date) -> Split:
    """What was open at the end of a day, by component: charged by then, less what facts cover by then."""
    if invoice.terms is None or day < invoice.terms.issued_on:
        return NOTHING
    running = charges.charges_of(invoice, before=day + mora.DAY)
    charged = Split(
        sum(fee.minor for fee in invoice.fees if fee.on <= day),
        running.late_fee(day)[0],
        running.mora(day),
        invoice.total_minor,
    )
    covered = [one.covered for one in invoice.imputations if one.on <= day]
    waived = [one.forgiven for one in invoice.small_balances if one.on <= day]
    return charged - sum(
        (one.paid + one.forgiven for one in covered), start=sum(waived, start=NOTHING)
    )


def written_off_on(invoice: Invoice, day: date) -> int:
    """What was written off by the end of a day and not recovered, in minor units."""
    return sum(
        one.covered.forgiven.total * (one.kind == "written_off") - one.covered.recovered.total
        for one in invoice.imputations
        if one.on <= day
    )
