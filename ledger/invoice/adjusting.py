"""Adjusting an invoice: fees by hand, waivers, credit notes, and the ways in which a debt is forgiven.

Each takes effect today, or on an earlier day that is given.
"""

from collections.abc import Callable, Sequence
from datetime import date
from uuid import UUID

from ledger.errors import Rejected
from ledger.event_registry import Event
from ledger.invoice import events as e
from ledger.invoice.accrual import Decision, bring_up_to_date
from ledger.invoice.balance import open_on
from ledger.invoice.charges import terms_of
from ledger.invoice.credit_notes import require_left, require_not_credited
from ledger.invoice.preconditions import (
    require_effective,
    require_not_taken_over,
    require_open,
    require_reason,
)
from ledger.invoice.recording import impute, record
from ledger.invoice.sources import NO_ROOM, Room
from ledger.invoice.state import (
    NO_SOURCE,
    OPEN,
    Imputation,
    Invoice,
    given_back_minor,
    taken_over_on,
)
from ledger.money import bounded, format_minor
from ledger.waterfall import Component, Split, waterfall


class NotVoidable(Rejected):
    """An invoice can be voided as a draft, or while sent or overdue with nothing paid."""


class OverWaived(Rejected):
    """More was to be waived than is open of the component."""


class NotCreditable(Rejected):
    """A credit note is for an invoice that was sent and is open or paid."""


class BelongsToAgreement(Rejected):
    """An instalment is not voided, cancelled or credited on its own: renegotiate its agreement, or lose it."""


class OverWrittenOff(Rejected):
    """More was to be written off than is open."""


def charge_fee(
    invoice: Invoice,
    amount_minor: int,
    description: str,
    on: date,
    today: date,
    room: Room = NO_ROOM,
) -> Decision:
    """Charges a fee by hand. Raises NotOpen, ReasonMissing, AmountTooLarge, EffectiveInFuture, EffectiveTooEarly."""
    require_reason(description, "description")
    require_effective(invoice, on, today)
    require_open(invoice, "takes a fee", on, today)
    bounded(invoice.charged.other_fees + amount_minor, invoice.currency)
    decision = bring_up_to_date(invoice, today)
    event = e.FeeCharged(amount_minor, description)
    record(decision, event, on, today, f"fee of {on}", room)
    return decision


def waive(
    invoice: Invoice,
    component: Component,
    amount_minor: int | None,
    reason: str,
    on: date,
    today: date,
    room: Room = NO_ROOM,
) -> Decision:
    """Gives up a component, or a part of it. Raises NotOpen, ReasonMissing, OverWaived, CreditedSince,
    EffectiveInFuture, EffectiveTooEarly."""
    require_reason(reason)
    open_ = _open(invoice, "has something to waive", on, today)
    open_minor: int = getattr(open_, component)
    waived_minor = open_minor if amount_minor is None else amount_minor
    if not 0 < waived_minor <= open_minor:
        raise OverWaived(
            f"{format_minor(open_minor, invoice.currency)} of {component.replace('_', ' ')} is open; "
            "waive no more than that",
            field="amount",
        )
    asked = Split(**{component: waived_minor})
    require_not_credited(invoice, asked.principal, on)
    one = Imputation("waived", on, NO_SOURCE, 0, asked)
    return impute(
        invoice,
        one,
        lambda covered: e.Waived(reason, covered.forgiven, _beyond(asked, covered)),
        today,
        "waiver",
        room,
    )


def credit(
    invoice: Invoice,
    credit_note_id: UUID,
    number: str,
    lines: Sequence[e.CreditedLine],
    reason: str,
    on: date,
    today: date,
    room: Room = NO_ROOM,
) -> Decision:
    """Credits lines that `ledger.invoice.credit_notes` found. Principal that is open is owed no longer; the rest had
    been paid. Raises ReasonMissing, NotCreditable, BelongsToAgreement, OverCredited, ForgivenOtherwise."""
    require_reason(reason)
    require_creditable(invoice)
    net_minor = sum(line.net_minor for line in lines)
    tax_minor = sum(line.tax_minor for line in lines)
    total_minor = net_minor + tax_minor
    require_left(invoice, total_minor)
    require_effective(invoice, on, today)
    one = Imputation("credited", on, credit_note_id, total_minor)

    def credited(covered: e.Covered) -> e.Credited:
        return e.Credited(
            credit_note_id=credit_note_id,
            number=number,
            reason=reason,
            lines=tuple(lines),
            net_minor=net_minor,
            tax_minor=tax_minor,
            total_minor=total_minor,
            forgiven=covered.forgiven,
            applied=covered.paid,
            credit_minor=total_minor - covered.forgiven.total - covered.paid.total,
        )

    return impute(
        invoice,
        one,
        credited,
        today,
        f"credit note {number}",
        room_for_credit(room, total_minor),
    )


def room_for_credit(room: Room, total_minor: int) -> Room:
    """The room of a new credit note: what it credits, and what is left of the credit that earlier ones gave."""
    return room if room.own_id is None else room._replace(brings_minor=total_minor)


def void(invoice: Invoice, today: date, reason: str, room: Room = NO_ROOM) -> Decision:
    """Voids a draft, or a sent invoice on which nothing is paid and whose credit notes gave nothing back.

    Raises NotVoidable, ReasonMissing, BelongsToAgreement, TakenOver.
    """
    require_reason(reason)
    _require_no_agreement(invoice, "voided")
    if invoice.status not in ("draft", "sent", "overdue") or invoice.paid.total != 0:
        raise NotVoidable(
            f"the invoice is {invoice.status} with payments on it; cancel it or issue a credit note"
            if invoice.paid.total
            else f"the invoice is {invoice.status}; only a draft, sent or overdue one can be voided"
        )
    given_back = given_back_minor(invoice)
    if given_back:
        raise NotVoidable(
            f"credit notes of the invoice gave {format_minor(given_back, invoice.currency)} back to the customer's "
            "credit; apply that to the invoice, and cancel the rest"
        )
    require_not_taken_over(invoice, "voided")
    if invoice.terms is None:
        decision = Decision(invoice, [])
        decision.add(e.Voided(reason), today)
        return decision
    return _close(
        invoice, "void", lambda forgiven, asked: e.Voided(reason, forgiven, asked), today, room
    )


def cancel(invoice: Invoice, today: date, reason: str, room: Room = NO_ROOM) -> Decision:
    """Gives up what is open on a sent invoice; payments stay. Raises NotOpen, ReasonMissing, BelongsToAgreement."""
    require_reason(reason)
    if taken_over_on(invoice) is None:  # else it is open beside the agreement that took over
        _require_no_agreement(invoice, "cancelled")
    require_open(invoice, "can be cancelled")
    return _close(
        invoice,
        "cancelled",
        lambda forgiven, asked: e.Cancelled(reason, forgiven, asked),
        today,
        room,
    )


def write_off(
    invoice: Invoice,
    amount_minor: int | None,
    on: date,
    today: date,
    reason: str,
    room: Room = NO_ROOM,
) -> Decision:
    """Gives up hope of what is open, or of so much of it, in the policy's order. Money that arrives is a recovery.

    Raises NotOpen, ReasonMissing, OverWrittenOff, CreditedSince, EffectiveInFuture, EffectiveTooEarly.
    """
    require_reason(reason)
    open_ = _open(invoice, "can be written off", on, today)
    written_off_minor = open_.total if amount_minor is None else amount_minor
    if not 0 < written_off_minor <= open_.total:
        raise OverWrittenOff(
            f"{format_minor(open_.total, invoice.currency)} is open; write off no more than that",
            field="amount",
        )
    asked, _ = waterfall(written_off_minor, open_, terms_of(invoice).policy.waterfall)
    require_not_credited(invoice, asked.principal, on)
    one = Imputation("written_off", on, NO_SOURCE, 0, asked)
    return impute(
        invoice,
        one,
        lambda covered: e.WrittenOff(reason, covered.forgiven, _beyond(asked, covered)),
        today,
        "write-off",
        room,
        apart=1,
    )


def return_interest(
    invoice: Invoice,
    agreement_id: UUID,
    amount_minor: int,
    earned_on: date,
    today: date,
    room: Room = NO_ROOM,
) -> Decision:
    """Gives back contractual interest of an instalment that is paid off early. Raises NotOpen, OverWaived."""
    open_ = _open(invoice, "has interest to give back", today, today)
    if not 0 < amount_minor <= open_.principal:
        raise OverWaived(
            f"{format_minor(open_.principal, invoice.currency)} of principal is open; "
            "give back no more than that",
            field="amount",
        )
    asked = Split(principal=amount_minor)
    one = Imputation("interest_returned", today, agreement_id, 0, asked)
    return impute(
        invoice,
        one,
        lambda covered: e.InterestReturned(
            agreement_id, earned_on, covered.forgiven, _beyond(asked, covered)
        ),
        today,
        f"early pay-off of agreement {agreement_id}",
        room,
    )


def renegotiate(
    invoice: Invoice, agreement_id: UUID, today: date, reason: str, room: Room = NO_ROOM
) -> Decision:
    """Hands what is open over to an agreement, which owes it from now on. Interest of missed days is
    posted by one event, for it may take over a thousand invoices at once. Raises NotOpen."""
    open_ = _open(invoice, "can be taken over by an agreement", today, today)
    one = Imputation("renegotiated", today, agreement_id, open_.total)
    return impute(
        invoice,
        one,
        lambda covered: e.Renegotiated(agreement_id, reason, covered.forgiven),
        today,
        f"agreement {agreement_id}",
        room,
        apart=1,
    )


def require_creditable(invoice: Invoice) -> None:
    """Raises NotCreditable, BelongsToAgreement."""
    nothing = f"{format_minor(0, invoice.currency)} can be credited"
    if invoice.instalment is not None:
        raise BelongsToAgreement(
            f"the invoice is an instalment of agreement {invoice.instalment.agreement_id}, so {nothing} on it: "
            "renegotiate the agreement, or waive what is not owed"
        )
    if invoice.status not in OPEN and invoice.status != "paid":
        status = invoice.status.replace("_", " ")
        raise NotCreditable(
            f"the invoice is {status}, so {nothing}; a credit note is for one that is sent, overdue or paid"
        )


def _open(invoice: Invoice, what: str, on: date, today: date) -> Split:
    """What is open at the end of a day. Raises NotOpen, EffectiveInFuture, EffectiveTooEarly."""
    require_effective(invoice, on, today)
    require_open(invoice, what, on, today)
    if on < today:
        return open_on(bring_up_to_date(invoice, today).invoice, on)
    return bring_up_to_date(invoice, today, settle=True).invoice.open


def _close(
    invoice: Invoice,
    kind: e.ImputationKind,
    event_of: Callable[[Split, Split | None], Event],
    today: date,
    room: Room,
) -> Decision:
    """Gives up all that is open today."""
    asked = bring_up_to_date(invoice, today, settle=True).invoice.open
    one = Imputation(kind, today, NO_SOURCE, 0, asked)
    return impute(
        invoice,
        one,
        lambda covered: event_of(covered.forgiven, _beyond(asked, covered)),
        today,
        kind,
        room,
    )


def _beyond(asked: Split, covered: e.Covered) -> Split | None:
    """What is asked, where that is more than is covered."""
    return None if covered.forgiven == asked else asked


def _require_no_agreement(invoice: Invoice, what: str) -> None:
    if invoice.instalment is not None:
        raise BelongsToAgreement(
            f"the invoice is an instalment of agreement {invoice.instalment.agreement_id}; it is not "
            f"{what} by itself: renegotiate the agreement, or lose it"
        )
