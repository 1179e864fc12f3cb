"""What the clock needs of the store."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import NamedTuple, Protocol
from uuid import UUID

import msgspec

from ledger.business_day import BusinessDay, Step, Tally
from ledger.customer import Customer
from ledger.dunning.choice import Plans
from ledger.event_registry import New
from ledger.invoice.state import Invoice
from ledger.reference_rates import Table
from ledger.tenant import Settings

Decide = Callable[[Invoice, date], Sequence[New]]
"""What a step posts to an invoice on a day; empty when nothing is due."""


class DebtorCase(NamedTuple):
    """A customer with its open invoices, by their ids, its collection stream, the days of its last contacts, and the
    day on which it last opened a reminder."""

    customer_id: UUID
    customer: Customer
    contacts: tuple[date, ...]
    invoices: Sequence[tuple[UUID, Invoice]]
    collection_id: UUID
    opened_on: date | None = None


class StreamEvents(NamedTuple):
    """Events of one stream."""

    kind: str
    stream_id: UUID
    new: Sequence[New]


DecideDebtor = Callable[[DebtorCase, date], Sequence[StreamEvents]]
"""What a step posts about a customer on a day, each stream at most once by contact; empty when nothing is due."""


class Fenced(Exception):
    """This runner has lost its lock to another one. It must stop; whatever it was about to write is discarded."""


class ClockTaken(Exception):
    """Another runner has the clock of this shard."""


class Lease(msgspec.Struct, frozen=True):
    """The right to run a shard's clock. `fence` is greater than that of every holder before."""

    holder: str
    fence: int


class Cursor(msgspec.Struct, frozen=True):
    """How far a step has come: streams are looked at in the order of (wakes_on, id)."""

    after_on: date
    after_id: UUID


class Checkpoint(msgspec.Struct, frozen=True):
    """Where a step of a day stands. It only moves in the transaction that appends a chunk's events."""

    cursor: Cursor
    done: bool = False
    tally: Tally = Tally()


START = Checkpoint(Cursor(date(1, 1, 1), UUID(int=0)))


class Run(msgspec.Struct, frozen=True):
    """One run of one tenant's day, under a lease, for someone."""

    tenant_id: UUID
    day: date
    lease: Lease
    actor: str = "clock"


class Prepared(Protocol):
    """A chunk that was read and decided, ready to be committed."""

    @property
    def cursor(self) -> Cursor:
        """Where the chunk ends."""
        ...

    @property
    def tally(self) -> Tally: ...

    @property
    def is_last(self) -> bool:
        """Nothing is due after it."""
        ...


class ClockStore(Protocol):
    """The store as the clock sees it."""

    def settings(self, tenant_id: UUID) -> Settings: ...

    def reference_rates(self, tenant_id: UUID) -> Table: ...

    def dunning_plans(self, tenant_id: UUID) -> Plans:
        """The tenant's plans, active or not, and which of them a debt follows."""
        ...

    def templates(self, tenant_id: UUID, keys: Iterable[str]) -> dict[str, int]:
        """The last version of each of these templates that the tenant has, by its key."""
        ...

    def clock_states(self) -> list[tuple[UUID, Settings, date | None]]:
        """(tenant, its settings, its last closed day) of every tenant of the shard."""
        ...

    def acquire(self, holder: str) -> Lease:
        """Takes the shard's clock. Raises ClockTaken while another holder's lease runs."""
        ...

    def release(self, lease: Lease) -> None: ...

    def business_day(self, tenant_id: UUID, day: date) -> BusinessDay | None: ...

    def last_closed(self, tenant_id: UUID) -> date | None:
        """The latest day that was closed in turn, not by an import."""
        ...

    def open_day(self, run: Run) -> None:
        """Appends that the day has opened, unless it has."""
        ...

    def begin(self, run: Run, step: Step) -> Checkpoint:
        """Claims a step for this lease and says where it stands. Raises Fenced."""
        ...

    def begin_again(self, run: Run, step: Step) -> Checkpoint:
        """Sets a step that was completed back to its beginning. Raises Fenced."""
        ...

    def prepare(self, run: Run, step: Step, decide: Decide, after: Cursor, limit: int) -> Prepared:
        """Reads up to `limit` streams that are due after a cursor, and decides on each. Writes nothing."""
        ...

    def prepare_debtors(
        self, run: Run, step: Step, decide: DecideDebtor, after: Cursor, limit: int
    ) -> Prepared:
        """As `prepare`, for a step that decides by customer: whole customers, up to about `limit` of their invoices."""
        ...

    def commit(self, run: Run, step: Step, before: Checkpoint, chunk: Prepared) -> Checkpoint:
        """Appends a chunk's events, moves its snapshots and the step's checkpoint, in one transaction.

        With the last chunk it appends that the step is completed. Raises Fenced, or StaleChunk when a command has
        moved one of its streams meanwhile.
        """
        ...

    def commit_locked(
        self, run: Run, step: Step, decide: Decide, before: Checkpoint, chunk: Prepared
    ) -> Checkpoint:
        """As `commit`, but reads and decides the same chunk again under the log head's lock, where nothing moves."""
        ...

    def commit_debtors_locked(
        self, run: Run, step: Step, decide: DecideDebtor, before: Checkpoint, chunk: Prepared
    ) -> Checkpoint:
        """As `commit_locked`, for a step that decides by customer."""
        ...

    def close_day(self, run: Run, *, in_turn: bool) -> None:
        """Appends that the day is closed, unless it is."""
        ...

    def waiting(self) -> int:
        """How many commands wait for the log."""
        ...


class StaleChunk(Exception):
    """A stream of the chunk has moved on since it was read."""
