"""The event store through the eventsourcing library's own interfaces."""

import builtins
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from eventsourcing.application import Application
from eventsourcing.persistence import (
    ApplicationRecorder,
    IntegrityError,
    Mapper,
    Notification,
    NotSupportedError,
    Tracking,
    TrackingRecorder,
)

from adapters.postgres.connection import Database
from adapters.store.append import StaleSnapshots
from adapters.store.application import LedgerApplication
from adapters.store.envelope import EventMapper, Recorded, StoredEnvelope
from adapters.store.recorder import LedgerFactory, LedgerTracking
from adapters.store.snapshots import Loaded, snapshot_of
from ledger import customer as customers
from ledger.event_registry import UnknownEventType
from ledger.streams import STREAMS
from tests.store.asking import Asking
from tests.store.forcing import assert_log_is_whole, rows

DAY = date(2026, 1, 2)


@pytest.fixture
def application(database: Database) -> Iterator[LedgerApplication]:
    application = LedgerApplication(database.writer)
    yield application
    application.close()


def recorded(tenant: UUID, stream: UUID, version: int, event: Any = None) -> Recorded:
    return Recorded(
        originator_id=stream,
        originator_version=version,
        event=event or customers.Registered(reference=f"C-{version}"),
        tenant_id=tenant,
        effective_on=DAY,
        actor="library",
        command_id=uuid4(),
        correlation_id="c-1",
        causation_id=uuid4(),
    )


def test_it_is_the_librarys_application(application: LedgerApplication) -> None:
    assert isinstance(application, Application)
    assert isinstance(application.factory, LedgerFactory)
    assert isinstance(application.recorder, ApplicationRecorder)
    assert isinstance(application.mapper, Mapper)
    assert isinstance(application.tracking(), TrackingRecorder)


def test_what_is_saved_is_read_back(application: LedgerApplication) -> None:
    tenant, stream, other = uuid4(), uuid4(), uuid4()
    events = [recorded(tenant, stream, 1), recorded(tenant, stream, 2), recorded(tenant, other, 1)]

    recordings = application.save(*events)

    assert [recording.notification.id for recording in recordings] == [1, 2, 3]
    read = application.stream(tenant, stream)
    assert [replace_place(event) for event in read] == events[:2]
    assert [(event.position, event.tenant_seq) for event in read] == [(1, 1), (2, 2)]
    assert all(event.recorded_at is not None for event in read)
    log = application.notification_log.select(1, 10)
    assert all(isinstance(notification, Notification) for notification in log)
    assert [(one.id, one.originator_id, one.originator_version, one.topic) for one in log] == [
        (1, stream, 1, "customer.registered.v1"),
        (2, stream, 2, "customer.registered.v1"),
        (3, other, 1, "customer.registered.v1"),
    ]
    assert [replace_place(application.mapper.to_domain_event(one)) for one in log] == events


def replace_place(event: Any) -> Recorded:
    """The event as it was before it was stored."""
    from msgspec.structs import replace as with_fields

    found: Recorded = with_fields(event, recorded_at=None, position=0, tenant_seq=0)
    return found


def test_pages_of_the_log(application: LedgerApplication) -> None:
    tenant = uuid4()
    assert application.recorder.max_notification_id() is None
    assert application.notification_log.select(None, 10) == []
    for n in range(12):
        application.save(recorded(tenant, uuid4(), 1, customers.Registered(f"C-{n}")))
    application.save(recorded(tenant, uuid4(), 1, customers.CreditAdded("BRL", 1, "test")))

    def page(*arguments: Any, **options: Any) -> list[int]:
        return [one.id for one in application.recorder.select_notifications(*arguments, **options)]

    assert page(None, 5) == [1, 2, 3, 4, 5]
    assert page(5, 3) == [5, 6, 7]
    assert page(5, 3, inclusive_of_start=False) == [6, 7, 8]
    assert page(11, 10, stop=12) == [11, 12]
    assert page(1, 10, topics=["customer.credit_added.v1"]) == [13]
    assert page(1, 10, topics=["customer.no_such.v1"]) == []
    assert page(14, 10) == []
    assert application.recorder.max_notification_id() == 13
    sections = [application.notification_log["1,10"], application.notification_log["11,20"]]
    assert [one.id for section in sections for one in section.items] == list(range(1, 14))
    assert sections[0].next_id == "11,20"


def test_a_stream_is_read_within_its_tenant(application: LedgerApplication) -> None:
    tenant, stream = uuid4(), uuid4()
    application.save(*(recorded(tenant, stream, version) for version in range(1, 6)))
    select = application.recorder.select_events

    def versions(**options: Any) -> list[int]:
        found = select(stream, tenant_id=tenant, **options)
        return [event.originator_version for event in found]

    assert versions() == [1, 2, 3, 4, 5]
    assert versions(gt=2) == [3, 4, 5]
    assert versions(gt=1, lte=3) == [2, 3]
    assert versions(desc=True, limit=2) == [5, 4]
    assert select(stream, tenant_id=uuid4()) == []
    with pytest.raises(NotSupportedError, match="tenant"):
        select(stream)
    with pytest.raises(NotSupportedError, match="tenant"):
        list(application.events.get(stream))


def test_two_tenants_may_have_a_stream_of_one_id(application: LedgerApplication) -> None:
    tenants, stream = (uuid4(), uuid4()), uuid4()
    application.save(*(recorded(tenant, stream, 1) for tenant in tenants))
    for tenant in tenants:
        assert [event.tenant_id for event in application.stream(tenant, stream)] == [tenant]


def test_several_streams_are_saved_all_or_nothing(
    application: LedgerApplication, database: Database
) -> None:
    tenant, stream = uuid4(), uuid4()
    application.save(recorded(tenant, stream, 1))

    with pytest.raises(IntegrityError):
        application.save(recorded(tenant, uuid4(), 1), recorded(tenant, stream, 1))

    assert rows(database, "SELECT position FROM events") == [(1,)]
    assert rows(database, "SELECT position FROM log_head") == [(1,)]
    assert rows(database, "SELECT tenant_seq FROM tenant_log") == [(1,)]


def test_snapshots_are_moved_with_the_events_from_the_version_they_are_expected_at(
    application: LedgerApplication, database: Database
) -> None:
    tenant, stream = uuid4(), uuid4()
    first = recorded(tenant, stream, 1)
    state = STREAMS["customer"].evolve(None, first.event, DAY)
    application.save(
        first, snapshots=[snapshot_of(tenant.bytes, stream.bytes, Loaded("customer", 0, 1, state))]
    )
    second = recorded(tenant, stream, 2, customers.CreditAdded("BRL", 5, "test"))
    after = STREAMS["customer"].evolve(state, second.event, DAY)

    for wrong in (0, 2):
        snapshot = snapshot_of(tenant.bytes, stream.bytes, Loaded("customer", wrong, 2, after))
        with pytest.raises(StaleSnapshots):
            application.save(second, snapshots=[snapshot])
    application.save(
        second, snapshots=[snapshot_of(tenant.bytes, stream.bytes, Loaded("customer", 1, 2, after))]
    )

    assert_log_is_whole(database)


def test_nothing_is_asked_of_the_environment(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERSISTENCE_MODULE", "eventsourcing.popo")
    monkeypatch.setenv("LEDGERAPPLICATION_PERSISTENCE_MODULE", "eventsourcing.popo")
    monkeypatch.setenv("POSTGRES_ENABLE_DB_FUNCTIONS", "y")
    monkeypatch.setenv("POSTGRES_DBNAME", "elsewhere")
    application = LedgerApplication(database.writer)
    application.save(recorded(uuid4(), uuid4(), 1))
    assert not application.recorder.datastore.enable_db_functions
    assert rows(database, "SELECT count(*) FROM events") == [(1,)]


def test_a_subscription_is_refused(application: LedgerApplication) -> None:
    """The library's own blocks for ever on a lost NOTIFY."""
    with pytest.raises(NotSupportedError, match="pages"):
        application.recorder.subscribe(0)


def test_a_version_of_zero_is_refused(application: LedgerApplication) -> None:
    """It would be stored and never read back: streams are read from version 1."""
    with pytest.raises(IntegrityError, match="events_version_from_one"):
        application.save(recorded(uuid4(), uuid4(), 0))
    assert application.recorder.max_notification_id() is None


def test_recorders_that_would_go_past_the_log_are_refused(application: LedgerApplication) -> None:
    with pytest.raises(NotSupportedError, match="snapshots"):
        application.factory.aggregate_recorder()
    with pytest.raises(NotSupportedError, match="tracking_recorder"):
        application.factory.process_recorder()


def test_a_tracking_recorder_is_of_the_class_that_is_asked_for(
    application: LedgerApplication,
) -> None:
    class Own(LedgerTracking):
        """A subclass."""

    assert type(application.factory.tracking_recorder(Own)) is Own
    assert type(application.factory.tracking_recorder()) is LedgerTracking


def test_tracking_raises_unless_it_advances(
    application: LedgerApplication, database: Database
) -> None:
    tracking = application.tracking()

    def advance(position: int) -> None:
        with database.writer.connection() as connection, connection.cursor() as cursor:
            tracking.advance(cursor, "invoices", position)

    assert tracking.max_tracking_id("invoices") is None
    advance(5)
    for position in (5, 4, 0):
        with pytest.raises(IntegrityError):
            advance(position)
    assert tracking.max_tracking_id("invoices") == 5
    advance(9)
    advance(9_000_000_000)
    assert tracking.max_tracking_id("invoices") == 9_000_000_000
    assert tracking.has_tracking_id("invoices", 9)
    with pytest.raises(IntegrityError):
        tracking.insert_tracking(Tracking("invoices", 9))
    assert rows(database, "SELECT * FROM projection_tracking") == [("invoices", 9_000_000_000)]


def test_tracking_takes_part_in_the_pages_transaction(
    application: LedgerApplication, database: Database
) -> None:
    tracking = application.tracking()
    with database.writer.connection() as connection, connection.cursor() as cursor:
        tracking.advance(cursor, "invoices", 5)
        connection.rollback()
    assert tracking.max_tracking_id("invoices") is None


STORED = StoredEnvelope(
    originator_id=uuid4(),
    originator_version=1,
    topic="",
    state=b"{}",
    tenant_id=uuid4(),
    effective_on=DAY,
    actor="",
    command_id=uuid4(),
    correlation_id="",
    causation_id=None,
    recorded_at=datetime(2026, 1, 2, tzinfo=UTC),
)


@pytest.mark.parametrize(
    "topic",
    [
        "antigravity:open",
        "os:system",
        "tests.store.bait:Event",
        "ledger.customer:Registered",
        "customer.registered.v2",
        "",
    ],
)
def test_an_unknown_topic_is_refused_and_nothing_is_imported(
    application: LedgerApplication, monkeypatch: pytest.MonkeyPatch, topic: str
) -> None:
    def importing(name: str, *arguments: Any, **options: Any) -> Any:
        raise AssertionError(f"{name} was imported")

    loaded = set(sys.modules)
    monkeypatch.setattr(builtins, "__import__", importing)
    with pytest.raises(UnknownEventType):
        application.mapper.to_domain_event(replace(STORED, topic=topic))
    monkeypatch.undo()
    assert isinstance(application.mapper, EventMapper)
    assert set(sys.modules) == loaded


def test_commands_are_seen_by_the_library(asking: Asking) -> None:
    """What a command has written is read by the library's notification log, envelope and all."""
    invoice = asking.invoice(asking.customer())
    answer = asking.books.writer.run(
        asking.request(asking.paying(invoice, "1.00"), key="k", correlation_id="c-9")
    )

    application = asking.books.application
    log = application.recorder.select_notifications(None, 100)
    last = application.mapper.to_domain_event(log[-1])

    assert [one.id for one in log] == list(range(1, len(log) + 1))
    assert last.event.TAG == "payment.received.v1"
    assert (last.tenant_seq, last.correlation_id) == (answer.tenant_seq, "c-9")
    assert (last.actor, last.effective_on) == ("test", asking.today())
