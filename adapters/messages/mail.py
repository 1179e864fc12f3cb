"""Writing a message as a mail (RFC 5322), from its letter with decrypted personal texts.

The parts are joined here: the library's `EmailMessage` takes ten times as long, a fifth of what a message costs in all.
"""

import base64
import re
from collections.abc import Sequence
from datetime import datetime
from email.header import Header
from email.utils import format_datetime
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from adapters.templates.mail import MailTemplate, WrittenMail, write
from commands.messages import Letter
from ledger.template import MalformedTemplate
from schedulers.delivery import NotRenderable, Outgoing

_ADDRESS = re.compile(r"[!#$%&'*+/=?^_`{|}~A-Za-z0-9.-]+@[A-Za-z0-9.-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_SHORT = re.compile(r"[ -~]{1,60}")
MAX_ADDRESS_LENGTH: Final = 254
END: Final = b"\r\n"
FOLD: Final = "\r\n"
ENCODED: Final = "=?"
"""Begins an encoded word: a text that holds it is encoded itself, so that nobody reads it as one."""


class MailLinks(Struct, frozen=True):
    """Addresses that name the one message; each empty where there is none.

    unsubscribe_url  where the recipient stops reminders (RFC 8058)
    picture_url      a picture that tells that the mail was perhaps opened
    return_address   where it returns to when it cannot be delivered
    """

    unsubscribe_url: str = ""
    picture_url: str = ""
    return_address: str = ""


NO_LINKS: Final = MailLinks()


def write_mail(
    letter: Letter,
    template: MailTemplate,
    language: str,
    now: datetime,
    sent_from: str,
    links: MailLinks = NO_LINKS,
) -> Outgoing:
    """Writes a mail from a letter whose recipient and name are decrypted.

    language   in which amounts and dates are written
    sent_from  the sender's address; its domain is the message id's

    Raises NotRenderable for a malformed address, or a template that cannot be rendered with these data.
    """
    recipient = _address(letter.recipient)
    # What comes from outside begins no line of its own.
    one_line = replace(
        letter,
        name=_line(letter.name),
        creditor=_line(letter.creditor),
        creditor_address=_line(letter.creditor_address),
        creditor_tax_number=_line(letter.creditor_tax_number),
    )
    try:
        said = write(template, one_line, language, links.unsubscribe_url)
    except MalformedTemplate as error:
        raise NotRenderable(f"its template cannot be rendered: {error}") from error
    headers = [
        ("From", f"{_phrase(one_line.creditor)} <{sent_from}>"),
        ("To", recipient),
        ("Subject", _words("Subject", _line(said.subject))),
        ("Date", format_datetime(now)),
        ("Message-ID", f"<{letter.message_id}@{sent_from.rpartition('@')[2]}>"),
        ("Auto-Submitted", "auto-generated"),
        ("MIME-Version", "1.0"),
    ]
    if links.unsubscribe_url:
        headers.append(("List-Unsubscribe", f"<{links.unsubscribe_url}>"))
        headers.append(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    if links.picture_url and said.html:
        said = replace(said, html=_with_picture(said.html, links.picture_url))
    return Outgoing(
        message_id=letter.message_id,
        folder=letter.business_date.isoformat(),
        returns_to=links.return_address or sent_from,
        recipient=recipient,
        content=_joined(headers, said, f"part-{letter.message_id.hex}"),
    )


def _with_picture(html: str, url: str) -> str:
    """An invisible picture at the end of the mail."""
    picture = f'<img src="{url}" width="1" height="1" alt="" style="display:block">'
    end = html.rfind("</body>")
    return f"{html[:end]}{picture}{html[end:]}" if end >= 0 else html + picture


def _joined(headers: list[tuple[str, str]], said: WrittenMail, boundary: str) -> bytes:
    """The mail's bytes: plain text, or plain text and HTML of which a mail program shows one."""
    if not said.html:
        return _lines(headers) + _body("plain", said.text)
    headers.append(("Content-Type", f'multipart/alternative; boundary="{boundary}"'))
    return _lines(headers) + b"".join(
        [
            END,
            *(
                f"--{boundary}".encode() + END + _body(kind, text)
                for kind, text in (("plain", said.text), ("html", said.html))
            ),
            f"--{boundary}--".encode(),
            END,
        ]
    )


def _lines(headers: Sequence[tuple[str, str]]) -> bytes:
    return b"".join(f"{name}: {value}".encode("ascii") + END for name, value in headers)


def _body(kind: str, text: str) -> bytes:
    """A part with its headers: UTF-8 in base64, so that no line is too long and none begins with a dot."""
    encoded = base64.encodebytes(text.replace("\n", "\r\n").encode()).replace(b"\n", END)
    headers = (
        ("Content-Type", f'text/{kind}; charset="utf-8"'),
        ("Content-Transfer-Encoding", "base64"),
    )
    return _lines(headers) + END + encoded


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
    return Header(name, "utf-8", header_name="From").encode(linesep=FOLD)


def _words(header: str, text: str) -> str:
    """A header's text: as it is, or encoded and folded when it is long or not ASCII."""
    if _SHORT.fullmatch(text) and ENCODED not in text:
        return text
    return Header(text, "utf-8", header_name=header).encode(linesep=FOLD)


def _line(text: str) -> str:
    """A text on one line: what comes from outside begins no line, and no header, of its own."""
    return _CONTROL.sub(" ", text).strip()
