"""`duebook rate list|set|import`: reference rates, such as the ECB's or the Basiszinssatz."""

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec

from adapters.cli.parsing import add_command, add_family, add_json, add_tenant, day
from adapters.cli.printing import print_json, print_line, print_table
from adapters.importing.reference_rates import read_reference_rates
from adapters.settings import Settings
from adapters.wiring import open_books
from commands.reference_rates import (
    ImportedReferenceRates,
    ReferenceRateView,
    SetReferenceRate,
    import_reference_rates,
    reference_rate_views,
    set_reference_rate,
)

ACTOR = "cli"


def add(commands: Any) -> None:
    family = add_family(commands, "rate", "list and record reference rates that fee policies name")
    listing = add_command(family, "list", _list, "list a tenant's reference rates by name and day")
    add_tenant(listing)
    add_json(listing)
    record = add_command(
        family,
        "set",
        _set,
        "record the reference rate that is in force from a day on; the same again changes nothing",
    )
    add_tenant(record)
    record.add_argument("--name", required=True, metavar="NAME", help="such as ecb")
    record.add_argument(
        "--from-on", required=True, type=day, metavar="DATE", help="the first day it is in force"
    )
    record.add_argument(
        "--rate",
        required=True,
        metavar="4.50%/year",
        help="per year; one below zero is written with an equals sign: --rate=-0.88%%/year",
    )
    add_json(record)
    importing = add_command(
        family,
        "import",
        _import,
        "record reference rates from a CSV file with the columns name, from_on and rate: "
        "all of them, or none when a line cannot go in",
    )
    importing.add_argument("file", metavar="FILE.csv", help="UTF-8, comma-separated; - reads stdin")
    add_tenant(importing)
    add_json(importing)


def _list(arguments: argparse.Namespace) -> int:
    with open_books(Settings.from_environment()) as books:
        tenant = books.tenants.state(books.tenants.id_of(arguments.tenant))
    views = reference_rate_views(tenant.reference_rates)
    if arguments.json:
        print_json({"items": views})
    else:
        print_table(("name", "from", "rate"), [msgspec.structs.astuple(view) for view in views])
    return 0


def _set(arguments: argparse.Namespace) -> int:
    command = SetReferenceRate(arguments.name, arguments.from_on, arguments.rate)
    with open_books(Settings.from_environment()) as books:
        tenant_id = books.tenants.id_of(arguments.tenant)
        answer = books.run(tenant_id, ACTOR, lambda unit: set_reference_rate(unit, command))
    view = msgspec.json.decode(answer.body, type=ReferenceRateView)
    if arguments.json:
        print_json(view)
    else:
        print_line(f"{view.name} is {view.rate} from {view.from_on} on")
    return 0


def _import(arguments: argparse.Namespace) -> int:
    if arguments.file == "-":
        lines, unreadable = read_reference_rates(sys.stdin.buffer)
    else:
        with Path(arguments.file).open("rb") as stream:
            lines, unreadable = read_reference_rates(stream)
    with open_books(Settings.from_environment()) as books:
        tenant_id = books.tenants.id_of(arguments.tenant)
        answer = books.run(
            tenant_id, ACTOR, lambda unit: import_reference_rates(unit, lines, unreadable)
        )
    outcome = msgspec.json.decode(answer.body, type=ImportedReferenceRates)
    if arguments.json:
        print_json(outcome)
    else:
        for failed in outcome.failed:
            print_line(f"{arguments.file}, line {failed.line}: {failed.reason}", error=True)
        print_line(
            f"added {outcome.added}, unchanged {outcome.unchanged}, failed {len(outcome.failed)}"
        )
    return 1 if outcome.failed else 0
