"""`duebook messages list|show|approve|retry|discard|settle|send|receive`: messages to customers."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import msgspec

from adapters.cli.parsing import add_command, add_family, add_json, add_tenant, identifier
from adapters.cli.printing import print_fields, print_json, print_line, print_table
from adapters.cli.reporting import catch_up
from adapters.cli.tenant_creation import ACTOR
from adapters.messages.intake.receiving import Intake
from adapters.messages.intake.reports import recipients_of
from adapters.messages.roster import Roster
from adapters.settings import Settings
from adapters.store import snapshots
from adapters.wiring import open_books
from commands.messages import (
    DiscardMessage,
    MessageView,
    SettleMessage,
    approve_message,
    discard_message,
    message_view,
    retry_message,
    settle_message,
)
from commands.unit_of_work import Unknown
from ledger.errors import LedgerError
from ledger.message import SettledAs, State
from projections.messages.listing import MessageFilters, MessageRow, list_messages
from schedulers.outbox import Outbox

PAGE = 500


class ReceivedFile(msgspec.Struct, frozen=True):
    """What a mail in a file says about which message, or why that is not known."""

    file: str
    message_id: UUID | None = None
    kind: str = ""
    status: str = ""
    error: str = ""


def add(commands: Any) -> None:
    family = add_family(commands, "messages", "list messages, settle what failed, send what waits")
    listing = add_command(
        family, "list", _list, "list a tenant's messages, the latest queued first"
    )
    add_tenant(listing)
    listing.add_argument("--state", choices=get_args(State), help="only those in this state")
    listing.add_argument(
        "--customer", type=identifier, metavar="ID", help="only those to this customer"
    )
    add_json(listing)
    _about_one(add_command(family, "show", _show, "show a message and what became of it"))
    _about_one(
        add_command(
            family,
            "retry",
            _retry,
            "have a message tried again that is dead-lettered, bounced, cancelled or discarded",
        )
    )
    _about_one(
        add_command(
            family, "approve", _approve, "let a message be sent that waits for its approval"
        )
    )
    discard = add_command(
        family,
        "discard",
        _discard,
        "decide that a message is never sent that is dead-lettered or waits for its approval",
    )
    discard.add_argument("--reason", required=True, help="why")
    _about_one(discard)
    settle = add_command(
        family, "settle", _settle, "say whether an unknown message left; if not, it is sent again"
    )
    settle.add_argument(
        "--as",
        dest="outcome",
        choices=get_args(SettledAs),
        required=True,
        help="what was found out; one that was not sent is sent again",
    )
    _about_one(settle)
    sending = add_command(
        family, "send", _send, "send, now, every message that waits, as the worker does"
    )
    add_json(sending)
    receiving = add_command(
        family, "receive", _receive, "read mails that came back: delivery reports and complaints"
    )
    receiving.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="FILE.eml",
        help="mails as they came; - for one on standard input",
    )
    receiving.add_argument(
        "--recipient",
        default="",
        metavar="ADDRESS",
        help="the address they were sent to; left out, the one in Delivered-To, X-Original-To or To",
    )
    add_json(receiving)


def _about_one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("message_id", type=identifier, metavar="MESSAGE_ID", help="as listed")
    add_tenant(parser)
    add_json(parser)


def _list(arguments: argparse.Namespace) -> int:
    filters = MessageFilters(arguments.customer, arguments.state)
    rows: list[MessageRow] = []
    with open_books(Settings.from_environment()) as books:
        tenant_id = books.tenants.id_of(arguments.tenant)
        catch_up(books)
        cursor: str | None = None
        with books.reading(tenant_id) as connection:
            while True:
                page = list_messages(connection, tenant_id, filters, cursor=cursor, limit=PAGE)
                rows += page.items
                cursor = page.next_cursor
                if cursor is None:
                    break
    if arguments.json:
        print_json({"items": rows})
        return 0
    print_table(
        ("message_id", "queued", "channel", "step", "state", "amount", "currency", "reason"),
        [
            (
                row.message_id,
                row.queued_on,
                row.channel,
                row.step,
                row.state,
                row.amount.amount,
                row.amount.currency,
                row.reason or row.reference,
            )
            for row in rows
        ],
    )
    return 0


def _show(arguments: argparse.Namespace) -> int:
    with open_books(Settings.from_environment()) as books:
        tenant_id = books.tenants.id_of(arguments.tenant)
        with books.reading(tenant_id) as connection:
            found = snapshots.read(connection, tenant_id, "message", arguments.message_id)
    if found is None:
        raise Unknown(f"there is no message {arguments.message_id}")
    _print(message_view(arguments.message_id, found[1]), arguments.json)
    return 0


def _retry(arguments: argparse.Namespace) -> int:
    return _change(arguments, lambda unit: retry_message(unit, arguments.message_id))


def _approve(arguments: argparse.Namespace) -> int:
    return _change(arguments, lambda unit: approve_message(unit, arguments.message_id))


def _discard(arguments: argparse.Namespace) -> int:
    command = DiscardMessage(arguments.reason)
    return _change(arguments, lambda unit: discard_message(unit, arguments.message_id, command))


def _settle(arguments: argparse.Namespace) -> int:
    command = SettleMessage(arguments.outcome)
    return _change(arguments, lambda unit: settle_message(unit, arguments.message_id, command))


def _send(arguments: argparse.Namespace) -> int:
    settings = Settings.from_environment()
    with open_books(settings) as books:
        roster = Roster(books.database.writer, books.secrets, settings)
        done = Outbox(books.outbox, roster.of).send_waiting()
    if arguments.json:
        print_json(done)
    else:
        print_fields(
            [
                ("sent", done.taken),
                ("not sent", done.not_taken),
                ("perhaps sent", done.maybe_taken),
                ("cancelled", done.ended),
                ("put off", done.deferred),
            ]
        )
    return 1 if done.not_taken or done.maybe_taken else 0


def _receive(arguments: argparse.Namespace) -> int:
    with open_books(Settings.from_environment()) as books:
        intake = Intake(books)
        found = [_received(intake, path, arguments.recipient) for path in arguments.files]
    if arguments.json:
        print_json({"items": found})
    else:
        print_table(
            ("file", "message_id", "what", "status", "error"),
            [(one.file, one.message_id or "", one.kind, one.status, one.error) for one in found],
        )
    return 1 if any(one.error for one in found) else 0


def _received(intake: Intake, path: Path, recipient: str) -> ReceivedFile:
    """What one mail says; what is wrong with it keeps no other one from being read."""
    try:
        raw = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        received = intake.receive(raw, [recipient] if recipient else recipients_of(raw))
    except (OSError, LedgerError) as error:
        return ReceivedFile(str(path), error=str(error))
    return ReceivedFile(str(path), received.message_id, received.kind, received.status)


def _change(arguments: argparse.Namespace, handler: Callable[[Any], MessageView]) -> int:
    with open_books(Settings.from_environment()) as books:
        answer = books.run(books.tenants.id_of(arguments.tenant), ACTOR, handler)
    view = msgspec.json.decode(answer.body, type=MessageView)
    if arguments.json:
        print_json(view)
    else:
        print_line(f"message {view.message_id} is {view.state}")
    return 0


def _print(view: MessageView, as_json: bool) -> None:
    if as_json:
        print_json(view)
        return
    print_fields(
        [
            ("message", f"{view.message_id}, {view.kind} by {view.channel}"),
            ("state", f"{view.state}: {view.reason}" if view.reason else view.state),
            ("customer", view.customer_id),
            ("invoices", ", ".join(str(one) for one in view.invoice_ids)),
            ("amount", f"{view.amount.amount} {view.amount.currency}"),
            ("step", f"{view.step} of {view.plan}, version {view.plan_version}"),
            ("queued on", view.queued_on),
            ("attempts", view.attempts),
            ("sender", f"{view.sender} {view.reference}".strip()),
        ]
    )
