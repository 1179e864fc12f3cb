"""Writing a message as a mail (RFC 5322), from its letter with decrypted personal texts.

The parts are joined here: the library's `EmailMessage` takes ten times as long, a fifth of what a message costs in all.
"""

import base64
import re
from datetime import datetime
from email.header import Header
from email.utils import format_datetime
from typing import Final

from adapters.messages.phrases import Phrases, phrases_of, shown_date, shown_money
from commands.messages import Letter
from schedulers.delivery import NotRenderable, Outgoing

_ADDRESS = re.compile(r"[!#$%&'*+/=?^_`{|}~A-Za-z0-9.-]+@[A-Za-z0-9.-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_SHORT = re.compile(r"[ -~]{1,60}")
MAX_ADDRESS_LENGTH: Final = 254
END: Final = "\r\n"
ENCODED: Final = "=?"
"""Begins an encoded word: a text that holds it is encoded itself, so that nobody reads it as one."""


def write_mail(letter: Letter, now: datetime, sent_from: str) -> Outgoing:
    """Writes a mail from a letter whose recipient and name are decrypted.

    sent_from  the sender's address; its domain is the message id's

    Raises NotRenderable for a malformed address.
    """
    phrases = phrases_of(letter.language)
    creditor = _line(letter.creditor)
    recipient = _address(letter.recipient)
    headers = (
        ("From", f"{_phrase(creditor)} <{sent_from}>"),
        ("To", recipient),
        ("Subject", _words("Subject", phrases.subject.format(creditor=creditor))),
        ("Date", format_datetime(now)),
        ("Message-ID", f"<{letter.message_id}@{sent_from.rpartition('@')[2]}>"),
        ("Auto-Submitted", "auto-generated"),
        ("MIME-Version", "1.0"),
        ("Content-Type", 'text/plain; charset="utf-8"'),
        ("Content-Transfer-Encoding", "base64"),
    )
    body = base64.encodebytes(_text(letter, phrases).replace("\n", END).encode())
    return Outgoing(
        message_id=letter.message_id,
        folder=letter.business_date.isoformat(),
        sent_from=sent_from,
        recipient=recipient,
        content=("".join(f"{name}: {value}{END}" for name, value in headers) + END).encode("ascii")
        + body.replace(b"\n", END.encode()),
    )


def _address(text: str) -> str:
    address = text.strip()
    if len(address) > MAX_ADDRESS_LENGTH or not _ADDRESS.fullmatch(address):
        raise NotRenderable("the customer's e-mail address is malformed; correct it and try again")
    return address


def _phrase(name: str) -> str:
    """A name before an address: quoted, or encoded when it is long or not ASCII."""
    if _SHORT.fullmatch(name) and ENCODED not in name:
        escaped = name.replace("\\", r"\\").replace('"', r"\"")
        return f'"{escaped}"'
    return Header(name, "utf-8", header_name="From").encode(linesep=END)


def _words(header: str, text: str) -> str:
    """A header's text: as it is, or encoded and folded when it is long or not ASCII."""
    if _SHORT.fullmatch(text) and ENCODED not in text:
        return text
    return Header(text, "utf-8", header_name=header).encode(linesep=END)


def _text(letter: Letter, phrases: Phrases) -> str:
    rows = [
        phrases.columns,
        *(
            (one.number, shown_date(phrases, one.due_on), shown_money(phrases, one.open))
            for one in letter.invoices
        ),
    ]
    widths = [max(len(row[place]) for row in rows) for place in range(3)]
    lines = [
        phrases.greeting.format(name=_line(letter.name)),
        "",
        phrases.opening[letter.purpose],
        "",
        *(
            f"{number:<{widths[0]}}  {due:<{widths[1]}}  {amount:>{widths[2]}}"
            for number, due, amount in rows
        ),
        "",
        phrases.total.format(total=shown_money(phrases, letter.total)),
    ]
    if letter.credit is not None:
        lines.append(phrases.credit.format(credit=shown_money(phrases, letter.credit)))
    lines += ["", phrases.paid_already, "", _line(letter.creditor)]
    if letter.creditor_address:
        lines.append(_line(letter.creditor_address))
    if letter.creditor_tax_number:
        lines.append(phrases.tax_number.format(number=_line(letter.creditor_tax_number)))
    return "\n".join(lines) + "\n"


def _line(text: str) -> str:
    """A text on one line: what comes from outside begins no line, and no header, of its own."""
    return _CONTROL.sub(" ", text).strip()
