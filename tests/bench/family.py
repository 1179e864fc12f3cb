"""One family of figures, in a process of its own: `python -m tests.bench.family NAME OUT [--quick] [--debtors=N]`.

The installation is the one the environment names. Writes the figures to OUT as JSON; fails when one is missing.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from msgspec.structs import replace

from adapters.postgres.connection import open_database
from adapters.settings import Settings
from tests.bench import api, append, clock, late, loading, machine, mail, night, proofs, rebuild
from tests.bench.figures import figures_of
from tests.bench.sizes import FULL, QUICK, Size

Figures = Mapping[str, float | str]


def _rebuild(settings: Settings, size: Size) -> Figures:
    with open_database(settings) as database:
        return rebuild.measure(database, size.rebuilt)


MEASURES: dict[str, Callable[[Settings, Size], Figures]] = {
    "machine": machine.measure,
    "append": append.measure,
    "load": loading.measure,
    "clock": clock.measure,
    "rebuild": _rebuild,
    "late": late.measure,
    "api": lambda settings, size: api.measure(settings.home, size.warm_up_s, size.measured_s),
    "mail": mail.measure,
    "night": night.measure,
    "proofs": proofs.measure,
}
USUAL = [family for family in MEASURES if family != "proofs"]
"""What is measured unless families are named: the proofs take hours."""


def measured(family: str, settings: Settings, size: Size) -> Figures:
    """The figures of a family: exactly those it is listed with."""
    figures = MEASURES[family](settings, size)
    listed = figures_of(family)
    assert figures.keys() == listed, f"{family}: {sorted(figures.keys() ^ listed)}"
    return figures


def main(arguments: list[str]) -> None:
    family, out, *options = arguments
    size = QUICK if "--quick" in options else FULL
    for option in options:
        name, _, count = option.partition("=")
        if name == "--debtors":
            size = replace(size, debtors=int(count))
    figures = measured(family, Settings.from_environment(), size)
    Path(out).write_bytes(msgspec.json.encode(figures))


if __name__ == "__main__":
    main(sys.argv[1:])
