"""Pages of a list: items, an opaque cursor to what comes after them, and the filters they are drawn by.

A cursor holds the sort key of the last item, so a list that grows meanwhile repeats nothing and leaves nothing out.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from ledger.errors import Rejected

MAX_LIMIT = 500

T = TypeVar("T")


class MalformedCursor(Rejected):
    """The cursor is none that a list of this kind gave out."""


class MalformedFilter(Rejected):
    """A filter holds a character that no stored text has."""


class LimitOutOfRange(Rejected):
    """A page has between 1 and 500 items."""


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A page of a list. `next_cursor` is None on the last one."""

    items: list[T]
    next_cursor: str | None = None


def page_of(items: list[T], limit: int, found: int, key: Callable[[T], Sequence[Any]]) -> Page[T]:
    """A page of items, of which up to one more than the limit was found; the cursor is the sort key of the last one."""
    return Page(items, encoded(key(items[-1])) if found > limit else None)


def encoded(key: Sequence[Any]) -> str:
    """The cursor of a sort key: dates, texts and UUIDs."""
    return base64.urlsafe_b64encode(msgspec.json.encode(list(key))).decode().rstrip("=")


def decoded(cursor: str | None, *types: type) -> tuple[Any, ...]:
    """The sort key in a cursor, each part of its type; all None without a cursor. Raises MalformedCursor."""
    if cursor is None:
        return (None,) * len(types)
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        key: tuple[Any, ...] = msgspec.json.decode(data, type=tuple[types])  # type: ignore[valid-type]
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise MalformedCursor(
            "the cursor was not given out by this list; begin without one", field="cursor"
        ) from error
    if any(isinstance(part, str) and "\0" in part for part in key):
        raise MalformedCursor("the cursor was not given out by this list", field="cursor")
    return key


def filters_of(filters: msgspec.Struct) -> dict[str, Any]:
    """The filters' values by name. Raises MalformedFilter."""
    values = msgspec.structs.asdict(filters)
    for name, value in values.items():
        if isinstance(value, str) and "\0" in value:
            raise MalformedFilter(f"{name} may not hold the character NUL", field=name)
    return values


def checked(limit: int) -> int:
    """The limit itself. Raises LimitOutOfRange."""
    if not 1 <= limit <= MAX_LIMIT:
        raise LimitOutOfRange(f"limit must be between 1 and {MAX_LIMIT}", field="limit")
    return limit
