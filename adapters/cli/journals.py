"""`duebook export journal`: a tenant's entries for beancount, hledger or a spreadsheet."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from types import ModuleType
from typing import Any

from adapters.cli.parsing import add_command, add_tenant, day
from adapters.cli.printing import print_csv, say
from adapters.cli.progress import working
from adapters.journals import beancount, hledger
from adapters.settings import Settings
from adapters.wiring import open_books
from ledger.chart_of_accounts import Account, named
from ledger.money import format_minor
from projections.journal.entries import JournalEntries, PostedEntry
from projections.reports.statement import require_period

_FORMATS: dict[str, ModuleType] = {"beancount": beancount, "hledger": hledger}
HEADERS = (
    "posted_on",
    "effective_on",
    "seq",
    "event",
    "stream_id",
    "number",
    "narration",
    "account",
    "name",
    "currency",
    "debit",
    "credit",
)


def add(family: Any) -> None:
    export = add_command(
        family,
        "journal",
        _export_journal,
        "write every entry of a tenant's journal to stdout, with no personal data in it",
    )
    export.add_argument(
        "--format", choices=(*_FORMATS, "csv"), required=True, help="the program that reads it"
    )
    export.add_argument(
        "--from", dest="from_on", type=day, metavar="D", help="only what is posted on or after it"
    )
    export.add_argument(
        "--to", dest="to_on", type=day, metavar="D", help="only what is posted on or before it"
    )
    add_tenant(export)


def _export_journal(arguments: argparse.Namespace) -> int:
    require_period(arguments.from_on, arguments.to_on or date.max)
    with open_books(Settings.from_environment()) as books:
        tenant_id = books.tenants.id_of(arguments.tenant)
        tenant = books.tenants.state(tenant_id)
        names = named(tenant.settings.chart)
        with working("exporting"), books.reading(tenant_id) as connection:
            found = JournalEntries(connection, tenant_id)
            posted = _between(found, arguments)
            if arguments.format == "csv":
                print_csv(HEADERS, _rows(posted, names))
            else:
                form = _FORMATS[arguments.format]
                sys.stdout.writelines(written(form, tenant.name, names, posted))
    if found.failed:
        say(
            f"{found.failed} streams cannot be read from some event on, and are left out from there"
        )
    return 1 if found.failed else 0


def written(
    form: ModuleType, title: str, names: Mapping[Account, str], posted: Iterable[PostedEntry]
) -> Iterator[str]:
    """The text of a journal, piece by piece, in one of the forms of `adapters.journals`."""
    yield from form.opening(title, names)
    declared: set[str] = set()
    for one in posted:
        currency = one.entry.currency
        if currency not in declared:
            declared.add(currency)
            yield "\n" + form.commodity(currency)
        yield form.transaction(one, names)


def _between(found: JournalEntries, arguments: argparse.Namespace) -> Iterator[PostedEntry]:
    from_on, to_on = arguments.from_on, arguments.to_on
    for posted in found:
        if (from_on is None or posted.posted_on >= from_on) and (
            to_on is None or posted.posted_on <= to_on
        ):
            yield posted


def _rows(
    posted: Iterable[PostedEntry], names: Mapping[Account, str]
) -> Iterator[tuple[object, ...]]:
    for one in posted:
        entry = one.entry
        for posting in entry.postings:
            amount = format_minor(abs(posting.minor), entry.currency)
            yield (
                one.posted_on,
                entry.on,
                one.tenant_seq,
                one.tag,
                one.stream_id,
                one.number,
                one.narration,
                posting.account,
                names[posting.account],
                entry.currency,
                amount if posting.minor > 0 else None,
                amount if posting.minor < 0 else None,
            )
