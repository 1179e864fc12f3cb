"""Watching the embedded server while a service uses it: a killed one is restarted within a second, its log is
bounded.
"""

import logging
import threading
from types import TracebackType

from adapters.postgres.embedded_server import EmbeddedPostgres
from adapters.postgres.errors import EmbeddedPostgresError

log = logging.getLogger("duebook.postgres")

LOOK_SECONDS = 0.5


class Watch:
    """Looks after an embedded server while it is entered; does nothing without one."""

    def __init__(self, server: EmbeddedPostgres | None) -> None:
        self._server = server
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._look, name="duebook-watch", daemon=True)

    def __enter__(self) -> None:
        if self._server is not None:
            self._thread.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leaving.set()
        if self._server is not None:
            self._thread.join()

    def _look(self) -> None:
        assert self._server is not None
        while not self._leaving.wait(LOOK_SECONDS):
            self._server.bound_log()
            if self._server.postmaster_pid is not None:
                continue
            log.error("the embedded PostgreSQL is gone; starting it again")
            try:
                self._server.ensure_running()
            except EmbeddedPostgresError as error:
                log.error("%s; trying again", error)
            else:
                log.info("the embedded PostgreSQL is running again")
