"""What an answer of a mail server means for the message, its sender and the recipient's domain.

An answer is a code (RFC 5321) and often an enhanced one (RFC 3463), which says more. Rows are tried in order.

    before it    at which command               what it means
    421, 454     RCPT, DATA                     the recipient's domain takes no more for now
    421, 454     any other                      the sender takes no more for now
    530 to 538   any                            the sender is at fault: it must log in, or encrypt
    x.2.2        any                            the mailbox is full: tried again later
    4xx          any                            tried again later
    5.1.7, 5.1.8 any                            the sender is at fault: its address is refused
    5.1.1 .2 .3 .10, 5.2.1  any                 for good, and the recipient's address does not exist
    5.3.4, 5.6.x any                            for good: too big, or its content
    5xx          connecting, HELO, AUTH, MAIL   the sender is at fault
    5xx          RCPT, DATA                     for good

No answer, or one that cannot be read, once the text is being written: nobody knows.
"""

import re
from typing import Final, Literal

from schedulers.delivery import Faulty, MaybeTaken, NotTaken, Outcome, Throttled

Command = Literal["connect", "auth", "mail", "rcpt", "data"]

THROTTLING: Final = frozenset({421, 454})
LOGIN_REQUIRED: Final = frozenset({530, 534, 535, 538})
SENDER_REFUSED: Final = frozenset({"5.1.7", "5.1.8"})
ADDRESS_UNKNOWN: Final = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.10", "5.2.1"})
MAILBOX_FULL: Final = frozenset({"4.2.2", "5.2.2"})
TOO_BIG: Final = "5.3.4"

_ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})(?![\d.])")


def classify(command: Command, code: int, text: str) -> Outcome:
    """What a refusal means. `text` follows the code; only its enhanced code is kept, for it may quote the recipient."""
    enhanced = _enhanced(code, text)
    reason = f"the server answered {code} {enhanced}".rstrip() + f" to {command.upper()}"
    if not 400 <= code < 600:
        return _unreadable(command, reason)
    if code in THROTTLING:
        return Throttled(reason, "domain" if command in ("rcpt", "data") else "sender")
    if code in LOGIN_REQUIRED:
        return Faulty(reason)
    if code < 500 or enhanced in MAILBOX_FULL:
        return NotTaken(reason)
    if enhanced in SENDER_REFUSED:
        return Faulty(reason)
    if enhanced in ADDRESS_UNKNOWN:
        return NotTaken(reason, for_good=True, address_is_unknown=True)
    if enhanced == TOO_BIG or enhanced.startswith("5.6."):
        return NotTaken(reason, for_good=True)
    if command in ("connect", "auth", "mail"):
        return Faulty(reason)
    return NotTaken(reason, for_good=True)


def lost(command: Command, what: str) -> Outcome:
    """What it means that the connection was lost, or no answer came: before the text, that nothing was submitted."""
    reason = f"{what} at {command.upper()}"
    return MaybeTaken(reason) if command == "data" else NotTaken(reason)


def _unreadable(command: Command, reason: str) -> Outcome:
    return MaybeTaken(reason) if command == "data" else NotTaken(reason)


def _enhanced(code: int, text: str) -> str:
    """The enhanced code at the beginning of a text, if it is of the same class as the code."""
    found = _ENHANCED.match(text)
    return found[1] if found is not None and found[1][0] == str(code)[0] else ""
