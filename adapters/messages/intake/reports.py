"""What a mail that came back says: a delivery report (RFC 3464), a complaint (RFC 5965), or neither.

A report is written by a stranger. Of its texts only codes are kept, which hold no personal data; addresses are compared
and dropped.
"""

import re
from collections.abc import Iterable, Iterator
from email import message_from_bytes, policy
from email.message import Message
from email.utils import getaddresses, parseaddr
from typing import Final, Literal

import msgspec

Kind = Literal[
    "bounced", "delivered", "relayed", "delayed", "complaint", "automatic_reply", "unreadable"
]
"""What a mail says.

    bounced          the message was given back
    delivered        it was delivered
    relayed          it was passed on to a server that reports nothing
    delayed          it is still being tried
    complaint        the recipient does not want it
    automatic_reply  somebody is out of office
    unreadable       nothing that can be read here
"""

ACTIONS: Final[dict[str, Kind]] = {
    "failed": "bounced",
    "delivered": "delivered",
    "relayed": "relayed",
    "expanded": "relayed",
    "delayed": "delayed",
}
# Of several recipients' reports the one that says most counts.
WEIGHT: Final[tuple[Kind, ...]] = ("bounced", "delivered", "relayed", "delayed")
COMPLAINTS: Final = frozenset(("abuse", "fraud", "virus", "other", "opt-out", "opt-out-list"))
"""Feedback that means that the message is not wanted; `not-spam` means the opposite."""

_STATUS = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_UNSUBSCRIBE_LINK = re.compile(r"<[^<>\s]*/u/([A-Za-z0-9_-]{1,64})>")
_AUTOMATIC: Final = frozenset(("auto_reply", "bulk", "junk", "list"))


class Report(msgspec.Struct, frozen=True):
    """What a mail says about a message.

    status        an enhanced code (RFC 3463); empty when none was said
    recipients    addresses that it names as the message's, in lower case
    return_paths  local parts of the address that the message returned to, as the report quotes it
    links         tokens of links to unsubscribe in what it quotes of the message
    """

    kind: Kind
    status: str = ""
    complaint: str = ""
    recipients: tuple[str, ...] = ()
    return_paths: tuple[str, ...] = ()
    links: tuple[str, ...] = ()


def read_report(raw: bytes) -> Report:
    """What a mail says."""
    try:
        mail = message_from_bytes(raw, policy=policy.compat32)
        return _read(mail)
    except (ValueError, LookupError, RecursionError, AttributeError, TypeError):
        # The library's parser fails in many ways on what nobody should send.
        return Report("unreadable")


def recipients_of(raw: bytes) -> list[str]:
    """The addresses to which a mail in a file was sent, as its headers say."""
    mail = message_from_bytes(raw, policy=policy.compat32)
    fields = ("Delivered-To", "X-Original-To", "To")
    found = getaddresses([str(value) for name in fields for value in mail.get_all(name, [])])
    return [address for _, address in found if address]


def _read(mail: Message) -> Report:
    parts = list(mail.walk())
    for part in parts:
        if part.get_content_type() == "message/delivery-status":
            return _delivery(part, parts)
        if part.get_content_type() == "message/feedback-report":
            return _feedback(part, parts)
    if _is_automatic(mail):
        return Report("automatic_reply")
    return Report("unreadable")


def _delivery(part: Message, parts: Iterable[Message]) -> Report:
    """Blocks of fields: the first about the message, each other one about a recipient."""
    found: list[tuple[Kind, str, list[str]]] = []
    for block in _blocks(part):
        kind = ACTIONS.get(_field(block, "Action").lower())
        if kind is None:
            continue
        named = _STATUS.search(_field(block, "Status")) or _STATUS.search(
            _field(block, "Diagnostic-Code")
        )
        addresses = [
            _address(_field(block, name)) for name in ("Original-Recipient", "Final-Recipient")
        ]
        found.append((kind, named[1] if named else "", [one for one in addresses if one]))
    if not found:
        return Report("unreadable")
    kind, status, addresses = min(found, key=lambda one: WEIGHT.index(one[0]))
    return Report(
        kind, status, "", tuple(addresses), tuple(_return_paths(parts)), tuple(_links(parts))
    )


def _feedback(part: Message, parts: list[Message]) -> Report:
    fields = next(_blocks(part), None)
    if fields is None:
        return Report("unreadable")
    kind = _field(fields, "Feedback-Type").lower()
    if kind not in COMPLAINTS:
        return Report("automatic_reply" if kind else "unreadable")
    quoted = [_local_part(_field(fields, "Original-Mail-From"))]
    return Report(
        "complaint",
        complaint=kind,
        return_paths=(*(one for one in quoted if one), *_return_paths(parts)),
        links=tuple(_links(parts)),
    )


def _blocks(part: Message) -> Iterator[Message]:
    payload = part.get_payload()
    if isinstance(payload, list):
        yield from (one for one in payload if isinstance(one, Message))


def _field(block: Message, name: str) -> str:
    return " ".join(str(block.get(name, "")).split())


def _address(field: str) -> str:
    """The address of `rfc822; ann@example.com`."""
    return field.rpartition(";")[2].strip().strip("<>").lower()


def _local_part(field: str) -> str:
    return parseaddr(field)[1].rpartition("@")[0]


def _return_paths(parts: Iterable[Message]) -> Iterator[str]:
    for part in parts:
        local = _local_part(_field(part, "Return-Path"))
        if local:
            yield local


def _links(parts: Iterable[Message]) -> Iterator[str]:
    """Also of a message that is quoted by its headers alone (text/rfc822-headers)."""
    for part in parts:
        texts = [_field(part, "List-Unsubscribe")]
        if part.get_content_type() == "text/rfc822-headers":
            quoted = part.get_payload(decode=True)
            texts.append(quoted.decode("ascii", "replace") if isinstance(quoted, bytes) else "")
        for text in texts:
            yield from _UNSUBSCRIBE_LINK.findall(text)


def _is_automatic(mail: Message) -> bool:
    submitted = _field(mail, "Auto-Submitted").lower()
    return (
        submitted.startswith("auto-")
        or bool(mail.get("X-Autoreply"))
        or bool(mail.get("X-Autorespond"))
        or _field(mail, "Precedence").lower() in _AUTOMATIC
    )
