"""Which column of the file holds what."""

import difflib
from collections.abc import Mapping, Sequence

import msgspec

from ledger.errors import Rejected, quoted

REQUIRED = ("customer_ref", "invoice_number", "issued_on", "due_on", "amount", "currency")
OPTIONAL = ("customer_name", "settled_on", "settled_amount", "disputed")
FIELDS = (*REQUIRED, *OPTIONAL)
"""What a row may hold. `currency` is optional when one currency was given for the whole file."""


class UnknownColumn(Rejected):
    """The import knows no such field, or the file has no such column."""


class MissingColumn(Rejected):
    """The file lacks a column that every row needs."""


class DuplicateColumn(Rejected):
    """Two columns of the file have the name of one that is needed."""


class Columns(msgspec.Struct, frozen=True):
    """The places of the fields in a record, how many fields a record has, and the columns that mean nothing here."""

    places: dict[str, int]
    headers: dict[str, str]
    width: int
    ignored: tuple[str, ...]


def known_field(name: str) -> str:
    """The field itself. Raises UnknownColumn with the nearest name."""
    if name not in FIELDS:
        raise UnknownColumn(
            f"{quoted(name)} is no field of an import{_near(name, FIELDS)}: "
            f"it knows {', '.join(FIELDS)}"
        )
    return name


def columns_of(header: Sequence[str], named: Mapping[str, str], *, currency_given: bool) -> Columns:
    """Finds every field in the file's header, under its own name or the one given for it in `named`.

    Raises UnknownColumn, MissingColumn, DuplicateColumn.
    """
    titles = [title.strip() for title in header]
    places: dict[str, int] = {}
    missing: list[str] = []
    for field in FIELDS:
        title = named.get(field, field)
        found = titles.count(title)
        if found > 1:
            raise DuplicateColumn(
                f"the file has {found} columns named {quoted(title)}; rename all but the one that "
                f"holds {field}"
            )
        if found == 1:
            places[field] = titles.index(title)
        elif field in named:
            raise UnknownColumn(
                f"the file has no column {quoted(title)} for {field}{_near(title, titles)}: "
                f"it has {_listed(titles)}"
            )
        elif field in REQUIRED and not (field == "currency" and currency_given):
            missing.append(field)
    if missing:
        raise MissingColumn(_missing(missing, titles))
    used = set(places.values())
    return Columns(
        places=places,
        headers={field: titles[place] for field, place in places.items()},
        width=len(titles),
        ignored=tuple(title for place, title in enumerate(titles) if place not in used),
    )


def nearest_field(title: str, columns: Columns) -> str | None:
    """The field that an ignored column was probably meant to be."""
    left = [field for field in FIELDS if field not in columns.places]
    near = difflib.get_close_matches(title.casefold().replace(" ", "_"), left, n=1, cutoff=0.8)
    return near[0] if near else None


def _missing(missing: Sequence[str], titles: Sequence[str]) -> str:
    what = "a column" if len(missing) == 1 else "columns"
    options = " ".join(f"--column {field}=HEADER" for field in missing)
    instead = " (or give --currency)" if "currency" in missing else ""
    separated = ""
    if len(titles) == 1 and any(mark in titles[0] for mark in ";\t|"):
        separated = "; fields must be separated by commas"
    return (
        f"the file lacks {what} {', '.join(missing)}: name them with {options}{instead}; "
        f"it has {_listed(titles)}{separated}"
    )


def _near(name: str, among: Sequence[str]) -> str:
    by_fold = {known.casefold().replace("_", ""): known for known in among}
    wanted = name.strip().casefold().replace("_", "").replace(" ", "")[:60]
    near = difflib.get_close_matches(wanted, by_fold, n=1)
    return f" (did you mean {by_fold[near[0]]}?)" if near else ""


def _listed(titles: Sequence[str]) -> str:
    shown = ", ".join(quoted(title)[1:-1] for title in titles[:30])
    return shown + (f" and {len(titles) - 30} more" if len(titles) > 30 else "")
