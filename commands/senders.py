"""Senders: the mail servers through which a tenant's messages leave. Save, pause, resume."""

from uuid import UUID

import msgspec

from commands.tenants import today
from commands.unit_of_work import Unit
from ledger.encrypted import plain
from ledger.errors import NotFound, quoted
from ledger.event_registry import Event, New
from ledger.sender import (
    Configured,
    MailSender,
    Paused,
    Resumed,
    Security,
    SmtpSettings,
    State,
    check_key,
    check_smtp,
    stream_id,
)
from ledger.task import Opened, pause_task_id


class UnknownSender(NotFound):
    """The tenant has no sender of that key."""


class SaveSender(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sender under its key: a new one, or all of one that is there.

    host, port      of the mail server
    from_address    whom messages are from
    security        how a connection is encrypted: `tls` from its first byte, `starttls`, or `none`
    username        of the login; empty: none
    password        of the login; left out, the one that was said before stays
    source_address  of this machine, from which connections are made; empty: the system chooses
    connections     at the same time, of each worker
    pause_ms        from the start of one message to the start of the next on a connection
    max_per_second  messages in a second, over all workers; 0: no limit
    return_domain   a domain whose mail the intake gets, for messages that cannot be delivered; empty: they return to
                    `from_address`
    receipts        whether mail servers are asked to report what they delivered; otherwise, what they could not
    dkim_selector   under which the public key of `from_address`'s domain is published; empty: nothing is signed here
    dkim_key        the private key, as PEM; left out, the one that was said before stays
    """

    key: str
    host: str
    port: int
    from_address: str
    security: Security = "starttls"
    username: str = ""
    password: str = ""
    source_address: str = ""
    connections: int = 2
    pause_ms: int = 3_000
    max_per_second: int = 0
    return_domain: str = ""
    receipts: bool = False
    dkim_selector: str = ""
    dkim_key: str = ""


class PauseSender(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why nothing is to be sent through a sender."""

    reason: str = ""


class SenderView(msgspec.Struct, frozen=True):
    """A sender. `has_password` says whether one is kept; it is never shown."""

    sender_id: UUID
    key: str
    state: State
    reason: str
    host: str
    port: int
    from_address: str
    security: Security
    username: str
    has_password: bool
    source_address: str
    connections: int
    pause_ms: int
    max_per_second: int
    return_domain: str
    receipts: bool
    dkim_selector: str


def save_sender(
    unit: Unit,
    command: SaveSender,
    secret_id: UUID | None = None,
    dkim_secret_id: UUID | None = None,
) -> SenderView:
    """Makes a sender, or changes it.

    secret_id       where the command's password is kept; none, for the one that was said before
    dkim_secret_id  where its private key is kept, likewise

    Raises MalformedSenderKey, MalformedSender.
    """
    key = check_key(command.key)
    sender_id = stream_id(unit.tenant_id, key)
    before: MailSender | None = unit.find("sender", sender_id)
    if secret_id is None and before is not None and command.username == before.smtp.username:
        secret_id = before.smtp.secret_id
    if dkim_secret_id is None and before is not None:
        dkim_secret_id = before.smtp.dkim_secret_id
    smtp = check_smtp(
        SmtpSettings(
            host=command.host,
            port=command.port,
            from_address=command.from_address,
            security=command.security,
            username=command.username,
            secret_id=secret_id if command.username else None,
            source_address=command.source_address,
            connections=command.connections,
            pause_ms=command.pause_ms,
            max_per_second=command.max_per_second,
            return_domain=command.return_domain.lower(),
            receipts=command.receipts,
            dkim_selector=command.dkim_selector,
            dkim_secret_id=dkim_secret_id if command.dkim_selector else None,
        )
    )
    if before is not None and before.smtp == smtp:
        return sender_view(sender_id, before)
    return _append(unit, sender_id, Configured(key, smtp))


def pause_sender(unit: Unit, key: str, command: PauseSender) -> SenderView:
    """Nothing is sent through it until it is resumed. Raises UnknownSender."""
    sender_id, sender = _load(unit, key)
    if sender.state == "paused":
        return sender_view(sender_id, sender)
    return _append(unit, sender_id, Paused(plain(command.reason.strip(), "reason")))


def resume_sender(unit: Unit, key: str) -> SenderView:
    """Messages are sent through it again. Raises UnknownSender."""
    sender_id, sender = _load(unit, key)
    if sender.state == "active":
        return sender_view(sender_id, sender)
    return _append(unit, sender_id, Resumed())


def pause_faulty_sender(unit: Unit, sender_id: UUID, reason: str) -> SenderView:
    """Pauses a sender that is at fault, with one task for a person, however many workers find it. Raises Unknown."""
    sender: MailSender | None = unit.find("sender", sender_id)
    if sender is None:
        raise UnknownSender(f"there is no sender {sender_id}")
    if sender.state == "paused":
        return sender_view(sender_id, sender)
    paused: MailSender = unit.append("sender", sender_id, [New(Paused(reason, True), today(unit))])
    task = Opened(
        "sender_paused",
        f"the sender {sender.key} was paused: {reason}. Mend it, then resume it",
        sender_id,
    )
    task_id = pause_task_id(unit.tenant_id, sender_id, paused.pauses)
    unit.append("task", task_id, [New(task, today(unit))])
    return sender_view(sender_id, paused)


def sender_view(sender_id: UUID, sender: MailSender) -> SenderView:
    smtp = sender.smtp
    return SenderView(
        sender_id=sender_id,
        key=sender.key,
        state=sender.state,
        reason=sender.reason,
        host=smtp.host,
        port=smtp.port,
        from_address=smtp.from_address,
        security=smtp.security,
        username=smtp.username,
        has_password=smtp.secret_id is not None,
        source_address=smtp.source_address,
        connections=smtp.connections,
        pause_ms=smtp.pause_ms,
        max_per_second=smtp.max_per_second,
        return_domain=smtp.return_domain,
        receipts=smtp.receipts,
        dkim_selector=smtp.dkim_selector,
    )


def _load(unit: Unit, key: str) -> tuple[UUID, MailSender]:
    sender_id = stream_id(unit.tenant_id, key)
    sender: MailSender | None = unit.find("sender", sender_id)
    if sender is None:
        raise UnknownSender(f"there is no sender {quoted(key)}; add it first")
    return sender_id, sender


def _append(unit: Unit, sender_id: UUID, event: Event) -> SenderView:
    state: MailSender = unit.append("sender", sender_id, [New(event, today(unit))])
    return sender_view(sender_id, state)
