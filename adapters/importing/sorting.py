"""Sorting more than fits in memory: sorted runs in nameless temporary files, merged."""

import heapq
import tempfile
from collections.abc import Callable, Iterator
from typing import IO, Any, Generic, TypeVar

import msgspec

RUN = 50_000
_LENGTH_BYTES = 4

T = TypeVar("T")


class Sorter(Generic[T]):
    """Items in the order of their keys; equal keys keep the order in which they were added.

    At most `run` items are in memory at a time. Close it, or leave it to `with`, when it was read.
    """

    def __init__(self, kind: type[T], key: Callable[[T], Any], run: int = RUN) -> None:
        self._key = key
        self._run = run
        self._items: list[T] = []
        self._files: list[IO[bytes]] = []
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder: msgspec.msgpack.Decoder[T] = msgspec.msgpack.Decoder(kind)

    def __enter__(self) -> "Sorter[T]":
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()
        self._files = []
        self._items = []

    def add(self, item: T) -> None:
        self._items.append(item)
        if len(self._items) >= self._run:
            self._write_run()

    def __iter__(self) -> Iterator[T]:
        self._items.sort(key=self._key)
        runs = [self._read(file) for file in self._files]
        return heapq.merge(*runs, self._items, key=self._key)

    def _write_run(self) -> None:
        self._items.sort(key=self._key)
        file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by __exit__)
        self._files.append(file)
        for item in self._items:
            data = self._encoder.encode(item)
            file.write(len(data).to_bytes(_LENGTH_BYTES, "big"))
            file.write(data)
        self._items = []

    def _read(self, file: IO[bytes]) -> Iterator[T]:
        file.seek(0)
        while length := file.read(_LENGTH_BYTES):
            yield self._decoder.decode(file.read(int.from_bytes(length, "big")))
