"""Marked blocks of a page: what stands between their marks is written by `make docs`, the rest by hand.

<!-- written by make docs: NAME -->
...
<!-- end of NAME -->
"""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_BLOCK = re.compile(
    r"(?P<begin><!-- written by make docs: (?P<name>[a-z-]+) -->\n)(?P<old>.*?)(?P<end><!-- end of (?P=name) -->)",
    re.DOTALL,
)

Write = Callable[[str], str]
"""Makes a block's new text, given its old one, from which cells written by hand are kept."""


def rewritten(text: str, writers: dict[str, Write]) -> str:
    """A page with each of its blocks made anew. Raises KeyError for a block nobody writes."""

    def write(found: re.Match[str]) -> str:
        return found["begin"] + writers[found["name"]](found["old"]) + found["end"]

    return _BLOCK.sub(write, text)


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table. A bar inside a cell is escaped."""
    lines = ["| " + " | ".join(headers) + " |", "|" + "---|" * len(headers)]
    for row in rows:
        cells = [" ".join(cell.split()).replace("|", "\\|") for cell in row]
        lines.append("|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|")
    return "\n".join(lines) + "\n"


def kept(old: str) -> dict[str, str]:
    """The last cell of each row of the old block's tables, by the row's first cell: it was written by hand."""
    found: dict[str, str] = {}
    for line in old.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) > 1 and not set(cells[0]) <= {"-"}:
            found[cells[0]] = cells[-1].replace("\\|", "|")
    return found
