"""Refunds: a customer's credit paid back. Credit is set aside, handed over, confirmed; or fails and is given back.

The runner (`schedulers.refund_payouts`) begins attempts and records their outcomes by the functions at the end.
Each outcome names its attempt, so that one that comes too late changes nothing.
"""

from datetime import date, datetime
from uuid import UUID

import msgspec

from commands.credit import refit, return_credit, use_credit_automatically
from commands.tenants import today
from commands.unit_of_work import AlreadyExists, Unit, load
from ledger.customer import CreditPart, CreditReserved, CreditReturned, Customer, drawn
from ledger.encrypted import plain
from ledger.errors import Rejected
from ledger.event_registry import Event, New
from ledger.invoice.preconditions import require_reason
from ledger.money import Money, exponent, format_minor, positive_minor
from ledger.refund import (
    AttemptFailed,
    Compensated,
    Confirmed,
    Failed,
    Refund,
    RefundNotSent,
    Requested,
    Sent,
    WaitsFor,
    begin_attempt,
    release,
    require_at_rest,
    require_current,
    require_open,
    waits_for,
)
from ledger.tenant import Tenant

BY_HAND = "by hand"
"""The provider of what was found paid out though no hand-over is known to have succeeded."""

REFUSED_IN_DOUBT = "it was refused, but an attempt before may have reached the provider: ask there"


class RefundAmountUnclear(Rejected):
    """A refund says an amount, or a currency whose whole credit is meant."""


class NothingToRefund(Rejected):
    """The customer has no credit in that currency."""


class OverRefunded(Rejected):
    """More is to be refunded than the customer has as credit."""


class RequestRefund(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Credit to pay back: an amount, or all the credit of `currency` when the amount is left out.

    `destination` is where it goes, in whatever form the provider of payouts understands.
    """

    customer_id: UUID
    reason: str
    amount: Money | None = None
    currency: str = ""
    destination: str = ""


class ConfirmRefund(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The money has left. `reference` is the provider's, if there is another than at the hand-over."""

    reference: str = ""


class FailRefund(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The money will not leave, or has come back from the provider."""

    reason: str


class PayoutBegun(msgspec.Struct, frozen=True):
    """An attempt that may be made now. Nobody else begins one before `next_at`."""

    attempt: int
    next_at: datetime


class RefundView(msgspec.Struct, frozen=True):
    """A refund."""

    # Destination and reasons are encrypted here; the response decrypts them.

    id: UUID
    customer_id: UUID
    status: str
    waits_for: WaitsFor
    amount: Money
    requested_on: date
    automatic: bool
    destination: str
    reason: str
    attempts: int
    last_error: str
    provider: str
    reference: str
    failed_because: str


def request_refund(unit: Unit, command: RequestRefund) -> RefundView:
    """Sets credit aside, of the oldest sources first, and has it paid out.

    Raises Unknown, RefundAmountUnclear, NothingToRefund, OverRefunded, ReasonMissing, UnknownCurrency, AlreadyExists,
    and the refusals of a malformed amount.
    """
    require_reason(command.reason)
    customer: Customer = load(unit, "customer", command.customer_id)
    currency = _currency(command)
    credit_minor = customer.credit.get(currency, 0)
    if not credit_minor:
        raise NothingToRefund(f"the customer has no credit in {currency}")
    amount_minor = credit_minor if command.amount is None else positive_minor(command.amount)
    if amount_minor > credit_minor:
        raise OverRefunded(
            f"the customer's credit is {format_minor(credit_minor, currency)} {currency}",
            field="amount",
        )
    refund_id = unit.new_id("refund")
    if unit.find("refund", refund_id) is not None:
        raise AlreadyExists(f"refund {refund_id} exists; its idempotency key was used before")
    requested = Requested(
        customer_id=command.customer_id,
        currency=currency,
        amount_minor=amount_minor,
        parts=drawn(customer, currency, amount_minor),
        destination=unit.encrypt(command.customer_id, command.destination.strip()),
        reason=unit.encrypt(command.customer_id, command.reason.strip()),
    )
    return refund_view(refund_id, _request(unit, refund_id, requested))


def refund_automatically(unit: Unit, customer_id: UUID, payment_id: UUID, currency: str) -> None:
    """Where the tenant has it so, pays back what is left of an excess payment when that is above the threshold."""
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    threshold = tenant.settings.refund_excess_above
    if threshold is None or threshold.currency != currency:
        return
    customer: Customer = load(unit, "customer", customer_id)
    left_minor = customer.of(payment_id, currency)
    if left_minor <= threshold.minor:
        return
    requested = Requested(
        customer_id=customer_id,
        currency=currency,
        amount_minor=left_minor,
        parts=(CreditPart(payment_id, left_minor),),
        automatic=True,
    )
    _request(unit, unit.new_id("refund", str(payment_id)), requested)


def confirm_refund(unit: Unit, refund_id: UUID, command: ConfirmRefund) -> RefundView:
    """Records that the money has left, today. One whose hand-over is in doubt was then handed over by hand.

    Raises Unknown, RefundClosed, RefundNotSent, PayoutUnderWay, and the refusals of a text in the clear.
    """
    refund: Refund = load(unit, "refund", refund_id)
    require_open(refund)
    require_at_rest(refund, unit.now)
    reference = plain(command.reference.strip(), "reference")
    new = [New(Confirmed(reference), today(unit))]
    if refund.status == "requested":
        if not refund.begun:
            raise RefundNotSent("the instruction to pay it out was not handed over yet")
        new.insert(0, New(Sent(BY_HAND, reference), today(unit)))
    return refund_view(refund_id, unit.append("refund", refund_id, new))


def fail_refund(unit: Unit, refund_id: UUID, command: FailRefund) -> RefundView:
    """Gives the credit back, because the money will not leave.

    Raises Unknown, RefundClosed, PayoutUnderWay, ReasonMissing.
    """
    require_reason(command.reason)
    refund: Refund = load(unit, "refund", refund_id)
    require_open(refund)
    require_at_rest(refund, unit.now)
    return refund_view(refund_id, _compensate(unit, refund_id, refund, command.reason))


def release_refund(unit: Unit, refund_id: UUID) -> RefundView:
    """Has a refund tried again that was tried too often. Raises Unknown, NothingToRelease, PayoutUnderWay."""
    refund: Refund = load(unit, "refund", refund_id)
    return _append(unit, refund_id, release(refund, unit.now))


def begin_payout(unit: Unit, refund_id: UUID) -> PayoutBegun:
    """Claims a refund for one attempt to hand its instruction over. Raises Unknown, PayoutNotDue."""
    refund: Refund = load(unit, "refund", refund_id)
    attempted = begin_attempt(refund, unit.now)
    unit.append("refund", refund_id, [New(attempted, today(unit))])
    return PayoutBegun(attempted.attempt, attempted.next_at)


def payout_sent(
    unit: Unit, refund_id: UUID, attempt: int, provider: str, reference: str
) -> RefundView:
    """The provider has the instruction. Raises Unknown, OutcomeOutdated."""
    refund: Refund = load(unit, "refund", refund_id)
    require_current(refund, attempt)
    return _append(unit, refund_id, Sent(provider, reference))


def payout_attempt_failed(
    unit: Unit, refund_id: UUID, attempt: int, reason: str, *, unknown: bool
) -> RefundView:
    """The attempt came to nothing, or nobody knows. Raises Unknown, OutcomeOutdated."""
    refund: Refund = load(unit, "refund", refund_id)
    require_current(refund, attempt)
    return _append(unit, refund_id, AttemptFailed(attempt, reason, unknown))


def payout_refused(unit: Unit, refund_id: UUID, attempt: int, reason: str) -> RefundView:
    """The provider will not pay it out, and the credit is given back.

    Not when an attempt before may have reached the provider: the money may have left then, so that the refund is
    tried on, and waits for a person in the end. Raises Unknown, OutcomeOutdated.
    """
    refund: Refund = load(unit, "refund", refund_id)
    require_current(refund, attempt)
    if refund.unknown:
        return _append(unit, refund_id, AttemptFailed(attempt, REFUSED_IN_DOUBT, unknown=True))
    return refund_view(refund_id, _compensate(unit, refund_id, refund, reason))


def refund_view(refund_id: UUID, refund: Refund) -> RefundView:
    return RefundView(
        id=refund_id,
        customer_id=refund.customer_id,
        status=refund.status,
        waits_for=waits_for(refund.status, refund.attempts),
        amount=Money.of(refund.amount_minor, refund.currency),
        requested_on=refund.requested_on,
        automatic=refund.automatic,
        destination=refund.destination,
        reason=refund.reason,
        attempts=refund.attempts,
        last_error=refund.last_error,
        provider=refund.provider,
        reference=refund.reference,
        failed_because=refund.failed_because,
    )


def _currency(command: RequestRefund) -> str:
    if command.amount is None:
        if not command.currency:
            raise RefundAmountUnclear(
                "say an amount, or a currency whose whole credit is meant", field="amount"
            )
        exponent(command.currency)
        return command.currency
    if command.currency not in ("", command.amount.currency):
        raise RefundAmountUnclear(
            f"the amount is in {command.amount.currency}; leave currency out", field="currency"
        )
    return command.amount.currency


def _request(unit: Unit, refund_id: UUID, requested: Requested) -> Refund:
    """Requests a refund and sets its credit aside, in one append."""
    now_on = today(unit)
    reserved = CreditReserved(requested.currency, refund_id, requested.parts)
    unit.append("customer", requested.customer_id, [New(reserved, now_on)])
    refund: Refund = unit.append("refund", refund_id, [New(requested, now_on)])
    return refund


def _compensate(unit: Unit, refund_id: UUID, refund: Refund, reason: str) -> Refund:
    """Fails a refund and gives its credit back, in one append."""
    now_on = today(unit)
    failed = Failed(unit.encrypt(refund.customer_id, reason.strip()))
    new = [New(failed, now_on), New(Compensated(), now_on)]
    state: Refund = unit.append("refund", refund_id, new)
    returned = CreditReturned(refund.currency, refund_id, refund.parts)
    return_credit(unit, refund.customer_id, returned)
    for part in refund.parts:
        refit(unit, part.source_id, "credit of a refund that failed")
    use_credit_automatically(unit, refund.customer_id, refund.currency)
    return state


def _append(unit: Unit, refund_id: UUID, event: Event) -> RefundView:
    state = unit.append("refund", refund_id, [New(event, today(unit))])
    return refund_view(refund_id, state)
