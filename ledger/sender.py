"""A sender: a mail server through which a tenant's messages leave, by its key.

A sender that is at fault (its login is refused, its certificate is wrong, its address is not accepted) is paused, with
one task for a person; messages wait for another sender, or until it is resumed, and use up no attempt.

Its password is not part of any event: `secret_id` names where it is kept, encrypted under the master key.
"""

import re
from datetime import date
from ipaddress import ip_address
from typing import Final, Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from ledger.encrypted import plain
from ledger.errors import Conflict, Rejected, quoted
from ledger.event_registry import Event, stored
from ledger.ids import stable_id

FOLD_VERSION = 1

KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?")
DOMAIN = re.compile(r"(?=.{4,190}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
SELECTOR = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
)
MAX_CONNECTIONS: Final = 50
MAX_PER_SECOND: Final = 1_000
MAX_PAUSE_MS: Final = 3_600_000
MAX_PORT: Final = 65_535
MAX_USERNAME_LENGTH: Final = 255

Security = Literal["tls", "starttls", "none"]
"""How a connection is encrypted: from its first byte, by STARTTLS before anything else is said, or not at all."""

State = Literal["active", "paused"]


class MalformedSenderKey(Rejected):
    """A sender's key is 1 to 40 small letters, digits, hyphens and underscores."""


class MalformedSender(Rejected):
    """A sender's host, port, address or limit cannot be used; the message says which and why."""


class SenderPaused(Conflict):
    """The sender is paused; nothing is sent through it until it is resumed."""


class SmtpSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mail server, and how fast it is used.

    host, port      of the server
    from_address    whom messages are from
    return_domain   a domain whose mail the intake gets: undeliverable messages return there, each to an address of its
                    own; empty, they return to `from_address`
    receipts        whether mail servers are asked to report what they delivered; otherwise, what they could not
    dkim_selector   under which the public key of `from_address`'s domain is published; empty: nothing is signed here
    dkim_secret_id  where the private key is kept, if there is one
    security        how a connection is encrypted; a password is never sent over one that is not
    username        of the login; empty: none
    secret_id       where the password is kept, if there is one
    source_address  of this machine, from which connections are made; empty: the system chooses
    connections     at the same time, of each worker
    pause_ms        from the start of one message to the start of the next on a connection, in milliseconds
    max_per_second  messages in a second, over all workers; 0: no limit
    """

    host: str
    port: int
    from_address: str
    security: Security = "starttls"
    username: str = ""
    secret_id: UUID | None = None
    source_address: str = ""
    connections: int = 2
    pause_ms: int = 3_000
    max_per_second: int = 0
    return_domain: str = ""
    receipts: bool = False
    dkim_selector: str = ""
    dkim_secret_id: UUID | None = None


@stored("sender.configured.v1")
class Configured(Event, frozen=True):
    """The sender as it is from now on; the first makes it."""

    key: str
    smtp: SmtpSettings


@stored("sender.paused.v1")
class Paused(Event, frozen=True):
    """Nothing is sent through it any more. The reason holds no personal data and no secret."""

    reason: str
    at_fault: bool = False


@stored("sender.resumed.v1")
class Resumed(Event, frozen=True):
    """Messages are sent through it again."""


class MailSender(msgspec.Struct, frozen=True, array_like=True):
    """A sender as folded. `pauses` counts how often it was paused; `reason` says why it is."""

    key: str
    smtp: SmtpSettings
    state: State = "active"
    pauses: int = 0
    reason: str = ""


def stream_id(tenant_id: UUID, key: str) -> UUID:
    """The id of a sender."""
    return stable_id("sender", tenant_id, key)


def check_key(key: str) -> str:
    """Raises MalformedSenderKey."""
    if not KEY.fullmatch(key):
        raise MalformedSenderKey(
            f"{quoted(key)} is no sender's key: use 1 to 40 of a to z, 0 to 9, - and _", field="key"
        )
    return key


def check_smtp(smtp: SmtpSettings) -> SmtpSettings:
    """Raises MalformedSender."""
    _require(bool(HOST.fullmatch(smtp.host)), "host", "must be a host's name or address")
    _require(1 <= smtp.port <= MAX_PORT, "port", f"must be between 1 and {MAX_PORT}")
    _require(
        bool(ADDRESS.fullmatch(smtp.from_address)), "from_address", "must be one e-mail address"
    )
    _require(
        len(smtp.username) <= MAX_USERNAME_LENGTH and smtp.username.isprintable(),
        "username",
        f"must be at most {MAX_USERNAME_LENGTH} printable characters",
    )
    plain(smtp.username, "username")
    _require(
        not (smtp.username and smtp.security == "none"),
        "security",
        "must be tls or starttls: a login is not sent unencrypted",
    )
    _require(
        not smtp.source_address or _is_ip(smtp.source_address),
        "source_address",
        "must be an IP address",
    )
    _require(
        1 <= smtp.connections <= MAX_CONNECTIONS,
        "connections",
        f"must be between 1 and {MAX_CONNECTIONS}",
    )
    _require(
        not smtp.return_domain or bool(DOMAIN.fullmatch(smtp.return_domain)),
        "return_domain",
        "must be a domain, such as bounces.example.com",
    )
    _require(
        bool(smtp.return_domain) or not smtp.receipts,
        "receipts",
        "need a return_domain, to which reports are sent",
    )
    _require(
        not smtp.dkim_selector or bool(SELECTOR.fullmatch(smtp.dkim_selector)),
        "dkim_selector",
        "must be 1 to 63 letters, digits and hyphens, such as s2026",
    )
    _require(
        bool(smtp.dkim_selector) == (smtp.dkim_secret_id is not None),
        "dkim_selector",
        "and the private key belong together: say both",
    )
    _require(
        0 <= smtp.pause_ms <= MAX_PAUSE_MS, "pause_ms", f"must be between 0 and {MAX_PAUSE_MS}"
    )
    _require(
        0 <= smtp.max_per_second <= MAX_PER_SECOND,
        "max_per_second",
        f"must be between 0 and {MAX_PER_SECOND}",
    )
    return smtp


def require_active(sender: MailSender) -> None:
    """Raises SenderPaused."""
    if sender.state == "paused":
        raise SenderPaused(f"the sender {sender.key} is paused: {sender.reason}")


def evolve(sender: MailSender | None, event: Event, effective_on: date) -> MailSender:
    if isinstance(event, Configured):
        if sender is None:
            return MailSender(event.key, event.smtp)
        return replace(sender, smtp=event.smtp)
    assert sender is not None, f"{event.TAG} came before the sender was configured"
    match event:
        case Paused():
            return replace(sender, state="paused", pauses=sender.pauses + 1, reason=event.reason)
        case Resumed():
            return replace(sender, state="active", reason="")
    raise AssertionError(f"a sender does not know {event.TAG}")


def _require(holds: bool, field: str, what: str) -> None:
    if not holds:
        raise MalformedSender(f"the sender's {field} {what}", field=field)


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
