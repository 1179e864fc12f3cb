"""Arguments that several commands take, and how their texts are read."""

import argparse
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

Run = Callable[[argparse.Namespace], int]


def add_command(commands: Any, name: str, run: Run, sentence: str) -> argparse.ArgumentParser:
    """A command with its sentence in the list and in its own help."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=sentence, description=_sentence(sentence)
    )
    parser.set_defaults(run=run)
    return parser


def add_family(commands: Any, name: str, sentence: str) -> Any:
    """A command that only has commands of its own."""
    parser = commands.add_parser(name, help=sentence, description=_sentence(sentence))
    return parser.add_subparsers(title="commands", metavar="COMMAND", required=True)


def add_tenant(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tenant", required=True, metavar="T", help="the tenant's id or name")


def add_json(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--json", action="store_true", help="answer in JSON, on one line")


def identifier(text: str) -> UUID:
    """An id, as it is listed."""
    try:
        return UUID(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an id") from None


def day(text: str) -> date:
    """A date, ISO 8601."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a date; write it as 2013-06-30"
        ) from None


def instant(text: str) -> datetime:
    """An instant, ISO 8601, with its offset; UTC where it says none."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an instant; write it as 2013-06-30T12:00:00Z"
        ) from None
    return read if read.tzinfo is not None else read.replace(tzinfo=UTC)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."
