"""Receiving a mail that came back: find the message it is about, and record what it says.

It is about a message when it was sent to the address that only this message returns to, or quotes it; every other mail
is refused. What it says is recorded before it is answered for: the mail server that hands it over keeps it until then.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

import msgspec

from adapters.links import Addressee
from adapters.messages.intake.reports import Kind, Report, read_report
from adapters.messages.smtp.classification import ADDRESS_UNKNOWN
from adapters.wiring import Books
from commands.message_reports import (
    message_bounced,
    message_complained,
    message_delivered,
    message_relayed,
    report_not_read,
)
from commands.messages import MessageView
from commands.unit_of_work import Unit
from ledger.errors import Rejected

log = logging.getLogger("duebook.intake")

ACTOR: Final = "mail-intake"
MAX_MAIL_BYTES: Final = 10_000_000


class NotAboutOurs(Rejected):
    """The mail is about no message that was sent from here."""


class Received(msgspec.Struct, frozen=True):
    """What a mail was about, and what it said."""

    message_id: UUID
    kind: Kind
    status: str


class Intake:
    """Takes mails that came back."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def receive(self, raw: bytes, recipients: Sequence[str]) -> Received:
        """Records what a mail says.

        recipients  the addresses it was sent to

        Raises NotAboutOurs, MessageBeingSent.
        """
        report = read_report(raw)
        about = self._addressee(report, recipients)
        if about is None:
            raise NotAboutOurs("the mail is about no message that was sent from here")
        self._record(about, report)
        log.info("message %s: %s %s", about.message_id, report.kind, report.status)
        return Received(about.message_id, report.kind, report.status)

    def _addressee(self, report: Report, recipients: Sequence[str]) -> Addressee | None:
        pool, links = self._books.database.writer, self._books.links
        returned = [address.rpartition("@")[0] for address in recipients]
        for local_part in (*returned, *report.return_paths):
            found = links.read_return(pool, local_part)
            if found is not None:
                return found
        for token in report.links:
            found = links.read_link(pool, "unsubscribe", token)
            if found is not None:
                return found
        return None

    def _record(self, about: Addressee, report: Report) -> None:
        handler = self._handler(about, report)
        if handler is None:
            return
        self._books.run(
            about.tenant_id,
            ACTOR,
            handler,
            correlation_id=f"message-{about.message_id}",
            prefetch_streams=(about.message_id, about.message.customer_id),
        )

    def _handler(self, about: Addressee, report: Report) -> Callable[[Unit], MessageView] | None:
        """The command that records what a report says; None when nothing has changed."""
        message_id = about.message_id
        match report.kind:
            case "bounced":
                refused = self._refused_address(about, report)
                reason = f"given back, {report.status or 'without a status'}"
                return lambda unit: message_bounced(
                    unit, message_id, reason, refused_address=refused
                )
            case "delivered":
                return lambda unit: message_delivered(unit, message_id)
            case "relayed":
                return lambda unit: message_relayed(unit, message_id)
            case "complaint":
                return lambda unit: message_complained(unit, message_id, report.complaint)
            case "unreadable":
                what = "it is no delivery report (RFC 3464)"
                return lambda unit: report_not_read(unit, message_id, what)
            case "delayed" | "automatic_reply":
                return None

    def _refused_address(self, about: Addressee, report: Report) -> str:
        """The customer's encrypted address, if the report says that this one does not exist."""
        encrypted = about.customer.person.email
        if report.status not in ADDRESS_UNKNOWN or not encrypted:
            return ""
        address = self._books.cipher.opened_text(about.tenant_id, encrypted).strip().lower()
        return encrypted if address in report.recipients else ""
