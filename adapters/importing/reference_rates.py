"""Reference rates from a CSV file: the columns `name`, `from_on` and `rate`, one fact each line."""

import itertools
from datetime import date
from typing import BinaryIO

from adapters.importing.records import Record, Records, Unreadable
from commands.reference_rates import FailedLine, ReferenceRateLine, SetReferenceRate
from ledger.errors import Rejected, quoted
from ledger.reference_rates import MAX_FACTS

COLUMNS = ("name", "from_on", "rate")


class WrongHeader(Rejected):
    """The first line of the file does not name the columns name, from_on and rate."""


class TooManyLines(Rejected):
    """The file has more lines than a tenant records reference rates."""


def read_reference_rates(
    stream: BinaryIO,
) -> tuple[list[ReferenceRateLine], list[FailedLine]]:
    """(lines, those that cannot be read). Dates are ISO 8601. Raises NotUtf8, WrongHeader, TooManyLines."""
    records = Records(stream)
    places = _places(next(records, None))
    lines: list[ReferenceRateLine] = []
    failed: list[FailedLine] = []
    for read in itertools.islice(records, MAX_FACTS + 1):
        if isinstance(read, Unreadable):
            failed.append(FailedLine(read.line, read.reason))
        elif len(read.fields) != len(COLUMNS):
            reason = f"the line has {len(read.fields)} fields, the header {len(COLUMNS)}"
            failed.append(FailedLine(read.line, reason))
        else:
            name, from_on, rate = (read.fields[place].strip() for place in places)
            try:
                command = SetReferenceRate(name, date.fromisoformat(from_on), rate)
            except ValueError:
                reason = f"{quoted(from_on)} is not a date; write it as 2024-07-01"
                failed.append(FailedLine(read.line, reason))
            else:
                lines.append(ReferenceRateLine(read.line, command))
    if len(lines) + len(failed) > MAX_FACTS:
        raise TooManyLines(
            f"the file has more than {MAX_FACTS} lines: record one for each half-year"
        )
    return lines, failed


def _places(header: Record | Unreadable | None) -> list[int]:
    """Where each column stands. Raises WrongHeader."""
    titles = [title.strip() for title in header.fields] if isinstance(header, Record) else []
    if sorted(titles) != sorted(COLUMNS):
        raise WrongHeader(f"the first line must name the columns: {','.join(COLUMNS)}")
    return [titles.index(name) for name in COLUMNS]
