"""Query parameters, read strictly: an unknown or repeated one is refused, so that a misspelt filter never lists
everything."""

import functools
import re
from datetime import date, datetime
from typing import Annotated, Any, Final, TypeVar, cast, get_args, get_type_hints
from urllib.parse import parse_qsl

import msgspec

from adapters.http.problem_details import Malformed

MAX_PARAMETERS: Final = 30

S = TypeVar("S")

# Read without strictness, a number is taken for seconds since 1970.
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_FORMS: Final = {
    "date": "a date is written YYYY-MM-DD, such as 2026-03-31",
    "datetime": "an instant is written with its offset, such as 2026-03-31T12:00:00Z",
}
_INVALID = re.compile(r"Invalid RFC3339 encoded (date|datetime)$")
_AT = re.compile(r" - at `\$\.?(.*)`$")
_NAMED = re.compile(r"^Object (?:missing required|contains unknown) field `(.*)`$")


class ReadQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`min_position`: wait until the answer reflects this `Duebook-Position`, for at most two seconds."""

    min_position: Annotated[int, msgspec.Meta(ge=0, le=2**62)] = 0


class ListQuery(ReadQuery, frozen=True, kw_only=True):
    """A page of a list: at most `limit` items, after `cursor`, the `next_cursor` of the page before."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    cursor: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)] | None = None


class DatedQuery(ReadQuery, frozen=True, kw_only=True):
    """`as_of`: the business date, today when left out, and no later one. `known_at`: the instant, with its offset, now
    when left out, and no later one."""

    as_of: date | None = None
    known_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


def read_query(query_string: bytes, into: type[S]) -> S:
    """The parameters as a struct. Raises Malformed."""
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_PARAMETERS,
        )
    except ValueError as error:
        raise Malformed("the query cannot be read: escape it as UTF-8") from error
    values: dict[str, str] = {}
    for name, value in pairs:
        if name in values:
            raise Malformed(f"the parameter {name[:40]!r} is given twice", field=name[:40])
        if "\0" in value:
            raise Malformed("a zero character cannot be searched for", field=name[:40])
        values[name] = value
    for name in _instants(cast(Any, into)):
        if name in values and not _INSTANT.match(values[name]):
            raise Malformed(f"{name}: {_FORMS['datetime']}", field=name)
    try:
        return msgspec.convert(values, into, strict=False)
    except msgspec.ValidationError as error:
        raise malformed(error, "parameter") from None


@functools.cache
def _instants(into: type[Any]) -> tuple[str, ...]:
    """The parameters that are instants."""
    hints = get_type_hints(into)
    return tuple(
        name for name, hint in hints.items() if hint is datetime or datetime in get_args(hint)
    )


def chosen(query: ReadQuery, into: type[S]) -> S:
    """A read model's filters out of the query that has them among its parameters."""
    names = into.__struct_fields__  # type: ignore[attr-defined]
    return into(**{name: getattr(query, name) for name in names})


def malformed(error: msgspec.ValidationError, word: str = "field") -> Malformed:
    """The refusal of a body or query that does not fit its struct, naming the field."""
    text = str(error)
    at = _AT.search(text)
    path = at[1] if at else ""
    message = text[: at.start()] if at else text
    named = _NAMED.match(message)
    if named is not None:
        path = f"{path}.{named[1]}" if path else named[1]
        known = "is missing" if "missing" in message else "is unknown"
        message = f"the {word} {path} {known}"
    elif invalid := _INVALID.match(message):
        message = f"{path}: {_FORMS[invalid[1]]}" if path else _FORMS[invalid[1]]
    elif path:
        message = f"{path}: {message[:1].lower()}{message[1:]}"
    return Malformed(message, field=path or None)


def refuse_query(scope: Any) -> None:
    """Refuses parameters where none are read. Raises Malformed."""
    if scope["query_string"]:
        raise Malformed("this takes no query parameters")
