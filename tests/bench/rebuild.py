"""Rebuilding each read model from a log of the clock's mix, in a process of its own, whose memory is its own."""

import subprocess
import sys
from typing import Any

import msgspec

from adapters.postgres.connection import Database, connect_database, owner_connection
from projections.catalog import CATALOG
from projections.engine.projection import Projection
from projections.rebuild.rebuild import rebuild
from tests.bench.measuring import peak_mb
from tests.projections.bulk import fill

EVENTS_PER_INVOICE = 10
EARLY = 0.3


def measure(database: Database, events: int = 1_000_000) -> dict[str, float]:
    """Appends that many events, most of them interest, then rebuilds every projection.

    `rebuild.events_per_s` is the slowest projection's; `rebuild.{name}_events_per_s` each one's. `rebuild.peak_mb` is
    the most memory the process has had resident, `rebuild.growth_mb` how much of that came after the first third.
    """
    fill(database, events, max(1, events // EVENTS_PER_INVOICE))
    with owner_connection(database) as connection:
        connection.execute("ANALYZE events")
    asked = _Asked(
        admin_url=database.admin_url,
        writer_url=database.writer_url,
        api_url=database.api_url,
        master_key=database.master_key.hex(),
    )
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.rebuild"],
        input=msgspec.json.encode(asked),
        stdout=subprocess.PIPE,
        check=True,
    )
    return msgspec.json.decode(done.stdout, type=dict[str, float])


class _Asked(msgspec.Struct):
    """What the other process is told, on its standard input: the URLs hold passwords."""

    admin_url: str
    writer_url: str
    api_url: str
    master_key: str


def _rebuild_all(database: Database) -> dict[str, float]:
    figures: dict[str, float] = {}
    early: list[float] = []
    for projection in CATALOG:
        name = f"rebuild.{projection.name}_events_per_s"
        figures[name] = _rebuild(database, projection, early)
    figures["rebuild.events_per_s"] = min(figures.values())
    figures["rebuild.peak_mb"] = peak_mb()
    figures["rebuild.growth_mb"] = peak_mb() - early[0]
    return figures


def _rebuild(database: Database, projection: Projection, early: list[float]) -> float:
    def progress(done: int, total: int) -> None:
        if done >= EARLY * total and not early:
            early.append(peak_mb())

    done = rebuild(
        projection, database.writer.connection, lambda: owner_connection(database), progress
    )
    return done.events / done.seconds


def main() -> None:
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=_Asked)
    options: dict[str, Any] = {"writer_url": asked.writer_url, "api_url": asked.api_url}
    with connect_database(asked.admin_url, bytes.fromhex(asked.master_key), **options) as database:
        sys.stdout.buffer.write(msgspec.json.encode(_rebuild_all(database)))


if __name__ == "__main__":
    main()
