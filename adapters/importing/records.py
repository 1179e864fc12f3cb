"""CSV records from a stream of bytes, in bounded memory and with true line numbers.

A record is a line, or several where a quoted field holds line breaks. Neither may pass `MOST_BYTES`: a longer line is
read past, not into memory. A malformed record costs only its first line: reading goes on at the next one, so
that a quote somebody forgot to close does not swallow the rest of the file.
"""

import csv
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from ledger.errors import Rejected

MOST_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 16
_UTF8_BOM = b"\xef\xbb\xbf"
_OTHER_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


class NotUtf8(Rejected):
    """The file is in another encoding than UTF-8."""


class Record(NamedTuple):
    """A record's fields, and the line it starts on, counted from 1."""

    line: int
    fields: list[str]


class Unreadable(NamedTuple):
    """A line that is no record, and why."""

    line: int
    reason: str


class _Bad(Exception):
    """A line that cannot be given to the parser; the message is the reason."""


class Records(Iterator[Record | Unreadable]):
    """Every record of a stream, blank lines left out; what cannot be read is told line by line.

    `bytes_read` is how far the stream was read. Raises NotUtf8 for a file that begins as UTF-16 does.
    """

    def __init__(self, stream: BinaryIO, most_bytes: int = MOST_BYTES) -> None:
        self.bytes_read = 0
        self._lines = _Lines(stream, most_bytes)
        self._parser = csv.reader(self._lines, strict=True)

    def __next__(self) -> Record | Unreadable:
        while True:
            self._lines.begin()
            try:
                fields = next(self._parser)
            except StopIteration:
                self.bytes_read = self._lines.bytes_read
                raise
            except (csv.Error, _Bad) as error:
                unreadable = Unreadable(self._lines.first, _reason(error, self._lines.several))
                self._lines.go_back()
                return unreadable
            self.bytes_read = self._lines.bytes_read
            if fields:
                return Record(self._lines.first, fields)


class _Lines(Iterator[str]):
    """Physical lines as text. The lines of the current record are kept, so that reading can go back to its second."""

    def __init__(self, stream: BinaryIO, most_bytes: int) -> None:
        self.bytes_read = 0
        self.first = 0
        self._stream = stream
        self._most_bytes = most_bytes
        self._last = 0
        self._record: list[bytes | None] = []
        self._record_bytes = 0
        self._again: list[bytes | None] = []

    @property
    def several(self) -> bool:
        """Whether the current record has come to more than one line."""
        return len(self._record) > 1

    def begin(self) -> None:
        """A new record starts at the next line."""
        self.first = self._last + 1
        self._record = []
        self._record_bytes = 0

    def go_back(self) -> None:
        """The next line to be read is the one after the current record's first."""
        again = self._record[1:]
        again.reverse()
        self._again.extend(again)
        self._last = self.first
        self._record = []

    def __next__(self) -> str:
        line = self._again.pop() if self._again else self._read()
        if line == b"":
            raise StopIteration
        self._last += 1
        self._record.append(line)
        if line is None:
            raise _Bad(f"the line is longer than {self._most_bytes:,} bytes")
        self._record_bytes += len(line.rstrip(b"\r\n"))
        if self._record_bytes > self._most_bytes:
            raise _Bad(f"the record is longer than {self._most_bytes:,} bytes")
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            shown = f"0x{line[error.start]:02x} at byte {error.start + 1}"
            raise _Bad(f"the line is not UTF-8 text ({shown}); save the file as UTF-8") from None

    def _read(self) -> bytes | None:
        """The next physical line; empty at the end; None for one that is too long and was read past."""
        line = self._stream.readline(self._most_bytes + 1)
        if self.bytes_read == 0:
            line = self._without_mark(line)
        self.bytes_read += len(line)
        if len(line) <= self._most_bytes or line.endswith(b"\n"):
            return line
        while chunk := self._stream.readline(_CHUNK_BYTES):
            self.bytes_read += len(chunk)
            if chunk.endswith(b"\n"):
                break
        return None

    def _without_mark(self, line: bytes) -> bytes:
        encoding = _OTHER_BOMS.get(line[:2])
        if encoding is not None:
            raise NotUtf8(f"the file is {encoding} text; save it as UTF-8")
        return line.removeprefix(_UTF8_BOM)


def _reason(error: Exception, several: bool) -> str:
    if isinstance(error, _Bad) and not several:
        return str(error)
    if several or "unexpected end of data" in str(error):
        return "a quote is opened here and not closed as it should be"
    if "new-line character" in str(error):
        return "the line holds a bare carriage return; save the file with Unix or Windows line ends"
    if "field limit" in str(error):
        return f"a field is longer than {csv.field_size_limit():,} characters"
    return "the quotes are malformed: a quote inside a quoted field is written twice"
