"""`duebook projections list|lag|rebuild|verify`: the read models and how they stand to the log."""

import argparse
import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

import msgspec

from adapters.cli.parsing import add_command, add_family, add_json
from adapters.cli.printing import print_json, print_line, print_table, say
from adapters.cli.progress import Progress
from adapters.cli.verifications import BESIDE, VerifiedName, named, verified, verified_beside
from adapters.postgres.connection import owner_connection
from adapters.settings import Settings
from adapters.wiring import Books, open_books
from projections.catalog import CATALOG, projection_named
from projections.engine.projection import Projection
from projections.rebuild.rebuild import Rebuilt, rebuild


def add(commands: Any) -> None:
    family = add_family(commands, "projections", "list, rebuild and verify the read models")
    listing = add_command(
        family, "list", _list, "list every read model with its version, tables and parked streams"
    )
    add_json(listing)
    lag = add_command(family, "lag", _lag, "show how many events each read model is behind the log")
    add_json(lag)
    rebuilding = add_command(
        family,
        "rebuild",
        _rebuild,
        "rebuild a read model from the log while the live one serves, then swap; "
        "stopped, it goes on where it was",
    )
    _add_name(rebuilding)
    add_json(rebuilding)
    verifying = add_command(
        family,
        "verify",
        _verify,
        "rebuild read models in shadow tables and compare; snapshots, names and number series are "
        "recomputed too",
    )
    _add_name(verifying)
    add_json(verifying)


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="one read model (default: every one)"
    )


class ListedProjection(msgspec.Struct, frozen=True):
    """A read model. `built_by` is the version of the code that filled its tables."""

    name: str
    version: int
    built_by: int
    streams: tuple[str, ...]
    tables: tuple[str, ...]
    parked: int


def _list(arguments: argparse.Namespace) -> int:
    with open_books(Settings.from_environment()) as books:
        lags = {lag.projection: lag for lag in books.projections.lag()}
        parked = books.projections.parked()
    items = [
        ListedProjection(
            name=projection.name,
            version=projection.version,
            built_by=lags[projection.name].built_by,
            streams=projection.streams,
            tables=tuple(table.name for table in projection.tables),
            parked=lags[projection.name].parked,
        )
        for projection in CATALOG
    ]
    if arguments.json:
        print_json({"items": items, "parked": parked})
        return 0
    print_table(
        ("name", "version", "built by", "streams", "parked", "tables"),
        [
            (
                item.name,
                item.version,
                item.built_by,
                ", ".join(item.streams),
                item.parked,
                ", ".join(item.tables),
            )
            for item in items
        ],
    )
    for one in parked:
        say(
            f"{one.projection} parked {one.tag.partition('.')[0]} {one.stream_id} of tenant "
            f"{one.tenant_id} at version {one.version} ({one.tag}): {one.reason}"
        )
    return 0


def _lag(arguments: argparse.Namespace) -> int:
    with open_books(Settings.from_environment()) as books:
        lags = books.projections.lag()
    if arguments.json:
        print_json({"items": lags})
        return 0
    print_table(
        ("name", "position", "log end", "behind"),
        [(lag.projection, lag.position, lag.end, lag.behind) for lag in lags],
    )
    return 0


def _rebuild(arguments: argparse.Namespace) -> int:
    chosen = _chosen(arguments.name)
    rebuilt: list[Rebuilt] = []
    with (
        open_books(Settings.from_environment()) as books,
        Progress() as progress,
        _stopping() as stop,
    ):
        for projection in chosen:
            rebuilt.append(_rebuilt(books, projection, progress, stop))
    if arguments.json:
        print_json({"items": rebuilt})
        return 0
    print_table(
        ("name", "events", "position", "parked", "seconds"),
        [
            (one.projection, one.events, one.position, one.parked, f"{one.seconds:.1f}")
            for one in rebuilt
        ],
    )
    return 0


def _rebuilt(
    books: Books, projection: Projection, progress: Progress, stop: threading.Event
) -> Rebuilt:
    return rebuild(
        projection,
        books.database.writer.connection,
        lambda: owner_connection(books.database),
        named(progress, projection.name),
        stop,
    )


def _verify(arguments: argparse.Namespace) -> int:
    chosen = () if arguments.name in BESIDE else _chosen(arguments.name)
    items: list[VerifiedName] = []
    with (
        open_books(Settings.from_environment()) as books,
        Progress() as progress,
        _stopping() as stop,
    ):
        for projection in chosen:
            items.append(verified(books, projection, progress, stop))
        if arguments.name is None or arguments.name in BESIDE:
            items += verified_beside(books, progress, stop, arguments.name)
    if arguments.json:
        print_json({"items": items})
    else:
        print_table(
            ("name", "", "rows", "seconds"),
            [
                (
                    item.name,
                    "equal" if item.equal else "differs",
                    item.compared,
                    f"{item.seconds:.1f}",
                )
                for item in items
            ],
        )
        for item in items:
            for difference in item.differences:
                print_line(f"{item.name}: {difference}")
            for note in item.notes:
                print_line(f"{item.name}: {note}")
    return 0 if all(item.equal for item in items) else 1


def _chosen(name: str | None) -> tuple[Projection, ...]:
    return CATALOG if name is None else (projection_named(name),)


@contextlib.contextmanager
def _stopping() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set: what runs stops at its next checkpoint and can be resumed."""
    stop = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
