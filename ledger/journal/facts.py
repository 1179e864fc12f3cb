"""What the journal remembers of a stream: the few facts from earlier events that later entries need."""

from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec
from msgspec.structs import replace

from ledger import payment, refund
from ledger.agreement import events as agreement
from ledger.event_registry import Event
from ledger.invoice import events as e
from ledger.waterfall import Split


class Known(Protocol):
    """What an entry needs to know from the stream's earlier events: `Facts`, or whatever else holds them."""

    @property
    def currency(self) -> str: ...
    @property
    def is_sent(self) -> bool: ...
    @property
    def is_instalment(self) -> bool: ...
    @property
    def net_minor(self) -> int: ...
    @property
    def tax_minor(self) -> int: ...
    @property
    def amount_minor(self) -> int: ...
    @property
    def forgiveness_kind(self) -> str: ...


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What an entry needs to know from the stream's earlier events. Amounts are minor units.

    is_sent         the invoice was sent
    is_instalment   the invoice is an instalment of an agreement
    net_minor, tax_minor  what an invoice stands for, less what credit notes credited
    amount_minor    of an instalment, its contractual interest; of a payment or a refund, its amount
    forgiveness_kind     the kind of the last forgiveness of a part of the invoice
    """

    currency: str = ""
    is_sent: bool = False
    is_instalment: bool = False
    net_minor: int = 0
    tax_minor: int = 0
    amount_minor: int = 0
    forgiveness_kind: str = ""


def evolve(facts: Facts, event: Event) -> Facts:
    """The facts after one more event."""
    found = _CHANGES.get(type(event))
    return found(facts, event) if found is not None else facts


def changes(event: Event) -> bool:
    """Whether an event changes the facts that later entries need."""
    return type(event) in _CHANGES


def _drafted(facts: Facts, event: e.Drafted) -> Facts:
    instalment = event.instalment
    return Facts(
        currency=event.currency,
        is_instalment=instalment is not None,
        net_minor=event.net_minor,
        tax_minor=event.tax_minor,
        amount_minor=instalment.interest_minor if instalment is not None else 0,
    )


def _redrafted(facts: Facts, event: e.Redrafted) -> Facts:
    return replace(facts, net_minor=event.net_minor, tax_minor=event.tax_minor)


def _was_sent(facts: Facts, event: e.Sent) -> Facts:
    return replace(facts, is_sent=True)


def _was_credited(facts: Facts, event: e.Credited) -> Facts:
    net_minor, tax_minor = facts.net_minor - event.net_minor, facts.tax_minor - event.tax_minor
    facts = replace(facts, net_minor=net_minor, tax_minor=tax_minor)
    return _was_forgiven("credited")(facts, event)


def _was_forgiven(kind: e.ForgivenessKind) -> Callable[[Facts, Any], Facts]:
    def forgiven(facts: Facts, event: Any) -> Facts:
        return facts if event.forgiven == Split() else replace(facts, forgiveness_kind=kind)

    return forgiven


def _amount(facts: Facts, event: payment.Received | refund.Requested) -> Facts:
    return Facts(currency=event.currency, amount_minor=event.amount_minor)


def _agreed(facts: Facts, event: agreement.Requested) -> Facts:
    return Facts(currency=event.currency)


_CHANGES: Final[dict[type[Event], Callable[[Facts, Any], Facts]]] = {
    e.Drafted: _drafted,
    e.Redrafted: _redrafted,
    e.Sent: _was_sent,
    e.Waived: _was_forgiven("waived"),
    e.Credited: _was_credited,
    e.WrittenOff: _was_forgiven("written_off"),
    e.Renegotiated: _was_forgiven("renegotiated"),
    e.Voided: _was_forgiven("void"),
    e.Cancelled: _was_forgiven("cancelled"),
    payment.Received: _amount,
    refund.Requested: _amount,
    agreement.Requested: _agreed,
}
