"""The runner of this process's read models, and the automatic rebuild of what an earlier release has filled."""

import threading

import psycopg

from adapters.postgres.connection import Database, owner_connection
from adapters.store.recorder import LedgerTracking
from projections.engine.runner import Runner
from projections.rebuild.automatic import AutomaticRebuild


class ReadModels(Runner):
    """The projections' runner over a shard. Nothing runs until it is started."""

    def __init__(self, database: Database, tracking: LedgerTracking) -> None:
        super().__init__(
            connect=database.writer.connection,
            advance=tracking.advance,
            listen=lambda: psycopg.connect(database.writer_url, autocommit=True),
        )
        self.automatic_rebuild = AutomaticRebuild(
            database.writer.connection, lambda: owner_connection(database)
        )
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Keeps the read models up to date from now on, in the background."""
        for name, work in (
            ("projections", self.run),
            ("automatic_rebuild", self.automatic_rebuild.run),
        ):
            thread = threading.Thread(
                target=work, args=(self._stopping,), name=f"duebook-{name}", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Stops after the page that is being applied, and a rebuild at its next checkpoint."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
