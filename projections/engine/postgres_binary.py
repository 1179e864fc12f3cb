"""PostgreSQL's binary formats, packed by hand where rows come by the hundred thousand.

A row of COPY is a field count and, for each field, its length and bytes (-1 for NULL). An array, as a parameter, is a
header and, for each element, the same. Ids are their 16 bytes. See the PostgreSQL documentation: COPY, "Binary Format".
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import psycopg
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

Kind = Literal["uuid", "integer", "bigint", "date", "boolean", "text", "numeric"]

COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TRAILER = b"\xff\xff"

UUID_OID, BYTEA_OID, INT4_OID, BOOL_OID, DATE_OID, TEXT_OID = 2950, 17, 23, 16, 1082, 25

_EPOCH_DAY = date(2000, 1, 1).toordinal()
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_length = struct.Struct(">i").pack
_integer = struct.Struct(">ii").pack
_bigint = struct.Struct(">iq").pack
_ARRAY = struct.Struct(">iiIii")
_NULL = _length(-1)
_UUID_LENGTH = _length(16)
_BOOLEAN = {False: b"\0\0\0\x01\0", True: b"\0\0\0\x01\x01"}

# Kinds of one length: the run of them that a row begins with is packed by one call, and holds no NULL.
_FIXED: dict[Kind, tuple[int, str]] = {"uuid": (16, "16s"), "integer": (4, "i"), "bigint": (8, "q")}


def days(day: date) -> int:
    """A date as PostgreSQL counts it: days since 2000-01-01."""
    return day.toordinal() - _EPOCH_DAY


def microseconds(instant: datetime) -> int:
    """An instant as PostgreSQL counts it: microseconds since 2000-01-01 UTC."""
    delta = instant - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


# Fields of a COPY row, which are elements of an array as well.


def field(value: bytes | None) -> bytes:
    """One field of a COPY row."""
    return _NULL if value is None else _length(len(value)) + value


def uuid_field(value: bytes | None) -> bytes:
    """One uuid field of a COPY row, from its 16 bytes."""
    return _NULL if value is None else _UUID_LENGTH + value


def int4_field(value: int) -> bytes:
    """One int4 or date field of a COPY row."""
    return _integer(4, value)


def _bigint_field(value: int) -> bytes:
    return _bigint(8, value)


@lru_cache(maxsize=4096)  # a column of dates holds few different ones
def date_field(value: date | None) -> bytes:
    return _NULL if value is None else _integer(4, days(value))


def boolean_field(value: bool) -> bytes:
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
    "uuid": _Format("uuid[]", 2951, UUID_OID, uuid_field),
    "integer": _Format("integer[]", 1007, INT4_OID, int4_field),
    "bigint": _Format("bigint[]", 1016, 20, _bigint_field),
    "date": _Format("date[]", 1182, DATE_OID, date_field),
    "boolean": _Format("boolean[]", 1000, BOOL_OID, boolean_field),
    "text": _Format("text[]", 1009, TEXT_OID, _text_field),
    "numeric": _Format("text[]", 1009, TEXT_OID, _number_field),
}


# Arrays as parameters.


class Array:
    """An array parameter, already in binary form."""

    __slots__ = ("data", "oid")

    def __init__(self, oid: int, data: bytes) -> None:
        self.oid = oid
        self.data = data


def array(kind: Kind, values: Sequence[Any]) -> Array:
    """An array of a kind, None for NULL where the kind has it. Raises struct.error for a number it cannot hold."""
    form = FORMATS[kind]
    header = _ARRAY.pack(1, 1, form.element_oid, len(values), 1)
    return Array(form.array_oid, header + b"".join(map(form.field, values)))


def uuids(values: Sequence[bytes]) -> Array:
    """uuid[] of 16-byte strings."""
    body = b"".join([_UUID_LENGTH + value for value in values])
    return Array(2951, _ARRAY.pack(1, 0, UUID_OID, len(values), 1) + body)


def byteas(values: Sequence[bytes]) -> Array:
    """bytea[]."""
    pack = _length
    body = b"".join([pack(len(value)) + value for value in values])
    return Array(1001, _ARRAY.pack(1, 0, BYTEA_OID, len(values), 1) + body)


def int4s(values: Sequence[int]) -> Array:
    """int4[]."""
    pack = _integer
    body = b"".join([pack(4, value) for value in values])
    return Array(1007, _ARRAY.pack(1, 0, INT4_OID, len(values), 1) + body)


def bools(values: Sequence[bool]) -> Array:
    """bool[]."""
    body = b"".join([_BOOLEAN[value] for value in values])
    return Array(1000, _ARRAY.pack(1, 0, BOOL_OID, len(values), 1) + body)


def dates(values: Sequence[date | None]) -> Array:
    """date[], None for NULL."""
    pack = _integer
    body = b"".join([_NULL if value is None else pack(4, days(value)) for value in values])
    return Array(1182, _ARRAY.pack(1, 1, DATE_OID, len(values), 1) + body)


def nullable_uuids(values: Sequence[bytes | None]) -> Array:
    """uuid[] of 16-byte strings, None for NULL."""
    body = b"".join([_NULL if value is None else _UUID_LENGTH + value for value in values])
    return Array(2951, _ARRAY.pack(1, 1, UUID_OID, len(values), 1) + body)


def texts(values: Iterable[str]) -> Array:
    """text[]."""
    pack = _length
    encoded = [value.encode() for value in values]
    body = b"".join([pack(len(value)) + value for value in encoded])
    return Array(1009, _ARRAY.pack(1, 0, TEXT_OID, len(encoded), 1) + body)


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
