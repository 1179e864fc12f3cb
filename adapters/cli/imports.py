"""`duebook import`: invoices of another system, replayed in date order."""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from adapters.cli.clock_lease import held_clock
from adapters.cli.parsing import add_command, add_json, add_tenant
from adapters.cli.printing import print_json, print_line, say
from adapters.cli.progress import Progress
from adapters.importing.columns import UnknownColumn, known_field
from adapters.importing.invoices import Importer, Outcome, RunDay, Wish
from adapters.importing.row_validation import WrongDateFormat, checked_date_format
from adapters.settings import Settings
from adapters.wiring import Books, open_books
from commands.tenants import FIRST_CLOCK_DAY, ConfigureTenant, configure_tenant
from ledger.money import exponent
from ledger.time_zones import business_date
from schedulers.business_day import run_day
from schedulers.ports import Run

ACTOR = "import"


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "import",
        _import,
        "import invoices from a CSV file, one row each, with their dates; "
        "running the same file again adds nothing",
    )
    parser.add_argument("file", metavar="FILE.csv", help="UTF-8, comma-separated; - reads stdin")
    add_tenant(parser)
    parser.add_argument(
        "--column",
        action=_Columns,
        default={},
        type=_column,
        metavar="name=Header",
        help="the header of a field, where it is not the field's own name; repeatable",
    )
    parser.add_argument(
        "--date-format",
        type=_date_format,
        metavar="F",
        help="how dates are written, such as %%m/%%d/%%Y (default: ISO 8601)",
    )
    parser.add_argument("--currency", metavar="C", help="currency of rows that name none")
    parser.add_argument(
        "--run-clock",
        action="store_true",
        help="run every business day from the first date to the last, so that late fees and "
        "interest stand as they would have",
    )
    add_json(parser)


def _import(arguments: argparse.Namespace) -> int:
    if arguments.currency is not None:
        exponent(arguments.currency)
    with contextlib.ExitStack() as stack:
        stream, size = stack.enter_context(_opened(arguments.file))
        books = stack.enter_context(open_books(Settings.from_environment()))
        progress = stack.enter_context(Progress())
        tenant_id = books.tenants.id_of(arguments.tenant)
        outcome = import_invoices(
            books,
            tenant_id,
            stream,
            named=arguments.column,
            date_format=arguments.date_format,
            currency=arguments.currency or "",
            run_clock=arguments.run_clock,
            size=size,
            progress=progress,
        )
    _tell(arguments, outcome)
    return 1 if outcome.failed else 0


def import_invoices(
    books: Books,
    tenant_id: UUID,
    stream: BinaryIO,
    *,
    named: dict[str, str],
    date_format: str | None = None,
    currency: str = "",
    run_clock: bool = False,
    size: int = 0,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Outcome:
    """Imports a stream. With `run_clock` the tenant's clock then starts on the day after the last one it ran."""
    tenant = books.tenants.state(tenant_id)
    wish = Wish(
        today=business_date(datetime.now(UTC), tenant.settings.timezone),
        named=named,
        date_format=date_format,
        currency=currency,
    )
    with contextlib.ExitStack() as stack:
        run = stack.enter_context(_day_runner(books, tenant_id)) if run_clock else None
        importer = Importer(
            books.writer, books.database.api, tenant_id, run_day=run, progress=progress
        )
        try:
            outcome = importer.run(stream, wish, size)
        except BaseException:
            say("the import did not come to its end; run it again, and it goes on where it stopped")
            raise
    if run_clock and outcome.last_on is not None:
        _start_clock_after(books, tenant_id, outcome.last_on)
    return outcome


@contextlib.contextmanager
def _day_runner(books: Books, tenant_id: UUID) -> Iterator[RunDay]:
    """Runs days of the past, out of turn: the tenant's own days are not counted on from them."""
    with held_clock(books) as lease:
        yield lambda day: run_day(
            books.clock, Run(tenant_id, day, lease, actor=ACTOR), in_turn=False
        )


def _start_clock_after(books: Books, tenant_id: UUID, last_on: date) -> None:
    """The tenant's own days begin after the imported ones. Days that its clock is to run anyway stay its own."""
    starts_on = max(last_on + timedelta(days=1), FIRST_CLOCK_DAY)
    if books.tenants.state(tenant_id).settings.clock_starts_on <= starts_on:
        return
    command = ConfigureTenant(clock_starts_on=starts_on)
    books.run(tenant_id, ACTOR, lambda unit: configure_tenant(unit, command))


@contextlib.contextmanager
def _opened(file: str) -> Iterator[tuple[BinaryIO, int]]:
    """The file's bytes and how many there are; 0 for a pipe."""
    if file == "-":
        yield sys.stdin.buffer, 0
        return
    with Path(file).open("rb") as stream:
        yield stream, os.fstat(stream.fileno()).st_size


def _tell(arguments: argparse.Namespace, outcome: Outcome) -> None:
    for note in outcome.notes:
        say(note)
    if arguments.json:
        print_json(
            {
                "added": outcome.added,
                "unchanged": outcome.unchanged,
                "failed": outcome.failed,
            }
        )
        return
    for failed in outcome.failed:
        print_line(f"{arguments.file}, line {failed.line}: {failed.reason}", error=True)
    print_line(
        f"added {outcome.added:,}, unchanged {outcome.unchanged:,}, failed {len(outcome.failed):,}"
    )
    if outcome.added:
        print_line(f"correlation id {outcome.correlation_id}")


class _Columns(argparse.Action):
    """Gathers name=Header pairs; a field has one header."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        field, header = values
        named = getattr(namespace, self.dest)
        if field in named:
            parser.error(f"--column {field} is given twice")
        setattr(namespace, self.dest, {**named, field: header})


def _column(text: str) -> tuple[str, str]:
    name, separator, header = text.partition("=")
    if not separator or not header.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not name=Header")
    try:
        return known_field(name.strip()), header.strip()
    except UnknownColumn as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _date_format(text: str) -> str:
    try:
        return checked_date_format(text)
    except WrongDateFormat as error:
        raise argparse.ArgumentTypeError(str(error)) from None
