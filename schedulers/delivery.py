"""Senders as the outbox sees them: a message that is written, the connection it leaves through, and what came of it.

SenderUnavailable   no connection can be made now; nothing was submitted, the sender is tried again later
SenderAtFault       the sender is wrong as it is set up; a person must look at it
"""

from typing import Literal, Protocol
from uuid import UUID

import msgspec

from ledger.errors import Rejected


class NotRenderable(Rejected):
    """The message cannot be written as the customer's data are, such as a malformed address."""


class SenderUnavailable(Exception):
    """No connection can be made now. The text holds no personal data and no secret."""


class SenderAtFault(Exception):
    """The sender is wrong as it is set up, such as its password. The text holds no personal data and no secret."""


class Outgoing(msgspec.Struct, frozen=True):
    """A message, rendered. It holds decrypted personal data: it is made for one attempt and never stored.

    folder      a name for the day's messages
    returns_to  the address that it returns to when it cannot be delivered
    recipient   the address it goes to
    content     a whole mail, as RFC 5322 has it
    """

    message_id: UUID
    folder: str
    returns_to: str
    recipient: str
    content: bytes


class Taken(msgspec.Struct, frozen=True):
    """The sender has the message, now or since an earlier attempt.

    reference     its name there
    content_hash  SHA-256 of what was sent, as hexadecimal digits
    """

    reference: str
    content_hash: str


class NotTaken(msgspec.Struct, frozen=True):
    """The message did not leave. The reason holds no personal data.

    for_good           no other attempt would change that
    address_is_unknown  because the recipient's address does not exist
    """

    reason: str
    for_good: bool = False
    address_is_unknown: bool = False


class MaybeTaken(msgspec.Struct, frozen=True):
    """The message may have left. The reason holds no personal data."""

    reason: str


class Throttled(msgspec.Struct, frozen=True):
    """The message did not leave because too much was sent. Neither the message nor the sender is at fault.

    by  who takes no more for now: the `sender`, or the recipient's `domain`
    """

    reason: str
    by: Literal["sender", "domain"]


class Faulty(msgspec.Struct, frozen=True):
    """The message did not leave because the sender is wrong as it is set up."""

    reason: str


Outcome = Taken | NotTaken | MaybeTaken | Throttled | Faulty


class Connection(Protocol):
    """A way out for one message at a time."""

    @property
    def is_open(self) -> bool:
        """Whether a message can be submitted, as far as is known here."""
        ...

    async def open(self) -> None:
        """Makes sure that a message can be submitted. Raises SenderUnavailable, SenderAtFault."""
        ...

    async def send(self, outgoing: Outgoing) -> Outcome:
        """Submits a message, once."""
        ...

    async def close(self) -> None: ...


class Sender(Protocol):
    """A way to send messages: a mail server, or a folder of files.

    key                 as events name it
    sender_id           of a tenant's own; none, of the installation's
    sent_from           the address its messages are from
    return_domain       where messages return to that cannot be delivered, each to an address of its own; empty, to
                        `sent_from`
    recognises_repeats  sending a message again that it has taken changes nothing
    connections         at the same time
    pause_seconds       from the start of one message to the start of the next on a connection
    max_per_second      messages in a second, over all workers; 0: no limit
    """

    key: str
    sender_id: UUID | None
    sent_from: str
    return_domain: str
    recognises_repeats: bool
    connections: int
    pause_seconds: float
    max_per_second: int

    def connect(self) -> Connection:
        """A connection, not opened yet."""
        ...
