"""An invoice as dunning sees it: as it is now, or as it was on a day of the past."""

from datetime import date
from uuid import UUID

from ledger.dunning.choice import Choice
from ledger.dunning.deciding import Block, Debt
from ledger.invoice.balance import open_on
from ledger.invoice.holding import is_held
from ledger.invoice.state import OPEN, Invoice, StepTaken
from ledger.mora import DAY


def debt_of(invoice_id: UUID, invoice: Invoice, choice: Choice, day: date) -> Debt | None:
    """An invoice as it is, for the dunning of a day by a plan; None when nothing is owed on it."""
    if not is_owed(invoice):
        return None
    block, open_minor = block_of(invoice, day), invoice.open.total
    return _debt(invoice_id, invoice, choice, day, open_minor, block, invoice.dunned)


def is_owed(invoice: Invoice) -> bool:
    """Whether an invoice was sent and something is open on it."""
    return invoice.status in OPEN and invoice.terms is not None


def debt_on(
    invoice_id: UUID, invoice: Invoice, choice: Choice, day: date, taken: tuple[StepTaken, ...]
) -> Debt | None:
    """An invoice as it was at the end of a day, given all facts that are known by now, with the steps that a simulation
    has taken; None when nothing was owed on it. Imported invoices count as released. A hold, a dispute without held
    interest and a promise are known by their last alone."""
    if invoice.terms is None or day < invoice.terms.issued_on:
        return None
    open_minor = open_on(invoice, day).total
    if open_minor <= 0:
        return None
    block = _block_on(invoice, day)
    return _debt(invoice_id, invoice, choice, day, open_minor, block, taken)


def closed_on(invoice: Invoice) -> date | None:
    """The day at whose end nothing was open any more, for good as far as is known; None while something is."""
    if invoice.open.total:
        return None
    days = [one.on for one in invoice.imputations] + [one.on for one in invoice.small_balances]
    return max(days, default=None)


def in_question(
    invoice_id: UUID, invoice: Invoice, choice: Choice, taken: tuple[StepTaken, ...]
) -> Debt:
    """A debt of which only the steps are needed: whether one has come is found before what is open is counted."""
    due_on = invoice.due_on
    return Debt(invoice_id, invoice.currency, due_on, due_on, 0, None, taken, choice)


def _debt(
    invoice_id: UUID,
    invoice: Invoice,
    choice: Choice,
    day: date,
    open_minor: int,
    block: Block | None,
    taken: tuple[StepTaken, ...],
) -> Debt:
    assert invoice.terms is not None
    entered_on = invoice.dunning_from or invoice.terms.issued_on
    if entered_on > day:
        entered_on = invoice.terms.issued_on  # a hold of later than that day has ended since
    hold = invoice.hold
    if hold is not None and hold.until_on is not None and entered_on <= hold.until_on < day:
        entered_on = hold.until_on + DAY
    return Debt(
        invoice_id,
        invoice.currency,
        invoice.due_on,
        entered_on,
        open_minor,
        block,
        taken,
        choice,
        invoice.agreement_id,
    )


def block_of(invoice: Invoice, day: date) -> Block | None:
    """What keeps dunning from an invoice now."""
    if is_held(invoice, day):
        return "imported" if invoice.hold is not None and invoice.hold.imported else "held"
    if invoice.dispute is not None:
        return "disputed"
    if invoice.promise is not None and invoice.promise.kept is None:
        return "promised"
    return None


def _block_on(invoice: Invoice, day: date) -> Block | None:
    """What kept dunning from an invoice on a day."""
    hold = invoice.hold
    if hold is not None and not hold.imported and is_held(invoice, day):
        return "held"
    for dispute in invoice.disputes:
        if dispute.on <= day and (dispute.until is None or day < dispute.until):
            return "disputed"
    promise = invoice.promise
    if promise is not None and promise.on <= day <= promise.promised_on:
        return "promised"
    return None
