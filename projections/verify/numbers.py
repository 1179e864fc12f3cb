"""Verifying number series and unique names: both are rebuilt from the events that gave them out."""

import msgspec

from projections.engine.tracking import Connect
from projections.verify.claims import pages
from projections.verify.digests import Difference, Differences
from projections.verify.number_series import NumberSeries, Skipped
from projections.verify.unique_names import UniqueNames

SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
MAX_DIFFERENCES = 10


class NumbersVerified(msgspec.Struct, frozen=True):
    """What a verification of number series and unique names found. `differences` and `skipped` are the first ten."""

    series: int
    names: int
    differences: list[Difference]
    skipped: list[Skipped]

    @property
    def holds(self) -> bool:
        return not self.differences


def verify_numbers(connect: Connect) -> NumbersVerified:
    """Rebuilds every series and every claimed name in one snapshot and compares them."""
    differences = Differences(MAX_DIFFERENCES)
    with connect() as connection, connection.transaction():
        connection.execute(SNAPSHOT)
        names, series = UniqueNames(connection, differences), NumberSeries(connection, differences)
        for page in pages(connection):
            names.take(page)
            series.take(page)
        series.compare()
        names.find_without_event()
    return NumbersVerified(
        series=len(series.series),
        names=names.given,
        differences=differences.found,
        skipped=list(series.skipped.values())[:MAX_DIFFERENCES],
    )
