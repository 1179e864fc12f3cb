"""Notifications that the log has grown: NOTIFY duebook_log, listened to on a connection of its own.

A notification only shortens the wait. Nothing depends on one arriving: a killed connection or a lost NOTIFY costs at
most the runner's own polling interval.
"""

import logging
import threading
from collections.abc import Callable
from typing import Any

import psycopg

from projections.engine.backoff import Backoff

log = logging.getLogger("duebook.projections")

LISTEN = "LISTEN duebook_log"
LOOK_SECONDS = 0.25


class LogNotifications:
    """A thread that sets `grown` at every notification. It reconnects whenever it is lost.

    `connect` opens a connection of the writer's role in autocommit.
    """

    def __init__(
        self, connect: Callable[[], psycopg.Connection[Any]], grown: threading.Event
    ) -> None:
        self._connect = connect
        self._grown = grown
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="duebook-notifications", daemon=True)

    def __enter__(self) -> "LogNotifications":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        backoff = Backoff()
        while not self._stop.is_set():
            try:
                with self._connect() as connection:
                    connection.execute(LISTEN)
                    backoff.succeeded()
                    self._grown.set()  # whatever was said while nobody listened
                    self._listen(connection)
            except psycopg.Error as error:
                if not backoff.failing:
                    log.warning("listening for events was interrupted: %s", type(error).__name__)
                self._stop.wait(backoff.failed())

    def _listen(self, connection: psycopg.Connection[Any]) -> None:
        while not self._stop.is_set():
            for _ in connection.notifies(timeout=LOOK_SECONDS, stop_after=1):
                self._grown.set()
