"""Progress of what takes longer than a second, on stderr: a bar on a terminal, now and then a line elsewhere."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from adapters.cli.printing import print_line

BEFORE_FIRST_SECONDS = 1.0
BETWEEN_LINES_SECONDS = 5.0


class Progress:
    """Call it with what is going on, how much is done and how much there is (0: unknown)."""

    def __init__(self) -> None:
        self._started_at = time.monotonic()
        self._told_at: float | None = None
        self._on_terminal = sys.stderr.isatty()
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._started_at < BEFORE_FIRST_SECONDS:
            return
        if self._on_terminal:
            self._draw(what, done, total)
        elif self._told_at is None or now - self._told_at >= BETWEEN_LINES_SECONDS:
            self._told_at = now
            of = f" of {total:,}" if total else ""
            print_line(f"duebook: {what}: {done:,}{of}", error=True, flush=True)

    def _draw(self, what: str, done: int, total: int) -> None:
        if self._bar is None:
            from rich import progress
            from rich.console import Console

            self._bar = progress.Progress(
                progress.TextColumn("{task.description}"),
                progress.BarColumn(),
                progress.MofNCompleteColumn(),
                progress.TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()
        if what not in self._tasks:
            self._tasks[what] = self._bar.add_task(what, total=total or None)
        self._bar.update(self._tasks[what], completed=done, total=total or None)


@contextlib.contextmanager
def working(what: str) -> Iterator[None]:
    """Says what is going on when it takes longer than a second and cannot be counted."""
    on_terminal = sys.stderr.isatty()
    status: Any = None
    if on_terminal:
        from rich.console import Console

        status = Console(stderr=True).status(what)

    def tell() -> None:
        if status is not None:
            status.start()
        else:
            print_line(f"duebook: {what}", error=True, flush=True)

    timer = threading.Timer(BEFORE_FIRST_SECONDS, tell)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        if status is not None:
            status.stop()
