"""`duebook sender list|add|pause|resume|test`: the mail servers through which messages leave."""

import argparse
import asyncio
import getpass
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from pathlib import Path
from typing import Any, get_args
from uuid import uuid4

import msgspec

from adapters.cli.parsing import add_command, add_family, add_json, add_tenant
from adapters.cli.printing import print_json, print_line, print_table
from adapters.cli.reporting import catch_up
from adapters.cli.tenant_creation import ACTOR
from adapters.messages.roster import Roster
from adapters.messages.smtp.dkim import read_key
from adapters.settings import Settings
from adapters.wiring import Books, open_books
from commands.senders import (
    PauseSender,
    SaveSender,
    SenderView,
    UnknownSender,
    pause_sender,
    resume_sender,
    save_sender,
)
from ledger.errors import Conflict, Rejected, quoted
from ledger.sender import MalformedSender, Security
from projections.senders.listing import list_senders
from schedulers.delivery import Outgoing, Sender, SenderAtFault, SenderUnavailable, Taken


class PasswordMissing(Rejected):
    """A password was to be read, and nothing was there to read."""


class TestFailed(Conflict):
    """The sender cannot send now; the message says why."""

    __test__ = False


def add(commands: Any) -> None:
    family = add_family(commands, "sender", "mail servers through which messages leave")
    listing = add_command(family, "list", _list, "list a tenant's senders")
    add_tenant(listing)
    add_json(listing)
    adding = add_command(family, "add", _add, "set up a mail server to send through, or change it")
    adding.add_argument("key", metavar="KEY", help="what the sender is known by, such as main")
    adding.add_argument("--host", required=True, help="the mail server")
    adding.add_argument("--port", type=int, default=587, help="its port (default: 587)")
    adding.add_argument(
        "--from",
        dest="from_address",
        required=True,
        metavar="ADDRESS",
        help="whom messages are from",
    )
    adding.add_argument(
        "--security",
        choices=get_args(Security),
        default="starttls",
        help="how connections are encrypted (default: starttls)",
    )
    adding.add_argument("--username", default="", help="of the login, if there is one")
    adding.add_argument(
        "--password-stdin",
        action="store_true",
        help="read the password's line from standard input; left out, the one said before stays",
    )
    adding.add_argument(
        "--source-address", default="", metavar="IP", help="of this machine, to connect from"
    )
    adding.add_argument(
        "--connections", type=int, default=2, help="at the same time, of each worker (default: 2)"
    )
    adding.add_argument(
        "--pause-ms",
        type=int,
        default=3_000,
        help="from one message to the next on a connection (default: 3000)",
    )
    adding.add_argument(
        "--max-per-second",
        type=int,
        default=0,
        help="messages in a second, over all workers (default: 0, no limit)",
    )
    adding.add_argument(
        "--return-domain",
        default="",
        metavar="DOMAIN",
        help="whose mail comes to DUEBOOK_MAIL_INTAKE, for messages that cannot be delivered",
    )
    adding.add_argument(
        "--receipts",
        action="store_true",
        help="ask mail servers to report what they delivered, not only what they could not",
    )
    adding.add_argument(
        "--dkim-selector",
        default="",
        metavar="NAME",
        help="sign messages; the public key is published under this name",
    )
    adding.add_argument(
        "--dkim-key",
        type=Path,
        metavar="FILE.pem",
        help="the private key to sign with; left out, the one said before stays",
    )
    add_tenant(adding)
    add_json(adding)
    pausing = _about_one(
        add_command(family, "pause", _pause, "send nothing through a sender; its messages wait")
    )
    pausing.add_argument("--reason", default="", help="why")
    _about_one(add_command(family, "resume", _resume, "send through a sender again"))
    testing = _about_one(
        add_command(family, "test", _test, "connect to a sender, log in, and send a test mail")
    )
    testing.add_argument(
        "--to", metavar="ADDRESS", help="send a test mail there; left out, only log in"
    )


def _about_one(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("key", metavar="KEY", help="as listed")
    add_tenant(parser)
    add_json(parser)
    return parser


def _list(arguments: argparse.Namespace) -> int:
    with open_books(Settings.from_environment()) as books:
        tenant_id = books.tenants.id_of(arguments.tenant)
        catch_up(books)
        with books.reading(tenant_id) as connection:
            rows = list_senders(connection, tenant_id)
    if arguments.json:
        print_json({"items": rows})
        return 0
    print_table(
        ("key", "state", "server", "from", "connections", "a second", "reason"),
        [
            (
                row.key,
                row.state,
                f"{row.host}:{row.port}",
                row.from_address,
                row.connections,
                row.max_per_second or "",
                row.reason,
            )
            for row in rows
        ],
    )
    return 0


def _add(arguments: argparse.Namespace) -> int:
    secret = ("password", "dkim_key")
    fields = [name for name in SaveSender.__struct_fields__ if name not in secret]
    command = SaveSender(**{name: getattr(arguments, name) for name in fields})
    password = _password() if arguments.password_stdin else ""
    dkim_key = _dkim_key(arguments.dkim_key) if arguments.dkim_key is not None else ""
    with open_books(Settings.from_environment()) as books:
        tenant_id = books.tenants.id_of(arguments.tenant)
        secret_id = books.secrets.keep(tenant_id, password) if password else None
        key_id = books.secrets.keep(tenant_id, dkim_key) if dkim_key else None
        answer = books.run(
            tenant_id, ACTOR, lambda unit: save_sender(unit, command, secret_id, key_id)
        )
    return _answered(arguments, answer.body)


def _pause(arguments: argparse.Namespace) -> int:
    command = PauseSender(arguments.reason)
    return _change(arguments, lambda unit: pause_sender(unit, arguments.key, command))


def _resume(arguments: argparse.Namespace) -> int:
    return _change(arguments, lambda unit: resume_sender(unit, arguments.key))


def _test(arguments: argparse.Namespace) -> int:
    settings = Settings.from_environment()
    with open_books(settings) as books:
        sender = _sender(books, settings, arguments)
        answer = asyncio.run(_tried(sender, arguments.to))
    if arguments.json:
        print_json({"key": sender.key, "answer": answer})
    else:
        print_line(f"sender {sender.key}: {answer}")
    return 0


def _sender(books: Books, settings: Settings, arguments: argparse.Namespace) -> Sender:
    tenant_id = books.tenants.id_of(arguments.tenant)
    for sender in Roster(books.database.writer, books.secrets, settings).every(tenant_id):
        if sender.key == arguments.key:
            return sender
    raise UnknownSender(f"there is no sender {quoted(arguments.key)}; add it first")


async def _tried(sender: Sender, to: str | None) -> str:
    """Raises TestFailed."""
    connection = sender.connect()
    try:
        await connection.open()
        if to is None:
            return "connected"
        outcome = await connection.send(_test_mail(sender, to))
    except (SenderUnavailable, SenderAtFault) as error:
        raise TestFailed(f"sender {sender.key}: {error}") from error
    finally:
        await connection.close()
    if isinstance(outcome, Taken):
        return f"sent: {outcome.reference}"
    raise TestFailed(f"sender {sender.key}: {outcome.reason}")


def _test_mail(sender: Sender, to: str) -> Outgoing:
    mail = EmailMessage(policy=SMTP)
    mail["From"] = sender.sent_from
    mail["To"] = to
    mail["Subject"] = "Test"
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = make_msgid(domain=sender.sent_from.rpartition("@")[2])
    mail.set_content("This sender works.\n")
    return Outgoing(uuid4(), "", sender.sent_from, to, mail.as_bytes())


def _change(arguments: argparse.Namespace, handler: Callable[[Any], SenderView]) -> int:
    with open_books(Settings.from_environment()) as books:
        answer = books.run(books.tenants.id_of(arguments.tenant), ACTOR, handler)
    return _answered(arguments, answer.body)


def _answered(arguments: argparse.Namespace, body: bytes) -> int:
    view = msgspec.json.decode(body, type=SenderView)
    if arguments.json:
        print_json(view)
    else:
        print_line(f"sender {view.key} at {view.host}:{view.port} is {view.state}")
    return 0


def _dkim_key(path: Path) -> str:
    """Raises MalformedSender."""
    try:
        pem = path.read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise MalformedSender(f"cannot read the key {path}: {error}", field="dkim_key") from error
    read_key(pem)
    return pem


def _password() -> str:
    """Raises PasswordMissing."""
    asked = sys.stdin.isatty()
    password = getpass.getpass("Password: ") if asked else sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise PasswordMissing("no password came on standard input")
    return password
