"""`duebook doctor`: is the installation sound, and if not, what to do."""

import argparse
import contextlib
import platform
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import msgspec
import psycopg
from psycopg.sql import SQL, Identifier

from adapters.cli.checks import CHECKS, Finding, kept_secrets
from adapters.cli.mail_checks import check_messages
from adapters.cli.parsing import add_command, add_json
from adapters.cli.printing import print_json, print_line, print_table
from adapters.cli.progress import working
from adapters.master_key import MasterKeyError
from adapters.postgres.connection import Database, connect
from adapters.postgres.errors import DatabaseError
from adapters.settings import Settings, SettingsError
from adapters.wiring import open_books

LIBRARIES = (
    "eventsourcing",
    "psycopg",
    "litestar",
    "msgspec",
    "apscheduler",
    "holidays",
    "uvicorn",
)


class Report(msgspec.Struct, frozen=True):
    ok: bool
    versions: dict[str, str]
    findings: list[Finding]


def add(commands: Any) -> None:
    doctor = add_command(
        commands,
        "doctor",
        _doctor,
        "check database, roles, log, read models, locks, business days, refunds and messages, and say what to do",
    )
    add_json(doctor)


def _doctor(arguments: argparse.Namespace) -> int:
    with working("examining the installation"):
        report = examined()
    if arguments.json:
        print_json(report)
    else:
        print_line("  ".join(f"{name} {number}" for name, number in report.versions.items()))
        print_table(
            ("check", "", "found"),
            [(one.check, "ok" if one.ok else "WRONG", one.detail) for one in report.findings],
        )
        for one in report.findings:
            if not one.ok:
                print_line(f"{one.check}: {one.what_to_do}")
    return 0 if report.ok else 1


def examined() -> Report:
    """Every check's finding. A database that cannot be opened is one itself."""
    versions = {name: version(name) for name in ("duebook", *LIBRARIES)}
    versions["python"] = platform.python_version()
    try:
        settings = Settings.from_environment()
        with open_books(settings) as books, _administrator(books.database) as connection:
            versions["postgresql"] = _server_version(connection)
            findings = [Finding("database", True, f"PostgreSQL {versions['postgresql']} answers")]
            findings += kept_secrets(settings)
            for check in (*CHECKS, check_messages):
                findings += check(books, connection)
    except (SettingsError, MasterKeyError, DatabaseError) as error:
        findings = [Finding("database", False, str(error), "mend this first, then ask again")]
    return Report(all(one.ok for one in findings), versions, findings)


@contextlib.contextmanager
def _administrator(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """The administrator's own login: it sees other sessions' transactions, which the tables' owner does not."""
    with connect(database.admin_url, "DUEBOOK_DATABASE_URL", autocommit=True) as connection:
        connection.execute(SQL("SET search_path = {}").format(Identifier(database.schema)))
        yield connection


def _server_version(connection: psycopg.Connection[Any]) -> str:
    number = connection.info.server_version
    return f"{number // 10_000}.{number % 10_000}"
