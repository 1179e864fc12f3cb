"""What every report of the command line does: the moment it is of, fresh read models, and its three forms."""

import argparse
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from adapters.cli.parsing import add_command, add_json, add_tenant, day, instant
from adapters.cli.printing import print_csv, print_json, print_table, say
from adapters.cli.progress import Progress, working
from adapters.settings import Settings
from adapters.wiring import Books, open_books
from ledger.time_zones import business_date

Connection = psycopg.Connection[Any]
Cells = Sequence[object]

SELECT_NAMED = "SELECT stream_id FROM unique_names WHERE tenant_id = %s AND kind = %s AND name = %s"


def add_report(
    family: Any, name: str, run: Callable[[argparse.Namespace], int], sentence: str
) -> argparse.ArgumentParser:
    parser = add_command(family, name, run, sentence)
    add_tenant(parser)
    parser.add_argument(
        "--as-of",
        type=day,
        metavar="D",
        help="as it was true on this day (default: today; no later one)",
    )
    parser.add_argument(
        "--known-at",
        type=instant,
        metavar="I",
        help="as it was known at this instant, UTC where it says no offset (default: now; no later one)",
    )
    forms = parser.add_mutually_exclusive_group()
    add_json(forms)
    forms.add_argument("--csv", action="store_true", help="answer in CSV")
    return parser


class Asked(msgspec.Struct, frozen=True):
    """When a report is of, as its functions take it."""

    today: date
    now: datetime
    known_at: datetime | None


def reported(
    arguments: argparse.Namespace,
    report: Callable[[Books, Connection, UUID, Asked], Any],
) -> Any:
    """What a report function answers, with personal texts opened, as the struct it answered."""
    with open_books(Settings.from_environment()) as books:
        tenant_id = books.tenants.id_of(arguments.tenant)
        now = datetime.now(UTC)
        today = business_date(now, books.tenants.state(tenant_id).settings.timezone)
        catch_up(books)
        with working("reading the books"), books.reading(tenant_id) as connection:
            found = report(books, connection, tenant_id, Asked(today, now, arguments.known_at))
        opened = books.cipher.decrypted(tenant_id, msgspec.json.encode(found))
    return msgspec.json.decode(opened, type=type(found))


def catch_up(books: Books) -> None:
    """Brings the read models to the log's end, where no worker has done it yet."""
    behind = max((lag.behind for lag in books.projections.lag()), default=0)
    done = 0
    with Progress() as progress:
        while read := books.projections.run_once():
            done += read
            progress("bringing the read models up to date", done, behind)
    for lag in books.projections.lag():
        if lag.outdated:
            say(
                f"the read model {lag.projection} was built by another version and may be wrong; "
                f"run: duebook projections rebuild {lag.projection}"
            )


def stream_called(connection: Connection, tenant_id: UUID, kind: str, text: str) -> UUID:
    """The stream a name stands for, or the id itself; an id of nobody when it is neither."""
    row = connection.execute(SELECT_NAMED, (tenant_id, kind, text)).fetchone()
    if row is not None:
        found: UUID = row[0]
        return found
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)


def answer(
    arguments: argparse.Namespace,
    found: object,
    headers: Sequence[str],
    rows: Sequence[Cells],
    title: str,
) -> None:
    if arguments.json:
        print_json(found)
    elif arguments.csv:
        print_csv(headers, rows)
    else:
        print_table(headers, rows, title=title)


def left_out(count: int) -> str:
    """The remark of a report on streams it could not read."""
    return f" ({count} streams that cannot be read are left out)" if count else ""
