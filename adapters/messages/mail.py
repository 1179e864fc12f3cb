"""Writing a message as a mail (RFC 5322), from its letter with decrypted personal texts."""

import re
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from adapters.messages.phrases import Phrases, phrases_of, shown_date, shown_money
from commands.messages import Letter
from schedulers.delivery import NotRenderable, Outgoing

_ADDRESS = re.compile(r"[^@\s\x00-\x20\x7f\"<>(),:;\\\[\]]+@[A-Za-z0-9.-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
MAX_ADDRESS_LENGTH: Final = 254


def write_mail(letter: Letter, now: datetime, sent_from: str) -> Outgoing:
    """Writes a mail from a letter whose recipient and name are decrypted.

    sent_from  the sender's address; its domain is the message id's

    Raises NotRenderable for a malformed address.
    """
    phrases = phrases_of(letter.language)
    creditor = _line(letter.creditor)
    mail = EmailMessage(policy=SMTP)
    recipient = _address(letter.recipient)
    user, _, domain = sent_from.rpartition("@")
    mail["From"] = Address(creditor, user, domain)
    mail["To"] = recipient
    mail["Subject"] = phrases.subject.format(creditor=creditor)
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{letter.message_id}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(_text(letter, phrases), cte="base64")
    return Outgoing(
        message_id=letter.message_id,
        folder=letter.business_date.isoformat(),
        sent_from=sent_from,
        recipient=recipient.addr_spec,
        content=mail.as_bytes(),
    )


def _address(text: str) -> Address:
    address = text.strip()
    if len(address) > MAX_ADDRESS_LENGTH or not _ADDRESS.fullmatch(address):
        raise NotRenderable("the customer's e-mail address is malformed; correct it and try again")
    user, _, domain = address.rpartition("@")
    return Address("", user, domain)


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
