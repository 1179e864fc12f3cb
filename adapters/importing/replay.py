"""Replaying rows in date order: each is an invoice sent on its day, and a payment on the day it was settled."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from datetime import date
from functools import partial
from uuid import UUID

import msgspec

from adapters.importing import history
from adapters.importing.row_validation import Row
from adapters.store.writer import Answer, Request, Writer
from ledger.errors import LedgerError

ACTOR = "import"
MOST_WAITING = 2_000
SEND, SETTLE = 0, 1


class Action(msgspec.Struct, frozen=True, array_like=True):
    """What a row does on a date: `kind` is SEND or SETTLE."""

    on: date
    kind: int
    row: Row

    @property
    def order(self) -> tuple[date, int, int]:
        """By date; on one date sendings first; then as the rows stand in the file."""
        return self.on, self.kind, self.row.line


class Failed(msgspec.Struct, frozen=True):
    """A row that did not go in."""

    line: int
    reason: str


def actions_of(row: Row, *, paid_only: bool = False) -> list[Action]:
    """What a row does. A prepayment is booked with the sending, on the issue date, under its own date."""
    actions = [] if paid_only else [Action(row.issued_on, SEND, row)]
    if row.settled_on is not None:
        actions.append(Action(max(row.issued_on, row.settled_on), SETTLE, row))
    return actions


class Replay:
    """Gives actions to the writer in order, many at a time, so that it commits them in groups.

    The writer runs commands in the order in which they were asked for, so an invoice stands before its payment comes.
    """

    def __init__(
        self,
        writer: Writer,
        tenant_id: UUID,
        correlation_id: str,
        done: Callable[[], None] = lambda: None,
    ) -> None:
        self.failed: list[Failed] = []
        self.repeated = 0  # invoices that another import of the same rows had brought in meanwhile
        self._writer = writer
        self._tenant_id = tenant_id
        self._correlation_id = correlation_id
        self._done = done
        self._left_out: set[str] = set()
        self._waiting: deque[tuple[Action, Future[Answer]]] = deque()

    def run(self, action: Action) -> None:
        """Asks for an action; waits only while very many are under way."""
        self._waiting.append((action, self._writer.submit(self._request(action))))
        if len(self._waiting) >= MOST_WAITING:
            self._settle_one()

    def finish(self) -> None:
        """Waits for everything that was asked for. Raises StoreUnavailable when the database stays away."""
        while self._waiting:
            self._settle_one()

    def _settle_one(self) -> None:
        action, future = self._waiting.popleft()
        row = action.row
        try:
            answer = future.result()
            self.repeated += answer.replayed and action.kind == SEND
        except LedgerError as error:
            # The payment of an invoice that did not go in has nothing to pay: it was told once already.
            if row.invoice_number not in self._left_out:
                self._left_out.add(row.invoice_number)
                self.failed.append(Failed(row.line, _told(action, error)))
        self._done()

    def _request(self, action: Action) -> Request:
        row = action.row
        invoice_id = history.invoice_id_of(self._tenant_id, row.invoice_number)
        if action.kind == SEND:
            handler, key = partial(history.send, row=row), history.send_key(row)
            other = history.customer_id_of(self._tenant_id, row.customer_ref)
        else:
            handler, key = partial(history.settle, row=row), history.settle_key(row)
            other = history.payment_id_of(self._tenant_id, row.invoice_number)
        return Request(
            tenant_id=self._tenant_id,
            actor=ACTOR,
            handler=handler,
            key=key,
            correlation_id=self._correlation_id,
            prefetch_streams=(invoice_id, other),
        )


def _told(action: Action, error: LedgerError) -> str:
    if action.kind == SEND:
        return str(error)
    return f"the invoice is in the books, its settlement was refused: {error}"
