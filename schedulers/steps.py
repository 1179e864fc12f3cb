"""What each step of a business day posts to an invoice, and from which local time on."""

from collections.abc import Sequence
from datetime import date, time

from ledger.business_day import Step
from ledger.events import New
from ledger.invoice import accrual
from ledger.invoice.state import Invoice
from schedulers.ports import Decide

EARLIEST: dict[Step, time] = {"overdue": time(5, 0), "mora": time(5, 0)}
"""The local time before which a step does not begin by itself. Each also waits for the one before it."""


def post_overdue(invoice: Invoice, day: date) -> Sequence[New]:
    """Past the payable-until date and grace: overdue, and the late fee once. Past a promise: kept or broken."""
    return accrual.due_on_waking(invoice, day)


def post_mora(invoice: Invoice, day: date) -> Sequence[New]:
    """Interest up to and including the day."""
    posted = accrual.mora_on(invoice, day)
    return (New(posted, day),) if posted is not None else ()


DECIDE: dict[Step, Decide] = {"overdue": post_overdue, "mora": post_mora}
