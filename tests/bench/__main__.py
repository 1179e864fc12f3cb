"""`python -m tests.bench [--quick] [--only clock,night] [--debtors N] [--out FILE] [--document]`: measures, prints a
table, writes JSON and, asked to document, the table of the run into docs/reference/benchmarks.md.

Each family runs in a process of its own on a database server of its own: the embedded one with production settings,
on the disk that holds the build folder. A family that fails is named and makes the exit status 1; the others'
figures stand. Ratios are between figures of one run.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from rich.console import Console

from adapters.postgres.embedded_server import EmbeddedPostgres
from tests.bench import report
from tests.bench.elsewhere import Elsewhere
from tests.bench.family import MEASURES, USUAL

OUT = Path("build/bench.json")


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status."""
    arguments = _parser().parse_args(argv)
    out: Path = arguments.out.absolute()
    out.parent.mkdir(parents=True, exist_ok=True)
    console = Console()
    figures: dict[str, float | str] = {}
    failed: list[str] = []
    for family in arguments.only:
        options = ["--quick"] * arguments.quick
        if arguments.debtors:
            options.append(f"--debtors={arguments.debtors}")
        with console.status(f"measuring: {family}"):
            measured = _run(family, out.parent, options)
        if measured is None:
            failed.append(family)
        else:
            figures.update(measured)
    console.print(report.table(figures, wide=console.width >= report.WIDE))
    out.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2) + b"\n")
    console.print(f"written to {arguments.out}")
    if failed:
        console.print(f"[bold red]failed: {', '.join(failed)}")
        return 1
    if arguments.document:
        report.document(figures)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description="Measures Duebook.")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: only shows that it runs")
    parser.add_argument(
        "--only",
        type=_families,
        default=USUAL,
        metavar="FAMILY[,FAMILY]",
        help=f"measure only these: {', '.join(MEASURES)}",
    )
    parser.add_argument(
        "--debtors", type=int, metavar="N", help="of the family night, instead of 300,000"
    )
    parser.add_argument(
        "--document",
        action="store_true",
        help=f"write the table of a whole run to {report.PAGE.name}",
    )
    parser.add_argument("--out", type=Path, default=OUT, metavar="FILE")
    return parser


def _families(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in MEASURES]
    if unknown:
        raise argparse.ArgumentTypeError(f"no such family: {', '.join(unknown)}")
    return [name for name in MEASURES if name in names or name == "machine"]


def _run(family: str, folder: Path, options: Sequence[str]) -> Mapping[str, float | str] | None:
    """The figures of a family; None when it failed, having said why on stderr."""
    home = Path(tempfile.mkdtemp(prefix="bench-", dir=folder))
    home.chmod(0o711)  # the server of root runs as another user
    command = [sys.executable, "-m", "tests.bench.family", family, str(home / "figures.json")]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DUEBOOK_")}
    environment["DUEBOOK_HOME"] = str(home)
    try:
        # Held here too, so that the server is stopped whatever becomes of the family's process.
        with EmbeddedPostgres(home) as server:
            elsewhere = Elsewhere(server)
            done = subprocess.run(
                [*command, *options], env=environment, stdout=sys.stderr, check=False
            )
            elsewhere_cores = elsewhere.cores()
        if done.returncode != 0:
            return None
        written = (home / "figures.json").read_bytes()
        figures = msgspec.json.decode(written, type=dict[str, float | str])
        return figures | {f"{family}.elsewhere_cores": elsewhere_cores}
    finally:
        shutil.rmtree(home)


if __name__ == "__main__":
    sys.exit(main())
