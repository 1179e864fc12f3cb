"""Verifying read models, and what is written beside the events, for `duebook projections verify`."""

import threading
import time
from collections.abc import Callable, Sequence

import msgspec

from adapters.cli.progress import Progress
from adapters.postgres.connection import owner_connection
from adapters.wiring import Books
from projections.engine.projection import Projection
from projections.verify.digests import Difference
from projections.verify.number_series import Skipped
from projections.verify.numbers import MAX_DIFFERENCES, verify_numbers
from projections.verify.read_models import verify
from projections.verify.snapshots import verify_snapshots

SNAPSHOTS, NAMES, SERIES = "snapshots", "names", "number_series"
BESIDE = (SNAPSHOTS, NAMES, SERIES)
"""What is written beside the events, as `verify` names it."""


class VerifiedName(msgspec.Struct, frozen=True):
    """A read model, or what is written beside the events: whether it is what the log says.

    notes  what is right and may surprise: numbers that a series skipped, and why
    """

    name: str
    equal: bool
    compared: int
    differences: list[str]
    seconds: float
    notes: list[str] = []


def verified(
    books: Books, projection: Projection, progress: Progress, stop: threading.Event
) -> VerifiedName:
    found = verify(
        projection,
        books.database.writer.connection,
        lambda: owner_connection(books.database),
        named(progress, projection.name),
        stop,
    )
    return VerifiedName(
        name=projection.name,
        equal=found.holds,
        compared=sum(table.rows for table in found.tables),
        differences=[_difference(difference) for difference in found.differences],
        seconds=found.seconds,
    )


def _difference(found: Difference) -> str:
    key = ", ".join(f"{name} {value}" for name, value in found.key.items())
    if not found.column:
        where = "the live table only" if found.rebuilt is None else "the log only"
        return f"{found.table}, {key}: the row is in {where}"
    live = "missing" if found.live is None else found.live
    return f"{found.table}, {key}: {found.column} is {live}, by the log {found.rebuilt}"


def verified_beside(
    books: Books, progress: Progress, stop: threading.Event, name: str | None
) -> list[VerifiedName]:
    """What is written beside the events: snapshots, names and number series."""
    connect = books.database.writer.connection
    found: list[VerifiedName] = []
    if name in (None, SNAPSHOTS):
        began = time.monotonic()
        snapshots = verify_snapshots(connect, named(progress, SNAPSHOTS), stop)
        found.append(_compared(SNAPSHOTS, snapshots.snapshots, snapshots.differences, began))
    if name != SNAPSHOTS:
        began = time.monotonic()
        numbers = verify_numbers(connect)
        for one, compared, table in (
            (NAMES, numbers.names, "unique_names"),
            (SERIES, numbers.series, "number_series"),
        ):
            differences = [other for other in numbers.differences if other.table == table]
            # The list is cut: with none of its own on a full list, nothing is known of this one.
            cut = not differences and len(numbers.differences) >= MAX_DIFFERENCES
            notes = [_skipped(each) for each in numbers.skipped] if one == SERIES else []
            found.append(_compared(one, compared, differences, began, cut=cut, notes=notes))
    return [one for one in found if name in (None, one.name)]


def _compared(
    name: str,
    compared: int,
    differences: list[Difference],
    began: float,
    *,
    cut: bool = False,
    notes: Sequence[str] = (),
) -> VerifiedName:
    found = [_difference(difference) for difference in differences]
    if cut:
        found = ["too much else differs to tell; mend that first"]
    return VerifiedName(
        name=name,
        equal=not found,
        compared=compared,
        differences=found,
        seconds=time.monotonic() - began,
        notes=list(notes),
    )


def _skipped(found: Skipped) -> str:
    others = f" and {found.count - 1} more" if found.count > 1 else ""
    return (
        f"tenant {found.tenant_id}, series {found.series}: skipped {found.first}{others}, which other documents have; "
        f"the first is of {found.held_by}"
    )


def named(progress: Progress, name: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(name, done, total)
