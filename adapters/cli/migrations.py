"""`duebook migrate`: bring the database up to date."""

import argparse
from typing import Any

from adapters.cli.parsing import add_command, add_json
from adapters.cli.printing import print_json, print_line
from adapters.postgres.connection import open_database
from adapters.settings import Settings


def add(commands: Any) -> None:
    migrate = add_command(
        commands,
        "migrate",
        _migrate,
        "create or update roles, schemas and tables; harmless when there is nothing to do",
    )
    add_json(migrate)


def _migrate(arguments: argparse.Namespace) -> int:
    with open_database(Settings.from_environment(), make_key=True) as database:
        applied = list(database.applied)
    if arguments.json:
        print_json({"applied": applied})
    elif not applied:
        print_line("the database is up to date")
    else:
        for name in applied:
            print_line(f"applied {name}")
    return 0
