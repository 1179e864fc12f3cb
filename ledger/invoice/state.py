"""The state of an invoice: what was folded from its events (`ledger.invoice.evolving`)."""

from collections.abc import Iterable
from datetime import date
from typing import Literal
from uuid import UUID

import msgspec

from ledger.allocation import Split
from ledger.calendars import Calendar
from ledger.invoice import events as e
from ledger.policy import FeePolicy

Status = Literal[
    "draft", "sent", "overdue", "paid", "void", "cancelled", "written_off", "renegotiated"
]
OPEN: frozenset[Status] = frozenset(("sent", "overdue"))
REOPENING: frozenset[Status] = frozenset(("paid", "cancelled", "written_off", "renegotiated"))
"""What a payment that is taken back opens again."""
GIVEN_UP: frozenset[Status] = frozenset(("void", "cancelled", "written_off", "renegotiated"))
"""Closed without being paid: nothing more is charged."""

FOLD_VERSION = 2
"""Raised whenever `Invoice` or `evolve` changes, so that stored heads are folded anew."""

NOTHING = Split()


class Movement(msgspec.Struct, frozen=True, array_like=True):
    """A change of the open principal: effective date and signed minor units."""

    on: date
    principal_minor: int


class Received(msgspec.Struct, frozen=True, array_like=True):
    """A payment's part in this invoice, or a part of credit, as its event stored it; below zero when charged back.

    source_id  the payment, or what the credit came from
    recovered  what of it brought back a debt that was written off
    """

    source_id: UUID
    on: date
    split: Split
    recovered: Split = Split()


class GivenUp(msgspec.Struct, frozen=True, array_like=True):
    """What the creditor gave up on a day, as its event stored it."""

    on: date
    split: Split
    way: e.GivenUpAs


class Dispute(msgspec.Struct, frozen=True, array_like=True):
    """What the customer disputes: from the day after `on` until the end of `until`, or still."""

    on: date
    minor: int
    holds_interest: bool
    until: date | None = None
    outcome: e.Outcome | None = None


class Promise(msgspec.Struct, frozen=True, array_like=True):
    """What the customer promised on a day to pay by another; `kept` once that one is over.

    before  what had been received of that day when the promise was made: it is no part of its keeping
    paid_minor  what was found paid on it once its day was over
    """

    on: date
    minor: int
    promised_on: date
    kept: bool | None = None
    before: tuple[Received, ...] = ()
    paid_minor: int = 0


class Hold(msgspec.Struct, frozen=True, array_like=True):
    """Dunning leaves the invoice alone, until a day (included) or until it is released."""

    until_on: date | None


class CreditedLine(msgspec.Struct, frozen=True, array_like=True):
    """What credit notes have taken back of a line so far."""

    net_minor: int = 0
    tax_minor: int = 0


class Terms(msgspec.Struct, frozen=True, array_like=True):
    """What was frozen at sending."""

    number: str
    issued_on: date
    payable_until: date
    late_on: date
    policy: FeePolicy
    calendar: Calendar
    mora_base_minor: int


class Invoice(msgspec.Struct, frozen=True, array_like=True):
    """An invoice as folded from its events. Amounts are minor units of `currency`.

    charged   everything ever asked for, by component: principal at sending, fees and interest as posted
    paid      what payments and credit cover, by component
    forgiven  what was given up, by component; `forgiven_of` has it by way, recoveries taken off
    open      charged - paid - forgiven
    received  the payments and credits that stand, not reversed, in the order in which they were recorded
    given_up  what was given up, as the events said it
    moved     overpaid charges that count as a payment of principal: day and (positive) minor units
    movements changes of the open principal after sending by day, from the three above
    mora_through  the day up to which interest stands, once anything was posted or recalculated
    was_overdue   overdue by its present due date, whatever became of it
    credited_minor  overpaid amounts that this invoice has handed to the customer's credit
    lines     the priced lines, still encoded: only documents need them
    instalment  its place in an agreement
    disputes  the dispute that is open, and earlier ones that held interest
    promise   the last promise to pay
    hold      what keeps dunning from it
    credited_lines  what credit notes took back, by line; empty before the first
    """

    customer_id: UUID
    currency: str
    status: Status
    due_on: date
    net_minor: int
    tax_minor: int
    total_minor: int
    lines: msgspec.Raw
    notes: str
    terms: Terms | None = None
    charged: Split = Split()
    paid: Split = Split()
    forgiven: Split = Split()
    open: Split = Split()
    movements: tuple[Movement, ...] = ()
    mora_through: date | None = None
    was_overdue: bool = False
    credited_minor: int = 0
    received: tuple[Received, ...] = ()
    given_up: tuple[GivenUp, ...] = ()
    moved: tuple[Movement, ...] = ()
    forgiven_of: dict[e.GivenUpAs, Split] = {}
    instalment: e.Instalment | None = None
    disputes: tuple[Dispute, ...] = ()
    promise: Promise | None = None
    hold: Hold | None = None
    credited_lines: tuple[CreditedLine, ...] = ()

    @property
    def dispute(self) -> Dispute | None:
        """The dispute that is open."""
        last = self.disputes[-1] if self.disputes else None
        return last if last is not None and last.until is None else None

    @property
    def written_off(self) -> Split:
        """What is written off and has not been recovered."""
        return self.forgiven_of.get("written_off", NOTHING)

    @property
    def number(self) -> str:
        return self.terms.number if self.terms else ""


def lines_of(invoice: Invoice) -> tuple[e.InvoiceLine, ...]:
    """The priced lines of an invoice."""
    return msgspec.msgpack.decode(invoice.lines, type=tuple[e.InvoiceLine, ...])


def timeline(
    received: Iterable[Received], given_up: Iterable[GivenUp], moved: Iterable[Movement]
) -> tuple[Movement, ...]:
    """What payments, gifts and moved amounts do to the open principal, one movement a day, in order."""
    by_day: dict[date, int] = {}
    for part in received:
        by_day[part.on] = by_day.get(part.on, 0) - part.split.principal
    for gift in given_up:
        by_day[gift.on] = by_day.get(gift.on, 0) - gift.split.principal
    for move in moved:
        by_day[move.on] = by_day.get(move.on, 0) - move.principal_minor
    return tuple(Movement(on, minor) for on, minor in sorted(by_day.items()) if minor)
