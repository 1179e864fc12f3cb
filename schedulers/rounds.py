"""Rounds in the background: the same work every few seconds, from a start to a stop."""

import logging
import threading
from collections.abc import Callable

log = logging.getLogger("duebook.rounds")


class Rounds:
    """Runs `work` every few seconds in a thread of its own.

    name  of the work, as the log and the thread name it
    work  one round; it is given a function that says whether it should end early. What it raises is logged, and the
          next round tries again.
    """

    def __init__(
        self, name: str, work: Callable[[Callable[[], bool]], object], every_seconds: float
    ) -> None:
        self._name = name
        self._work = work
        self._every_seconds = every_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"duebook-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Waits for the end of the current round. Does nothing when it was not started."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._every_seconds):
            try:
                self._work(self._stopping.is_set)
            except Exception:
                log.exception("a round of the %s failed; the next one tries again", self._name)
