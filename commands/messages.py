"""Messages: the last look before one is sent, what became of it, and what people do about those that failed.

The outbox (`schedulers.outbox`) begins attempts and records their outcomes by the functions in the middle. Each outcome
names its attempt, so that one that comes too late changes nothing.
"""

from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from commands.plan_loading import load_plan
from commands.tenants import today
from commands.unit_of_work import Unit, load
from ledger.customer import AddressRefused, Customer
from ledger.dunning.choice import reason_for
from ledger.dunning.contact_days import ContactDays
from ledger.dunning.debts import block_of, is_owed
from ledger.dunning.plan import Channel, Purpose
from ledger.event_registry import Event, New
from ledger.invoice.preconditions import require_reason
from ledger.invoice.state import Invoice
from ledger.message import (
    STOPPED_BY_OPT_OUT,
    AttemptFailed,
    BecameUnknown,
    Cancelled,
    CancelReason,
    DeadLettered,
    Deferred,
    Discarded,
    Expired,
    Kind,
    Message,
    Postponed,
    Sent,
    SettledAs,
    State,
    approve,
    attempt_failed,
    begin_attempt,
    held_back,
    require_current,
    require_discardable,
    retry,
    settle,
)
from ledger.money import Money
from ledger.payment import Payment
from ledger.sender import require_active
from ledger.tenant import Tenant
from ledger.time_zones import business_date

WITHDRAWN: Final = frozenset(("void", "cancelled", "renegotiated"))
"""Invoices that are not sent any more."""
LEFT_WITHOUT_OUTCOME = "an attempt was left without an outcome: it may have been sent"


class DiscardMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a dead letter, or a message that waits for its approval, is never sent."""

    reason: str


class SettleMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a message left of which nobody knew; one that was not sent is sent again."""

    outcome: SettledAs


class MessageView(msgspec.Struct, frozen=True):
    """A message. `amount` is what was open on its invoices when it was queued, `opened_on` when its picture was fetched
    first, perhaps by the recipient."""

    message_id: UUID
    kind: str
    channel: Channel
    state: State
    customer_id: UUID
    invoice_ids: tuple[UUID, ...]
    amount: Money
    plan: str
    plan_version: int
    step: str
    purpose: Purpose
    queued_on: date
    business_date: date
    attempts: int
    next_at: datetime | None
    sender: str
    reference: str
    content_hash: str
    reason: str
    opened_on: date | None
    complaint: str


class ListedInvoice(msgspec.Struct, frozen=True):
    """An open invoice as a message lists it."""

    number: str
    due_on: date
    open: Money


class PaidAmount(msgspec.Struct, frozen=True):
    """A payment as a receipt says it."""

    amount: Money
    received_on: date


class Letter(msgspec.Struct, frozen=True):
    """What a message says, with its amounts as they are now. Name, address and tax number are encrypted texts.

    invoices  what is open in the message's currency, overdue first; what is held, disputed or promised is left out
    template  its key, and the version that was the last when the message was queued; empty, the shipped one
    kind      what the message is
    payment   of a receipt, what was paid
    links     how often the customer's links were revoked
    tracked   whether it may be noted that the customer opens it
    """

    message_id: UUID
    channel: Channel
    purpose: Purpose
    business_date: date
    today: date
    language: str
    recipient: str
    name: str
    creditor: str
    creditor_address: str
    creditor_tax_number: str
    invoices: tuple[ListedInvoice, ...]
    total: Money
    credit: Money | None
    template: str
    template_version: int
    links: int = 0
    tracked: bool = False
    kind: Kind = "dunning"
    payment: PaidAmount | None = None


class AttemptBegun(msgspec.Struct, frozen=True):
    """What the last look came to: an attempt to send a letter, the state in which the message has ended, or `queued`
    when it may not be sent at this hour."""

    state: State
    attempt: int = 0
    next_at: datetime | None = None
    letter: Letter | None = None


def begin_sending(
    unit: Unit,
    message_id: UUID,
    sender: str,
    sender_id: UUID | None = None,
    *,
    recognises_repeats: bool,
    has_links: bool = False,
) -> AttemptBegun:
    """Looks at a message for the last time and claims it for one attempt; cancels it when it is no longer right.

    sender_id  the tenant's sender; none, for the installation's own
    has_links  its text may hold links, and the picture that says when it is opened

    An attempt that was left without an outcome is made again by a sender that recognises a message it has taken;
    otherwise the message becomes unknown. Raises Unknown, MessageNotDue, SenderPaused.
    """
    if sender_id is not None:
        require_active(load(unit, "sender", sender_id))
    message: Message = load(unit, "message", message_id)
    now_on = today(unit)
    customer: Customer = load(unit, "customer", message.customer_id)
    tracked = has_links and customer.tracked
    attempted = begin_attempt(message, sender, unit.now, tracked=tracked)
    if message.state == "attempted" and not recognises_repeats:
        return _ended(unit, message_id, BecameUnknown(LEFT_WITHOUT_OUTCOME))
    not_now = held_back(message, unit.now) or _not_today(unit, message)
    if not_now is not None:
        return _ended(unit, message_id, not_now)
    letter = _letter(unit, message_id, message, now_on)
    if not isinstance(letter, Letter):
        return _ended(unit, message_id, Cancelled(letter))
    state: Message = unit.append("message", message_id, [New(attempted, now_on)])
    return AttemptBegun(state.state, attempted.attempt, attempted.next_at, letter)


def message_sent(
    unit: Unit, message_id: UUID, attempt: int, reference: str, content_hash: str
) -> MessageView:
    """The sender has taken the message. Raises Unknown, AttemptOutdated."""
    return _outcome(unit, message_id, attempt, Sent(reference, content_hash))


def message_failed(
    unit: Unit,
    message_id: UUID,
    attempt: int,
    reason: str,
    *,
    for_good: bool,
    refused_address: str = "",
) -> MessageView:
    """The message did not leave: it is tried again later, or, failed for good, dead-lettered.

    refused_address  the encrypted address that does not exist: nothing is sent there while it is the customer's

    Raises Unknown, AttemptOutdated.
    """
    message: Message = load(unit, "message", message_id)
    event: AttemptFailed | DeadLettered = (
        DeadLettered(reason) if for_good else attempt_failed(message, reason, unit.now)
    )
    view = _outcome(unit, message_id, attempt, event)
    if refused_address:
        refuse_address(unit, message, refused_address, reason)
    return view


def message_deferred(
    unit: Unit, message_id: UUID, attempt: int, reason: str, wait: timedelta | None
) -> MessageView:
    """The message did not leave, and it was not its fault: the attempt does not count.

    wait  how long nobody tries again; none, when it need not wait

    Raises Unknown, AttemptOutdated.
    """
    next_at = unit.now + wait if wait is not None else None
    return _outcome(unit, message_id, attempt, Deferred(reason, next_at))


def message_unknown(unit: Unit, message_id: UUID, attempt: int, reason: str) -> MessageView:
    """Nobody knows whether the message left. Raises Unknown, AttemptOutdated."""
    return _outcome(unit, message_id, attempt, BecameUnknown(reason))


def retry_message(unit: Unit, message_id: UUID) -> MessageView:
    """Has a message tried again that ended without being sent. Raises Unknown, NothingToRetry."""
    message: Message = load(unit, "message", message_id)
    return append_to_message(unit, message_id, retry(message))


def approve_message(unit: Unit, message_id: UUID) -> MessageView:
    """Lets a message be sent that waits for its approval. Raises Unknown, NothingToApprove."""
    message: Message = load(unit, "message", message_id)
    return append_to_message(unit, message_id, approve(message))


def discard_message(unit: Unit, message_id: UUID, command: DiscardMessage) -> MessageView:
    """Decides that a dead letter, or one that waits for its approval, is never sent.

    Raises Unknown, ReasonMissing, NothingToDiscard.
    """
    require_reason(command.reason)
    message: Message = load(unit, "message", message_id)
    require_discardable(message)
    reason = unit.encrypt(message.customer_id, command.reason.strip())
    return append_to_message(unit, message_id, Discarded(reason))


def settle_message(unit: Unit, message_id: UUID, command: SettleMessage) -> MessageView:
    """Says whether an unknown message left. Raises Unknown, NothingToSettle."""
    message: Message = load(unit, "message", message_id)
    return append_to_message(unit, message_id, settle(message, command.outcome))


def append_to_message(unit: Unit, message_id: UUID, event: Event | None) -> MessageView:
    """Appends an event to a message, if there is one."""
    if event is None:
        return message_view(message_id, load(unit, "message", message_id))
    state: Message = unit.append("message", message_id, [New(event, today(unit))])
    return message_view(message_id, state)


def message_view(message_id: UUID, message: Message) -> MessageView:
    return MessageView(
        message_id=message_id,
        kind=message.kind,
        channel=message.channel,
        state=message.state,
        customer_id=message.customer_id,
        invoice_ids=message.invoice_ids,
        amount=Money.of(message.amount_minor, message.currency),
        plan=message.plan,
        plan_version=message.plan_version,
        step=message.step,
        purpose=message.purpose,
        queued_on=message.queued_on,
        business_date=message.business_date,
        attempts=message.attempts,
        next_at=message.next_at,
        sender=message.sender,
        reference=message.reference,
        content_hash=message.content_hash,
        reason=message.reason,
        opened_on=message.opened_on,
        complaint=message.complaint,
    )


def _not_today(unit: Unit, message: Message) -> Postponed | Expired | None:
    """Why a reminder is not sent today: it has waited into a day on which its plan contacts nobody."""
    if not message.plan or message.state != "queued":
        return None
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    plan = load_plan(unit, message.plan)
    days = ContactDays(plan.rules, tenant.settings.business_days)
    zone = message.zone or tenant.settings.timezone
    if days.includes(business_date(unit.now, zone)):
        return None
    next_at = days.next_contact(unit.now, message.window, zone)
    if message.valid_until is not None and next_at >= message.valid_until:
        return Expired()
    return Postponed(next_at)


def _letter(unit: Unit, message_id: UUID, message: Message, now_on: date) -> Letter | CancelReason:
    """What the message says now, or why it is not sent any more."""
    customer: Customer = load(unit, "customer", message.customer_id)
    if message.kind in STOPPED_BY_OPT_OUT and message.channel in customer.opted_out:
        return "opted_out"
    if message.channel not in customer.reachable:
        return "no_address"
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    listed = _listed_in(unit, message, tenant, customer, now_on)
    if isinstance(listed, str):
        return listed
    return letter_of(message_id, message, customer, tenant, listed, now_on, _paid(unit, message))


def _listed_in(
    unit: Unit, message: Message, tenant: Tenant, customer: Customer, now_on: date
) -> tuple[ListedInvoice, ...] | CancelReason:
    """The invoices that a message lists, or why it is about nothing any more."""
    if message.kind == "dunning":
        payable = unit.payable(message.customer_id)
        return open_invoices(
            message,
            lambda invoice: reason_for(tenant, customer, invoice).plan,
            lambda key: load_plan(unit, key).active_from is not None,
            payable,
            now_on,
        )
    found: list[ListedInvoice] = []
    for invoice_id in message.invoice_ids:
        invoice: Invoice = load(unit, "invoice", invoice_id)
        if invoice.status not in WITHDRAWN:
            found.append(_listed(invoice))
    if message.kind == "invoice" and not found:
        return "withdrawn"
    if message.payment_id is not None:
        payment: Payment = load(unit, "payment", message.payment_id)
        if payment.left_minor <= 0:
            return "withdrawn"
    return tuple(found)


def _paid(unit: Unit, message: Message) -> PaidAmount | None:
    """The payment of a receipt, as much of it as was not reversed."""
    if message.payment_id is None:
        return None
    payment: Payment = load(unit, "payment", message.payment_id)
    return PaidAmount(Money.of(payment.left_minor, payment.currency), payment.received_on)


def letter_of(
    message_id: UUID,
    message: Message,
    customer: Customer,
    tenant: Tenant,
    listed: tuple[ListedInvoice, ...],
    now_on: date,
    payment: PaidAmount | None = None,
) -> Letter:
    """What a message says to a customer."""
    settings = tenant.settings
    credit_minor = customer.credit.get(message.currency, 0)
    return Letter(
        message_id=message_id,
        channel=message.channel,
        purpose=message.purpose,
        business_date=message.business_date,
        today=now_on,
        language=customer.language,
        recipient=customer.person.email,
        name=customer.person.name,
        creditor=settings.creditor_name or tenant.name,
        creditor_address=settings.creditor_address,
        creditor_tax_number=settings.creditor_tax_number,
        invoices=listed,
        total=Money.of(sum(one.open.minor for one in listed), message.currency),
        credit=Money.of(credit_minor, message.currency) if credit_minor else None,
        template=message.template,
        template_version=message.template_version,
        links=customer.links,
        tracked=customer.tracked,
        kind=message.kind,
        payment=payment,
    )


def open_invoices(
    message: Message,
    plan_of: Callable[[Invoice], str],
    is_active: Callable[[str], bool],
    payable: Iterable[tuple[UUID, Invoice]],
    now_on: date,
) -> tuple[ListedInvoice, ...] | CancelReason:
    """What the message lists, or why it is about nothing any more: none of its own invoices is open, or each that is
    has been kept back from dunning, if only by a plan that contacts nobody any more.

    It lists its own invoices, and the customer's others that follow the same plan; of a plan that groups by agreement,
    those of its agreement.

    plan_of    the key of the plan that an invoice follows now
    is_active  whether customers are contacted by a plan
    """
    owed = [
        (invoice_id, invoice)
        for invoice_id, invoice in payable
        if is_owed(invoice) and invoice.currency == message.currency
    ]
    own = set(message.invoice_ids)
    agreements = {invoice.agreement_id for invoice_id, invoice in owed if invoice_id in own}
    listed: dict[UUID, ListedInvoice] = {}
    kept_back = False
    for invoice_id, invoice in owed:
        plan = plan_of(invoice)
        if invoice_id not in own and (
            plan != message.plan
            or (message.group_by == "agreement" and invoice.agreement_id not in agreements)
        ):
            continue
        if block_of(invoice, now_on) is not None or not is_active(plan):
            kept_back = kept_back or invoice_id in own
            continue
        listed[invoice_id] = _listed(invoice)
    if not any(invoice_id in listed for invoice_id in message.invoice_ids):
        return "kept_back" if kept_back else "nothing_open"
    return tuple(sorted(listed.values(), key=lambda one: (one.due_on, one.number)))


def refuse_address(unit: Unit, message: Message, address: str, reason: str) -> None:
    """Nothing is sent to an encrypted address that does not exist, while it is the customer's."""
    customer: Customer = load(unit, "customer", message.customer_id)
    if customer.person.email == address and message.channel in customer.reachable:
        event = AddressRefused(message.channel, reason)
        unit.append("customer", message.customer_id, [New(event, today(unit))])


def _listed(invoice: Invoice) -> ListedInvoice:
    amount = Money.of(invoice.open.total, invoice.currency)
    return ListedInvoice(invoice.number, invoice.due_on, amount)


def _ended(
    unit: Unit, message_id: UUID, event: BecameUnknown | Cancelled | Postponed | Expired
) -> AttemptBegun:
    state: Message = unit.append("message", message_id, [New(event, today(unit))])
    return AttemptBegun(state.state)


def _outcome(unit: Unit, message_id: UUID, attempt: int, event: Event) -> MessageView:
    message: Message = load(unit, "message", message_id)
    require_current(message, attempt)
    return append_to_message(unit, message_id, event)
