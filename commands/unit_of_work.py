"""The unit of work a command runs in: what it may load, and what it wants appended, all or nothing.

The event store implements it (`adapters.store.unit_of_work`). A handler may be run more than once before its events are
committed: it must do nothing but load, decide and append.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from ledger.errors import Conflict, NotFound
from ledger.event_registry import New


class Unknown(NotFound):
    """There is no such thing in this tenant's books."""


class AlreadyExists(Conflict):
    """It exists: the same id or name was used before."""


class NumberBeforeSeries(Conflict):
    """A number's issue date may not be before the last one its series gave out."""


class NameRange(NamedTuple):
    """Names of a kind from one to another, both included, in the order of their code points."""

    kind: str
    first: str
    last: str


class Unit(Protocol):
    """One command's view of one tenant's streams."""

    @property
    def tenant_id(self) -> UUID: ...

    @property
    def now(self) -> datetime:
        """The instant of the command, UTC."""
        ...

    @property
    def command_id(self) -> UUID:
        """Derived from (tenant, idempotency key) where there is a key, else random."""
        ...

    @property
    def actor(self) -> str:
        """Who asks, as events name it: `key:<id>`, `clock`, `cli`."""
        ...

    def new_id(self, *parts: str) -> UUID:
        """The id of a stream this command creates: derived from the command's id and `parts`."""
        ...

    def find(self, kind: str, stream_id: UUID) -> Any | None:
        """The state of a stream, with what this unit has appended to it; None when there is none."""
        ...

    def expect(self, stream_ids: Iterable[UUID]) -> None:
        """Says which streams the command is about to find one by one, so that they are loaded in one go."""
        ...

    def payable(self, customer_id: UUID) -> list[tuple[UUID, Any]]:
        """(id, Invoice) of every invoice of the customer that can take money, in no order."""
        ...

    def append(self, kind: str, stream_id: UUID, events: Iterable[New]) -> Any:
        """Adds events to a stream; returns its state after them."""
        ...

    def claim(self, kind: str, name: str, stream_id: UUID) -> None:
        """Takes a name for a stream, once per tenant and kind. Raises AlreadyExists."""
        ...

    def named(self, kind: str, name: str) -> UUID | None:
        """The stream that holds a name."""
        ...

    def in_use(self, kind: str, names: Sequence[str]) -> set[str]:
        """Those of the names that a stream holds; asked in one go."""
        ...

    def holders(self, names: NameRange) -> dict[str, UUID]:
        """The streams that hold names of a range, by name. A command that will ask says so beforehand
        (`Request.prefetch_names`), so that its group's are looked up in one go."""
        ...

    def next_number(self, kind: str, series: str, issued_on: date, *, yearly: bool = False) -> int:
        """The number that a gapless series gives out next; 1 for the first of a year where it is `yearly`.

        Raises NumberBeforeSeries.
        """
        ...

    def take_number(self, kind: str, series: str, number: int, issued_on: date) -> None:
        """Gives out the numbers of a series up to this one, for a day."""
        ...

    def encrypt(self, customer_id: UUID, text: str) -> str:
        """Encrypts a personal text under the customer's key (made at the first use); empty stays empty."""
        ...

    def fingerprint(self, customer_id: UUID, text: str) -> str:
        """A keyed hash of a personal text: equal texts of one customer give equal ones, and nobody can tell more."""
        ...

    def register_tenant(self, name: str) -> None:
        """Enters this tenant under its name in the register of tenants. Raises AlreadyExists."""
        ...

    def store_key(self, key_id: UUID, key_hash: bytes, name: str, role: str) -> None:
        """Stores an API key for authentication, in the same transaction."""
        ...

    def revoke_key(self, key_id: UUID) -> None: ...


def load(unit: Unit, kind: str, stream_id: UUID) -> Any:
    """The state of a stream that must exist. Raises Unknown."""
    state = unit.find(kind, stream_id)
    if state is None:
        raise Unknown(f"there is no {kind.replace('_', ' ')} {stream_id}")
    return state
