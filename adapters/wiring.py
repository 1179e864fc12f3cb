"""The composition root: everything one process works with, wired once."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from adapters.links import Links
from adapters.postgres.connection import Database, open_database, tenant_transaction
from adapters.read_models import ReadModels
from adapters.settings import Settings
from adapters.store.application import LedgerApplication
from adapters.store.clock import PostgresClock
from adapters.store.clock_guard import ClockGuard
from adapters.store.encryption import PersonalDataCipher
from adapters.store.inbox import Inbox
from adapters.store.outbox import PostgresOutbox
from adapters.store.payouts import PostgresPayouts
from adapters.store.sender_secrets import SenderSecrets
from adapters.store.tenant_register import TenantRegister
from adapters.store.writer import Answer, Request, Writer


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
    links        tokens of links in messages; none are made while `public_url` is not said
    outbox       messages that wait to be sent
    secrets      passwords of senders
    projections  the read models' runner; it runs once it is started
    tenants      their names and settings
    """

    def __init__(
        self,
        database: Database,
        *,
        owns_database: bool = False,
        log_ahead_until: datetime | None = None,
        public_url: str = "",
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
        self.links = Links(database.master_key, public_url)
        self.outbox = PostgresOutbox(database.writer, self.writer, self.cipher, self.links)
        self.secrets = SenderSecrets(database.writer, self.cipher)
        self.projections = ReadModels(database, self.application.tracking())
        self.tenants = TenantRegister(database)

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


def open_books(settings: Settings, *, make_key: bool = False) -> Books:
    """Opens the installation the settings name: starts or reaches the database, migrates it, starts the writer."""
    database = open_database(settings, make_key=make_key)
    try:
        return Books(
            database,
            owns_database=True,
            log_ahead_until=settings.log_ahead_until,
            public_url=settings.public_url,
        )
    except BaseException:
        database.close()
        raise
