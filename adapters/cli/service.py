"""`duebook up|serve|worker`: what runs until it is told to stop."""

import argparse
import contextlib
import errno
import logging
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from adapters.cli.clock_lease import holder_name
from adapters.cli.demo import demo_tenant
from adapters.cli.parsing import add_command
from adapters.cli.printing import print_line
from adapters.cli.tenant_creation import Opened
from adapters.messages.roster import Roster
from adapters.payouts.chosen import chosen_payout
from adapters.postgres.server_watch import Watch
from adapters.settings import Settings
from adapters.wiring import Books, open_books
from ledger.errors import Conflict
from schedulers.alarm import Alarm
from schedulers.outbox import Outbox
from schedulers.refund_payouts import payout_rounds

LOOK_SECONDS = 0.5
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


class AddressInUse(Conflict):
    """Another program listens on the address."""


def add(commands: Any) -> None:
    up = add_command(
        commands,
        "up",
        _up,
        "run everything in one process: database, migrations, API, read models, clock, payouts and messages",
    )
    up.add_argument(
        "--demo",
        action="store_true",
        help="with a tenant named demo, whose id and key are printed and kept in DUEBOOK_HOME/demo.json",
    )
    add_command(
        commands,
        "serve",
        _serve,
        "serve the API, on DUEBOOK_HOST and DUEBOOK_PORT, and nothing else",
    )
    add_command(
        commands,
        "worker",
        _worker,
        "keep the read models up to date, run the clock, hand refunds over, send messages and take reports on them",
    )


def _up(arguments: argparse.Namespace) -> int:
    settings = _started()
    with _stopped_by_signals(), open_books(settings, make_key=True) as books:
        opened = demo_tenant(books, settings.home) if arguments.demo else None
        with _watched(books), _background(books, settings):
            _listen(books, settings, opened)
    return 0


def _serve(arguments: argparse.Namespace) -> int:
    settings = _started()
    with _stopped_by_signals(), open_books(settings) as books, _watched(books):
        _listen(books, settings, None)
    return 0


def _worker(arguments: argparse.Namespace) -> int:
    settings = _started()
    with (
        _stopped_by_signals(),
        open_books(settings) as books,
        _watched(books),
        _background(books, settings),
    ):
        print_line("duebook: the worker is running; stop it with Ctrl-C", flush=True)
        _wait_for_signals()
    return 0


def _wait_for_signals() -> None:
    """Waits until a signal's handler raises. It runs in this thread alone, but another thread may receive the signal,
    which wakes nobody: so this one looks every so often."""
    never = threading.Event()
    while not never.wait(LOOK_SECONDS):
        pass


def _watched(books: Books) -> Watch:
    return Watch(books.database.embedded)


@contextlib.contextmanager
def _background(books: Books, settings: Settings) -> Iterator[None]:
    """The read models' runner, the inbox, the clock's alarm, the payouts' and the outbox's rounds, in threads of their
    own."""
    with chosen_payout(settings, books.tenants.is_test) as payout, _intake(books, settings):
        alarm = Alarm(books.clock, holder_name(), require_trusted_clock=books.guard.require)
        payouts = payout_rounds(books.payouts, payout)
        roster = Roster(books.database.writer, books.secrets, settings)
        outbox = Outbox(books.outbox, roster.of).rounds()
        books.projections.start()
        books.inbox.start()
        alarm.start()
        payouts.start()
        outbox.start()
        try:
            yield
        finally:
            outbox.stop()
            payouts.stop()
            alarm.stop()
            books.inbox.stop()
            books.projections.stop()


@contextlib.contextmanager
def _intake(books: Books, settings: Settings) -> Iterator[None]:
    """Takes mails that come back, where the settings say so."""
    where = settings.mail_intake
    if where is None:
        yield
        return
    from adapters.messages.intake.server import IntakeServer

    server = IntakeServer(books, where)
    try:
        server.start()
    except OSError as error:
        raise AddressInUse(
            f"cannot listen on {where.host} port {where.port}: {error.strerror}; "
            "stop what uses it, or change DUEBOOK_MAIL_INTAKE"
        ) from error
    try:
        yield
    finally:
        server.stop()


def _listen(books: Books, settings: Settings, opened: Opened | None) -> None:
    from adapters.http.app import serve

    try:
        serve(
            books,
            settings.host,
            settings.port,
            home=settings.home,
            public_url=settings.public_url,
            ready=lambda host, port: _greet(settings, opened),
        )
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES):
            raise
        raise AddressInUse(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror}; "
            "stop what uses it, or set DUEBOOK_HOST or DUEBOOK_PORT"
        ) from error


def _greet(settings: Settings, opened: Opened | None) -> None:
    """Lines that can be copied into a shell."""
    print_line(f"Duebook is ready at {settings.public_url}")
    if opened is not None:
        print_line(f"The demo tenant (kept in {settings.home / 'demo.json'}):")
        print_line(f"export TENANT_ID={opened.tenant_id}")
        print_line(f"export API_KEY={opened.api_key}")
    sys.stdout.flush()


def _started() -> Settings:
    settings = Settings.from_environment()
    logging.basicConfig(
        level=settings.log_level.upper(), stream=sys.stderr, format=LOG_FORMAT, force=True
    )
    quiet_libraries()
    return settings


def quiet_libraries() -> None:
    """Keeps what libraries tell of every start, ring and request, with its headers, out of the log."""
    for name in ("uvicorn.error", "apscheduler", "httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """SIGTERM stops as Ctrl-C does, at any moment; stopping when told to is no failure."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)
