"""One row of an import: an invoice as another system knew it, checked before anything is written."""

import re
from collections.abc import Callable
from datetime import date, datetime
from functools import lru_cache
from hashlib import sha256
from typing import TypeVar

import msgspec

from adapters.importing.columns import Columns
from ledger.encrypted import plain
from ledger.errors import LedgerError, Rejected, quoted
from ledger.invoice.issuing import FIRST_ISSUE_ON, LAST_DUE_ON
from ledger.money import WithdrawnCurrency, exponent, parse_loose_minor, require_in_use

MOST_CHARACTERS = 200
_YES = frozenset({"yes", "y", "true", "t", "1"})
_NO = frozenset({"no", "n", "false", "f", "0", ""})
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")

T = TypeVar("T")


class BadRow(Rejected):
    """A row that cannot go in; the message names every reason."""


class WrongDateFormat(Rejected):
    """A date format that does not tell year, month and day."""


class Row(msgspec.Struct, frozen=True, array_like=True):
    """A row that was checked. Amounts are minor units of `currency`; `line` is where it stands in the file."""

    line: int
    invoice_number: str
    customer_ref: str
    issued_on: date
    due_on: date
    amount_minor: int
    currency: str
    settled_on: date | None = None
    settled_minor: int = 0
    disputed: bool = False
    customer_name: str = ""


class Reading(msgspec.Struct, frozen=True):
    """How rows are read: the columns, the dates' format (None for ISO 8601), the currency where no column says it,
    and the tenant's today, after which nothing can have happened yet."""

    columns: Columns
    today: date
    date_format: str | None = None
    currency: str = ""


def read_row(line: int, fields: list[str], reading: Reading) -> Row:
    """The row of a record. Raises BadRow with every reason why it cannot go in."""
    if len(fields) != reading.columns.width:
        raise BadRow(f"the row has {len(fields)} fields, the header {reading.columns.width}")
    return _Cells(fields, reading).row(line)


def content(row: Row) -> tuple[object, ...]:
    """Everything a row says, wherever it stands."""
    return msgspec.structs.astuple(row)[1:]


def content_hash(row: Row) -> str:
    """A digest of what a row says of its invoice; the customer's name is no part of that."""
    said = msgspec.structs.replace(row, line=0, customer_name="")
    return sha256(msgspec.json.encode(said)).hexdigest()


def checked_date_format(text: str) -> str:
    """The format itself. Raises WrongDateFormat when a date does not survive being written and read in it."""
    try:
        survives = all(
            datetime.strptime(day.strftime(text), text).date() == day
            for day in (date(2013, 2, 1), date(1999, 12, 31), date(2024, 2, 29))
        )
    except ValueError:
        survives = False
    if not survives:
        raise WrongDateFormat(
            f"{quoted(text)} does not tell year, month and day: give a format such as %d/%m/%Y"
        )
    return text


class _Cells:
    """The cells of one record, each read once; what is wrong is collected, so that it is told at once."""

    def __init__(self, fields: list[str], reading: Reading) -> None:
        self._fields = fields
        self._reading = reading
        self._wrong: list[str] = []

    def row(self, line: int) -> Row:
        number = self._read("invoice_number", self._text, "")
        customer_ref = self._read("customer_ref", self._text, "")
        name = self._read("customer_name", self._text, "") if self._cell("customer_name") else ""
        issued_on = self._read("issued_on", self._past_date, FIRST_ISSUE_ON)
        due_on = self._read("due_on", self._date, LAST_DUE_ON)
        currency = self._currency()
        self._check_in_use(currency, issued_on)
        amount_minor = self._read("amount", self._amount(currency), 0) if currency else 0
        settled_on, settled_minor = self._settled(currency, amount_minor)
        disputed = self._read("disputed", _truth, False)
        if due_on < issued_on:
            self._wrong.append(f"due on {due_on}, before it was issued on {issued_on}")
        if self._wrong:
            raise BadRow("; ".join(self._wrong))
        return Row(
            line=line,
            invoice_number=number,
            customer_ref=customer_ref,
            issued_on=issued_on,
            due_on=due_on,
            amount_minor=amount_minor,
            currency=currency,
            settled_on=settled_on,
            settled_minor=settled_minor,
            disputed=disputed,
            customer_name=name,
        )

    def _settled(self, currency: str, amount_minor: int) -> tuple[date | None, int]:
        if not self._cell("settled_on"):
            if self._cell("settled_amount"):
                self._wrong.append(f"{self._title('settled_amount')}: there is no date beside it")
            return None, 0
        settled_on = self._read("settled_on", self._past_date, FIRST_ISSUE_ON)
        if not self._cell("settled_amount") or not currency:
            return settled_on, amount_minor
        return settled_on, self._read("settled_amount", self._amount(currency), 0)

    def _currency(self) -> str:
        """The row's currency, or the one given for all; empty when it is wrong."""
        if self._cell("currency"):
            return self._read("currency", _checked_currency, "")
        if not self._reading.currency:
            self._wrong.append(f"{self._title('currency')}: is empty")
        return self._reading.currency

    def _check_in_use(self, currency: str, issued_on: date) -> None:
        try:
            if currency:
                require_in_use(currency, issued_on)
        except WithdrawnCurrency as error:
            self._wrong.append(f"{self._title('currency')}: {error}")

    def _read(self, field: str, reader: Callable[[str], T], otherwise: T) -> T:
        """What the reader makes of a cell; `otherwise` when it refuses, and the reason is kept."""
        try:
            return reader(self._cell(field))
        except LedgerError as error:
            self._wrong.append(f"{self._title(field)}: {str(error).rstrip('.')}")
            return otherwise

    def _cell(self, field: str) -> str:
        place = self._reading.columns.places.get(field)
        return "" if place is None else self._fields[place].strip()

    def _title(self, field: str) -> str:
        return self._reading.columns.headers.get(field, field)

    def _text(self, cell: str) -> str:
        if not cell:
            raise BadRow("is empty")
        if len(cell) > MOST_CHARACTERS:
            raise BadRow(f"is longer than {MOST_CHARACTERS} characters")
        if _UNPRINTABLE.search(cell):
            raise BadRow("holds a control character")
        return plain(cell, "the text")

    def _date(self, cell: str) -> date:
        if not cell:
            raise BadRow("is empty")
        day = _parsed_date(cell, self._reading.date_format)
        if not FIRST_ISSUE_ON <= day <= LAST_DUE_ON:
            raise BadRow(
                f"{day} lies outside the years {FIRST_ISSUE_ON.year} to {LAST_DUE_ON.year}"
            )
        return day

    def _past_date(self, cell: str) -> date:
        day = self._date(cell)
        if day > self._reading.today:
            raise BadRow(f"{day} lies in the future; today is {self._reading.today}")
        return day

    def _amount(self, currency: str) -> Callable[[str], int]:
        def read(cell: str) -> int:
            if not cell:
                raise BadRow("is empty")
            minor = parse_loose_minor(cell, currency)
            if minor <= 0:
                raise BadRow(f"{quoted(cell)} is not above zero")
            return minor

        return read


def _checked_currency(cell: str) -> str:
    exponent(cell)
    return cell


def _truth(cell: str) -> bool:
    folded = cell.casefold()
    if folded in _YES:
        return True
    if folded in _NO:
        return False
    raise BadRow(f"{quoted(cell)} is neither yes nor no")


@lru_cache(maxsize=10_000)
def _parsed_date(cell: str, date_format: str | None) -> date:
    try:
        if date_format is not None:
            return datetime.strptime(cell, date_format).date()
        if not _ISO.fullmatch(cell):
            raise ValueError("another form than ISO 8601")
        return date.fromisoformat(cell)
    except ValueError as error:
        form = "such as 2013-01-31" if date_format is None else f"as {date_format} writes it"
        raise BadRow(f"{quoted(cell)} is not a date {form}") from error
