"""What the customer says of an invoice, and what keeps dunning from it: disputes, promises to pay, holds."""

from datetime import date

from ledger.errors import Rejected
from ledger.invoice import events as e
from ledger.invoice.accrual import Decision, bring_up_to_date, reopen
from ledger.invoice.adjusting import require_open, require_reason
from ledger.invoice.state import GIVEN_UP, Invoice
from ledger.money import format_minor


class AlreadyDisputed(Rejected):
    """The invoice is disputed already; resolve that dispute first."""


class NotDisputed(Rejected):
    """There is no dispute to resolve."""


class OverDisputed(Rejected):
    """More is disputed than is open."""


class PromiseTooLate(Rejected):
    """A promise is for today or a later day, within a year."""


class OverPromised(Rejected):
    """More is promised than is open."""


class AlreadyHeld(Rejected):
    """Dunning leaves the invoice alone already."""


class NotHeld(Rejected):
    """There is no hold to release."""


class HoldOver(Rejected):
    """A hold lasts until today or a later day."""


def dispute(
    invoice: Invoice, amount_minor: int | None, holds_interest: bool, reason: str, today: date
) -> Decision:
    """Records that the customer disputes the open principal, or a part of it.

    Raises NotOpen, ReasonMissing, AlreadyDisputed, OverDisputed.
    """
    require_reason(reason)
    require_open(invoice, "can be disputed")
    if invoice.dispute is not None:
        raise AlreadyDisputed("the invoice is disputed already; resolve that dispute first")
    decision = bring_up_to_date(invoice, today)
    open_minor = decision.invoice.open.principal
    disputed_minor = open_minor if amount_minor is None else amount_minor
    if not 0 < disputed_minor <= open_minor:
        raise OverDisputed(
            f"{format_minor(open_minor, invoice.currency)} of principal is open; "
            "dispute no more than that",
            field="amount",
        )
    decision.add(e.Disputed(disputed_minor, reason, holds_interest), today)
    return decision


def resolve(invoice: Invoice, outcome: e.Outcome, reason: str, today: date) -> Decision:
    """Ends a dispute. Accepted, the held interest is not charged; credit or waive what is not owed. Rejected, it is,
    unless the debt was given up meanwhile: nothing more is charged on that.

    Raises NotDisputed.
    """
    if invoice.dispute is None:
        raise NotDisputed("the invoice is not disputed; there is nothing to resolve")
    held = invoice.dispute.holds_interest
    decision = bring_up_to_date(invoice, today)
    decision.add(e.DisputeResolved(outcome, reason), today)
    if held and invoice.status not in GIVEN_UP:
        reopen(decision, today, because=f"dispute {outcome}")
    return decision


def promise(
    invoice: Invoice, amount_minor: int | None, promised_on: date, note: str, today: date
) -> Decision:
    """Records a promise to pay; it takes the place of an earlier one. Raises NotOpen, PromiseTooLate, OverPromised."""
    require_open(invoice, "can be promised to be paid")
    if not 0 <= (promised_on - today).days <= 366:
        raise PromiseTooLate(
            f"promised_on {promised_on} must be today, {today}, or a day within a year after",
            field="promised_on",
        )
    decision = bring_up_to_date(invoice, today)
    open_minor = decision.invoice.open.total
    promised_minor = open_minor if amount_minor is None else amount_minor
    if not 0 < promised_minor <= open_minor:
        raise OverPromised(
            f"{format_minor(open_minor, invoice.currency)} is open; promise no more than that",
            field="amount",
        )
    decision.add(e.Promised(promised_minor, promised_on, note), today)
    return decision


def hold(invoice: Invoice, until_on: date | None, reason: str, today: date) -> Decision:
    """Keeps dunning from an invoice. Raises NotOpen, ReasonMissing, AlreadyHeld, HoldOver."""
    require_reason(reason)
    require_open(invoice, "can be held")
    if invoice.hold is not None and is_held(invoice, today):
        raise AlreadyHeld("the invoice is held already; release it first")
    if until_on is not None and until_on < today:
        raise HoldOver(f"until_on {until_on} lies before today, {today}", field="until_on")
    decision = Decision(invoice, [])
    decision.add(e.Held(reason, until_on), today)
    return decision


def release(invoice: Invoice, reason: str, today: date) -> Decision:
    """Lets dunning take an invoice up again. Raises NotHeld."""
    if not is_held(invoice, today):
        raise NotHeld("the invoice is not held; there is nothing to release")
    decision = Decision(invoice, [])
    decision.add(e.Released(reason), today)
    return decision


def is_held(invoice: Invoice, on: date) -> bool:
    """Whether a hold keeps dunning from the invoice on a day."""
    hold = invoice.hold
    return hold is not None and (hold.until_on is None or on <= hold.until_on)
