"""What must hold before something is decided on an invoice."""

from datetime import date

from ledger.errors import Rejected
from ledger.invoice.balance import open_on
from ledger.invoice.state import OPEN, Invoice, taken_over_on


class NotOpen(Rejected):
    """The invoice is not open: it is a draft, or closed in one way or another."""


class ReasonMissing(Rejected):
    """This needs a reason, for the audit trail."""


class EffectiveInFuture(Rejected):
    """What adjusts a debt takes effect today or on an earlier day."""


class EffectiveTooEarly(Rejected):
    """What adjusts a debt takes effect no earlier than its invoice was issued, or taken over by an agreement."""


class TakenOver(Rejected):
    """An agreement took over what was open on the invoice: that is not changed any more."""


def require_open(
    invoice: Invoice, what: str, on: date | None = None, today: date | None = None
) -> None:
    """Whether the invoice is open, or was on an earlier day that is given. Raises NotOpen."""
    if invoice.status in OPEN:
        return
    was_open = (
        on is not None
        and on != today
        and invoice.status not in ("draft", "void")
        and open_on(invoice, on).total > 0
    )
    if not was_open:
        raise NotOpen(f"the invoice is {invoice.status}; only a sent or overdue one {what}")


def require_effective(invoice: Invoice, on: date, today: date) -> None:
    """Raises EffectiveInFuture, EffectiveTooEarly."""
    if on > today:
        raise EffectiveInFuture(
            f"effective_on {on} has not come; today is {today}", field="effective_on"
        )
    if invoice.terms is None:
        return
    taken_over = taken_over_on(invoice)
    if taken_over is not None and on < taken_over:
        raise EffectiveTooEarly(
            f"effective_on {on} lies before {taken_over}, when an agreement took over what was open",
            field="effective_on",
        )
    if on < invoice.terms.issued_on:
        raise EffectiveTooEarly(
            f"effective_on {on} lies before the issue date {invoice.terms.issued_on}",
            field="effective_on",
        )


def require_not_taken_over(invoice: Invoice, what: str) -> None:
    """Raises TakenOver."""
    if taken_over_on(invoice) is not None:
        raise TakenOver(
            f"an agreement took over what was open on the invoice, so it is not {what}: "
            "waive or write off what is open beside the agreement"
        )


def require_reason(reason: str, field: str = "reason") -> None:
    """Raises ReasonMissing."""
    if not reason.strip():
        raise ReasonMissing(f"give a {field}; it is kept in the audit trail", field=field)
