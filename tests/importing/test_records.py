"""Records of a CSV stream: true line numbers, bounded memory, one bad line costs one line."""

import io
import tracemalloc
from collections.abc import Iterator

import pytest

from adapters.importing.records import MOST_BYTES, NotUtf8, Record, Records, Unreadable


def read(data: bytes, **options: int) -> list[Record | Unreadable]:
    return list(Records(io.BytesIO(data), **options))


def test_records_know_the_line_they_start_on() -> None:
    data = b'a,b\r\n1,"x\r\ny"\r\n\r\n2,z\r\n'
    assert read(data) == [Record(1, ["a", "b"]), Record(2, ["1", "x\r\ny"]), Record(5, ["2", "z"])]


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b"\n\n\r\n"])
def test_nothing_holds_no_record(data: bytes) -> None:
    assert read(data) == []


def test_a_byte_order_mark_is_no_part_of_the_first_field() -> None:
    assert read(b'\xef\xbb\xbf"a",b\n') == [Record(1, ["a", "b"])]


def test_a_last_line_without_an_end_is_read() -> None:
    assert read(b"a,b\n1,2") == [Record(1, ["a", "b"]), Record(2, ["1", "2"])]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_refused_by_name(encoding: str) -> None:
    with pytest.raises(NotUtf8, match="UTF-16"):
        read("\ufeffa,b\n".encode(encoding))


def test_a_line_in_another_encoding_is_told_and_the_next_are_read() -> None:
    found = read(b"a\nJos\xe9\nx\n")
    assert found[0] == Record(1, ["a"])
    assert found[2] == Record(3, ["x"])
    assert found[1].line == 2
    assert "not UTF-8" in found[1][1]
    assert "0xe9 at byte 4" in found[1][1]


def test_a_quote_left_open_costs_its_own_line_only() -> None:
    found = read(b'a,b\n1,"open\n2,x\n3,y\n')
    assert [one.line for one in found] == [1, 2, 3, 4]
    assert isinstance(found[1], Unreadable)
    assert "quote is opened" in found[1].reason
    assert found[2:] == [Record(3, ["2", "x"]), Record(4, ["3", "y"])]


def test_two_quotes_left_open_cost_two_lines() -> None:
    found = read(b'a,b\n1,"open\n2,x\n3,"open\n4,z\n')
    assert [(one.line, type(one)) for one in found] == [
        (1, Record),
        (2, Unreadable),
        (3, Record),
        (4, Unreadable),
        (5, Record),
    ]


def test_a_stray_quote_is_malformed() -> None:
    found = read(b'a\n"x"y\nz\n')
    assert isinstance(found[1], Unreadable)
    assert "malformed" in found[1].reason
    assert found[2] == Record(3, ["z"])


def test_old_macintosh_line_ends_are_told() -> None:
    found = read(b"a,b\r1,2\r")
    assert isinstance(found[0], Unreadable)
    assert "carriage return" in found[0].reason


def test_a_line_over_the_limit_is_read_past() -> None:
    found = read(b"a\n" + b"x" * 101 + b"\nb\n", most_bytes=100)
    assert found == [
        Record(1, ["a"]),
        Unreadable(2, "the line is longer than 100 bytes"),
        Record(3, ["b"]),
    ]
    assert read(b"x" * 100 + b"\n", most_bytes=100) == [Record(1, ["x" * 100])]


def test_a_record_over_the_limit_costs_its_first_line() -> None:
    found = read(b'a\n"' + b"x" * 60 + b"\n" + b"y" * 60 + b"\nb\n", most_bytes=100)
    assert [(one.line, type(one)) for one in found] == [
        (1, Record),
        (2, Unreadable),
        (3, Record),
        (4, Record),
    ]


def test_a_long_line_inside_quotes_is_told_once_as_itself() -> None:
    found = read(b'"open\n' + b"x" * 200 + b"\nb\n", most_bytes=100)
    assert [(one.line, type(one)) for one in found] == [
        (1, Unreadable),
        (2, Unreadable),
        (3, Record),
    ]


class Endless(io.RawIOBase):
    """A stream that makes its bytes up: a header, one line of many bytes, and a last row."""

    def __init__(self, line_bytes: int) -> None:
        self._parts = self._made(line_bytes)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._rest:
            self._rest = next(self._parts, b"")
        taken = self._rest[: len(buffer)]
        buffer[: len(taken)] = taken
        self._rest = self._rest[len(taken) :]
        return len(taken)

    @staticmethod
    def _made(line_bytes: int) -> Iterator[bytes]:
        yield b"a\n"
        block = b"x" * (1 << 20)
        for _ in range(line_bytes // len(block)):
            yield block
        yield b"\nlast\n"


def test_fifty_megabytes_in_one_line_are_told_in_a_few_megabytes_of_memory() -> None:
    tracemalloc.start()
    try:
        found = list(Records(io.BufferedReader(Endless(50 << 20))))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == [
        Record(1, ["a"]),
        Unreadable(2, f"the line is longer than {MOST_BYTES:,} bytes"),
        Record(3, ["last"]),
    ]
    assert peak_bytes < 8 << 20
