"""What commands print: lines and tables for people, JSON and CSV for programs.

Everything goes through this module, which lets no control character through: text from outside is data, and steers no
terminal.
"""

import csv
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_IN_CELL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_CONTROL_IN_JSON = re.compile(r"[\x7f-\x9f]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def print_line(text: str = "", *, error: bool = False, flush: bool = False) -> None:
    """One line, on stdout or as an error on stderr."""
    print(printable(text), file=sys.stderr if error else sys.stdout, flush=flush)


def print_json(answer: Any) -> None:
    """Any struct, dict or JSON bytes, on one line."""
    data = answer if isinstance(answer, bytes) else msgspec.json.encode(answer)
    print(_CONTROL_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", data.decode()))


def print_table(headers: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Rows under their headers, numbers to the right. Drawn by rich on a terminal, else plain and aligned."""
    cells = [[printable(cell) for cell in row] for row in rows]
    right = [_are_numbers(row[place] for row in cells) for place in range(len(headers))]
    if sys.stdout.isatty():
        _print_drawn(headers, cells, right, title)
        return
    if title:
        print_line(title)
    widths = [
        max([len(header), *(len(row[place]) for row in cells)])
        for place, header in enumerate(headers)
    ]
    for row in [list(headers), *cells]:
        aligned = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ]
        print("  ".join(aligned).rstrip())


def print_csv(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows as CSV. A cell that a spreadsheet would take for a formula gets an apostrophe in front."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(headers)
    for row in rows:
        writer.writerow([guarded(_CONTROL_IN_CELL.sub(_REPLACEMENT, _text(cell))) for cell in row])


def guarded(text: str) -> str:
    """A cell that no spreadsheet runs; numbers stay numbers."""
    if text.startswith(_FORMULA_STARTS) and not _NUMBER.fullmatch(text):
        return "'" + text
    return text


def print_fields(fields: Iterable[tuple[str, object]]) -> None:
    """Names and values, one pair per line."""
    pairs = [(name, printable(value)) for name, value in fields]
    width = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        print(f"{name.ljust(width)}  {value}".rstrip())


def say(text: str) -> None:
    """A remark for the person at the terminal, beside the answer."""
    sys.stdout.flush()  # what was printed before comes first, wherever the two are read together
    print_line(f"duebook: {text}", error=True)


def _print_drawn(
    headers: Sequence[str], cells: Sequence[Sequence[str]], right: Sequence[bool], title: str
) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=SIMPLE_HEAD,
        title=Text(printable(title)) if title else None,
        title_justify="left",
        pad_edge=False,
    )
    for header, to_right in zip(headers, right, strict=True):
        table.add_column(Text(header), justify="right" if to_right else "left", overflow="fold")
    for row in cells:
        # Text, not markup: brackets in a name stay brackets.
        table.add_row(*(Text(cell) for cell in row))
    Console(width=shutil.get_terminal_size().columns).print(table)


def _text(cell: object) -> str:
    return "" if cell is None else str(cell)


def printable(cell: object) -> str:
    """A value as a terminal may show it: no control characters, so no escape sequences."""
    return _CONTROL.sub(_REPLACEMENT, _text(cell))


def _are_numbers(cells: Iterable[str]) -> bool:
    filled = [cell for cell in cells if cell]
    return bool(filled) and all(_NUMBER.fullmatch(cell) for cell in filled)
