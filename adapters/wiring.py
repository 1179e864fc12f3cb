"""The composition root: everything one process works with, wired once."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from adapters.postgres.connection import (
    Database,
    open_database,
    owner_connection,
    tenant_transaction,
)
from adapters.settings import Settings
from adapters.store import snapshots
from adapters.store.application import LedgerApplication
from adapters.store.clock import PostgresClock
from adapters.store.clock_guard import ClockGuard
from adapters.store.encryption import PersonalDataCipher
from adapters.store.inbox import Inbox
from adapters.store.payouts import PostgresPayouts
from adapters.store.recorder import LedgerTracking
from adapters.store.writer import Answer, Request, Writer
from commands.unit_of_work import Unknown
from ledger.tenant import Tenant
from projections.engine.runner import Runner
from projections.rebuild.automatic import AutomaticRebuild


class ReadModels(Runner):
    """The projections' runner over a shard, with a thread of its own once it is started.

    Another thread renews what an earlier release has filled.
    """

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


class Books:
    """An open installation. Use it in a `with`, or close it.

    database     pools and logins (adapters.postgres)
    application  the event-sourced application over the log
    cipher       encrypts and opens personal data
    guard        says whether the system clock can be trusted
    writer       runs commands; it is running
    clock        the clock's bulk path
    inbox        requests that are accepted and carried out soon; once it is started
    payouts      refunds that wait to be handed over
    projections  the read models' runner; it runs once it is started
    """

    def __init__(
        self,
        database: Database,
        *,
        owns_database: bool = False,
        log_ahead_until: datetime | None = None,
    ) -> None:
        self.database = database
        self._owns_database = owns_database
        self.application = LedgerApplication(database.writer)
        self.cipher = PersonalDataCipher(database.writer, database.master_key)
        self.guard = ClockGuard(database.writer, log_ahead_until)
        self.writer = Writer(self.application, database.writer, self.cipher, self.guard)
        self.writer.start()
        self.clock = PostgresClock(database.writer, self.writer.waiting, self.guard)
        self.inbox = Inbox(database.writer, self.writer, self.cipher)
        self.payouts = PostgresPayouts(database.writer, self.writer, self.cipher)
        self.projections = ReadModels(database, self.application.tracking())

    def __enter__(self) -> "Books":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Finishes what waits, then closes the pools and, when it was opened here, the database."""
        self.projections.stop()
        self.inbox.stop()
        self.writer.close()
        self.application.close()
        if self._owns_database:
            self.database.close()

    def run(
        self, tenant_id: UUID, actor: str, handler: Callable[..., Any], **options: Any
    ) -> Answer:
        """Runs a command and waits for its answer; `options` are fields of `Request`."""
        return self.writer.run(
            Request(tenant_id=tenant_id, actor=actor, handler=handler, **options)
        )

    @contextlib.contextmanager
    def reading(self, tenant_id: UUID) -> Iterator[psycopg.Connection[Any]]:
        """A transaction that sees this tenant's rows and no other's."""
        with tenant_transaction(self.database.api, tenant_id) as connection:
            yield connection

    def tenant(self, tenant_id: UUID) -> Tenant:
        """A tenant's settings as they are now. Raises Unknown."""
        with self.reading(tenant_id) as connection:
            found = snapshots.read(connection, tenant_id, "tenant", tenant_id)
        if found is None:
            raise Unknown(f"there is no tenant {tenant_id}")
        tenant: Tenant = found[1]
        return tenant

    def tenants(self) -> list[tuple[UUID, str]]:
        """(id, name) of every tenant, by name."""
        with self.database.writer.connection() as connection:
            return connection.execute(
                "SELECT tenant_id, name FROM duebook.tenants ORDER BY name"
            ).fetchall()

    def tenant_called(self, name_or_id: str) -> UUID:
        """The id of a tenant by its id or its name. Raises Unknown."""
        for tenant_id, name in self.tenants():
            if name_or_id in (name, str(tenant_id)):
                return tenant_id
        raise Unknown(f"there is no tenant {name_or_id!r}; see: duebook tenant list")


def open_books(settings: Settings, *, make_key: bool = False) -> Books:
    """Opens the installation the settings name: starts or reaches the database, migrates it, starts the writer."""
    database = open_database(settings, make_key=make_key)
    try:
        return Books(database, owns_database=True, log_ahead_until=settings.log_ahead_until)
    except BaseException:
        database.close()
        raise
