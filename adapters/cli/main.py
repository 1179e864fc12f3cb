"""`duebook`: the arguments, and every error as one line on stderr."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

import psycopg
from psycopg_pool import PoolTimeout

from adapters.cli import (
    agreements,
    credit_notes,
    days,
    doctor,
    dunning,
    events,
    imports,
    keys,
    messages,
    migrations,
    projections,
    reference_rates,
    refunds,
    reports,
    senders,
    service,
    tasks,
    templates,
    tenants,
    traces,
)
from adapters.cli.printing import print_line
from adapters.master_key import MasterKeyError
from adapters.postgres.errors import DatabaseError
from adapters.settings import SettingsError
from adapters.store.writer import StoreUnavailable
from ledger.errors import LedgerError, Rejected
from projections.rebuild.backfill import Stopped
from projections.rebuild.rebuild import NotSwapped
from schedulers.ports import ClockTaken, Fenced

DONE, REFUSED, WRONG_USE = 0, 1, 2
INTERRUPTED = 128 + signal.SIGINT

FAMILIES: tuple[Callable[[Any], None], ...] = (
    service.add,
    migrations.add,
    doctor.add,
    tenants.add,
    keys.add,
    reference_rates.add,
    imports.add,
    agreements.add,
    credit_notes.add,
    days.add,
    dunning.add,
    messages.add,
    templates.add,
    senders.add,
    tasks.add,
    refunds.add,
    reports.add,
    projections.add,
    events.add,
    traces.add,
)

REFUSALS = (
    SettingsError,
    MasterKeyError,
    DatabaseError,
    LedgerError,
    StoreUnavailable,
    ClockTaken,
    Fenced,
    NotSwapped,
    Stopped,
)


class NotText(Rejected):
    """An argument is not text in the terminal's encoding."""


def _require_text(arguments: Sequence[str]) -> None:
    """Raises NotText."""
    for argument in arguments:
        if any("\ud800" <= character <= "\udfff" for character in argument):
            raise NotText(f"the argument {argument!a} is not text in this terminal's encoding")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit status. Arguments are those of the process when left out."""
    logging.basicConfig(
        level=logging.ERROR, stream=sys.stderr, format="duebook: %(levelname)s: %(message)s"
    )
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except REFUSALS as error:
        return _refused(str(error))
    except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
        return _refused(f"the database does not answer: {_one_line(error)}")
    except BrokenPipeError:
        # Whoever read our output has gone. Python would complain once more when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return REFUSED
    except OSError as error:
        return _refused(
            f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
        )
    except KeyboardInterrupt:
        print_line("duebook: interrupted", error=True)
        return INTERRUPTED


def _run(argv: Sequence[str]) -> int:
    """Runs a command and writes out what it printed."""
    _require_text(argv)
    try:
        arguments = parser().parse_args(argv)
        status: int = arguments.run(arguments)
    except SystemExit as leaving:  # argparse has printed help, or what is wrong with the arguments
        status = leaving.code if isinstance(leaving.code, int) else WRONG_USE
    sys.stdout.flush()
    return status


def parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    top = argparse.ArgumentParser(
        prog="duebook",
        description="An event-sourced receivables ledger: invoices, payments, late fees and interest, "
        "each cent provable. Settings are environment variables named DUEBOOK_...",
        epilog="exit status: 0 done, 1 refused or differs, 2 wrong use",
    )
    top.add_argument("--version", action="version", version=f"duebook {version('duebook')}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in FAMILIES:
        add(commands)
    return top


def _refused(message: str) -> int:
    print_line(f"duebook: {message}", error=True)
    return REFUSED


def _one_line(error: Exception) -> str:
    return " | ".join(line.strip() for line in str(error).splitlines() if line.strip())


if __name__ == "__main__":
    sys.exit(main())
