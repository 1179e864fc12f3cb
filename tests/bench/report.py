"""The table of a run, for a terminal and for the documentation."""

from collections.abc import Mapping
from pathlib import Path

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from tests.bench.figures import FIGURES, USUAL, Figure

Figures = Mapping[str, float | str]

WIDE = 140
"""Columns of a terminal from which on the table also tells what each figure is."""

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "benchmarks.md"
BEGIN, END = "<!-- written by make bench -->", "<!-- end of the run -->"


def table(figures: Figures, *, wide: bool) -> Table:
    """One row per figure that was measured, the machine above; what missed its target is red. `wide` tells meanings."""
    drawn = Table(title=_machine(figures), title_justify="left", box=SIMPLE, header_style="bold")
    drawn.add_column("figure", no_wrap=True)
    drawn.add_column("measured", justify="right", no_wrap=True)
    drawn.add_column("unit", no_wrap=True)
    drawn.add_column("target", justify="right", no_wrap=True)
    drawn.add_column("ratio", justify="right", no_wrap=True)
    if wide:
        drawn.add_column("what it is", overflow="fold")
    family = ""
    for figure in FIGURES:
        if figure.key not in figures or figure.family == "machine":
            continue
        if family and figure.family != family:
            drawn.add_section()
        family = figure.family
        value = figures[figure.key]
        ratio = figure.ratio(value)
        style = "" if ratio is None else "green" if ratio >= 1 else "bold red"
        drawn.add_row(
            figure.key,
            Text(shown(value), style=style),
            figure.unit,
            _target(figure),
            Text("" if ratio is None else f"{ratio:.2f}", style=style),
            *[figure.what] * wide,
        )
    return drawn


def _machine(figures: Figures) -> str:
    facts = {key.removeprefix("machine."): value for key, value in figures.items()}
    return (
        f"Duebook, {facts['measured_at']}: {shown(facts['cores'])} cores, {facts['memory_gb']} GB, "
        f"Python {facts['python']}, PostgreSQL {facts['postgresql']}, fsync {facts['fsync']}"
    )


def document(figures: Figures) -> None:
    """Puts the table of a whole run into the documentation. Raises KeyError when a figure is missing."""
    begin, rest = PAGE.read_text().split(BEGIN)
    _, end = rest.split(END)
    PAGE.write_text(begin + BEGIN + "\n" + markdown(figures) + END + end)


def markdown(figures: Figures) -> str:
    """The table with every figure, ending in a line feed."""
    rows = [
        "| figure | measured | unit | target | ratio | what it is |",
        "|---|---:|---|---:|---:|---|",
    ]
    for figure in USUAL:
        value = figures[figure.key]
        ratio = figure.ratio(value)
        rows.append(
            f"| `{figure.key}` | {shown(value)} | {figure.unit} | {_target(figure)} "
            f"| {'' if ratio is None else f'{ratio:.2f}'} | {figure.what} |"
        )
    return "\n".join(rows) + "\n"


def shown(value: float | str) -> str:
    """A number with as many digits as it deserves."""
    if isinstance(value, str):
        return value
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _target(figure: Figure) -> str:
    return "" if figure.target is None else f"{figure.target:,g}"
