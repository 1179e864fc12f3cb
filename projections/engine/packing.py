"""PostgreSQL's binary formats for rows by the hundred thousand: arrays as parameters, rows of a COPY.

A value is a Python value of its column's kind; ids are their 16 bytes. An array is a header and, for each element,
its length and bytes (-1 for NULL); a row of COPY is a field count and, for each field, the same.
See the PostgreSQL documentation: COPY, "Binary Format".
"""

import struct
from collections.abc import Callable, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import psycopg
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

Kind = Literal["uuid", "integer", "bigint", "date", "boolean", "text", "numeric"]

COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TRAILER = b"\xff\xff"

_EPOCH_DAY = date(2000, 1, 1).toordinal()
_length = struct.Struct(">i").pack
_NULL = _length(-1)
_UUID = _length(16)
_BOOLEAN = {False: b"\0\0\0\x01\0", True: b"\0\0\0\x01\x01"}
_integer = struct.Struct(">ii").pack
_bigint = struct.Struct(">iq").pack
_ARRAY = struct.Struct(">iiIii")

# Kinds of one length: the run of them that a row begins with is packed by one call, and holds no NULL.
_FIXED: dict[Kind, tuple[int, str]] = {"uuid": (16, "16s"), "integer": (4, "i"), "bigint": (8, "q")}


def _uuid_field(value: bytes | None) -> bytes:
    return _NULL if value is None else _UUID + value


def _integer_field(value: int) -> bytes:
    return _integer(4, value)


def _bigint_field(value: int) -> bytes:
    return _bigint(8, value)


@lru_cache(maxsize=4096)  # a column of dates holds few different ones
def _date_field(value: date | None) -> bytes:
    return _NULL if value is None else _integer(4, value.toordinal() - _EPOCH_DAY)


def _boolean_field(value: bool) -> bytes:
    return _BOOLEAN[value]


def _text_field(value: str) -> bytes:
    data = value.encode()
    return _length(len(data)) + data


def _number_field(value: int) -> bytes:
    """A whole number of any size, as the text that `numeric` is cast from."""
    return _text_field(str(value))


class _Format(NamedTuple):
    """How values of a kind are sent: as elements of which array, and by which function."""

    array: str
    array_oid: int
    element_oid: int
    field: Callable[[Any], bytes]


FORMATS: dict[Kind, _Format] = {
    "uuid": _Format("uuid[]", 2951, 2950, _uuid_field),
    "integer": _Format("integer[]", 1007, 23, _integer_field),
    "bigint": _Format("bigint[]", 1016, 20, _bigint_field),
    "date": _Format("date[]", 1182, 1082, _date_field),
    "boolean": _Format("boolean[]", 1000, 16, _boolean_field),
    "text": _Format("text[]", 1009, 25, _text_field),
    "numeric": _Format("text[]", 1009, 25, _number_field),
}


class Array:
    """An array parameter, already in binary form. Raises struct.error for a number its kind cannot hold."""

    __slots__ = ("data", "oid")

    def __init__(self, kind: Kind, values: Sequence[Any]) -> None:
        form = FORMATS[kind]
        self.oid = form.array_oid
        snapshot = _ARRAY.pack(1, 1, form.element_oid, len(values), 1)
        self.data = snapshot + b"".join(map(form.field, values))


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Array) -> Buffer:
        return obj.data

    def get_key(self, obj: Array, format: Any) -> Any:
        return (Array, obj.oid)

    def upgrade(self, obj: Array, format: Any) -> Dumper:
        dumper = type(self)(Array)
        dumper.oid = obj.oid
        return dumper


def register(connection: psycopg.Connection[Any]) -> None:
    """Lets a connection take `Array` parameters."""
    connection.adapters.register_dumper(Array, _ArrayDumper)


def copy_packer(kinds: Sequence[Kind]) -> Callable[[Sequence[Any]], bytes]:
    """A function that packs a row of these kinds for a binary COPY. It raises struct.error as `Array` does."""
    fixed = 0
    while fixed < len(kinds) and kinds[fixed] in _FIXED:
        fixed += 1
    lengths_and_codes = [_FIXED[kind] for kind in kinds[:fixed]]
    front = struct.Struct(">h" + "".join("i" + code for _, code in lengths_and_codes)).pack
    template = [len(kinds)]
    for length, _ in lengths_and_codes:
        template += (length, 0)
    rest = [FORMATS[kind].field for kind in kinds[fixed:]]

    def pack(row: Sequence[Any]) -> bytes:
        flat: list[Any] = template.copy()
        flat[2::2] = row[:fixed]
        pieces = [front(*flat)]
        for field, value in zip(rest, row[fixed:], strict=True):
            pieces.append(field(value))
        return b"".join(pieces)

    return pack
