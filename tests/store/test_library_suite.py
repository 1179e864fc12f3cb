"""The library's own tests of recorders, run against ours.

What a test of the library cannot know is put right by `OneTenant`, and each such point is a deviation with its reason:

- an event has an envelope (tenant, effective date, actor, command): the library's plain events are given one;
- a stream is read within a tenant, because two tenants may have a stream of one id;
- versions begin at 1, where some of these tests begin at 0: a version of 0 is refused, so they are moved up by one.

Not run, because they are refused (`tests/store/test_library.py`): subscriptions (a lost NOTIFY would block one for
ever), aggregate recorders (a snapshot is written with its events), process recorders (a projection writes no events).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import StoredEvent
from eventsourcing.tests.persistence import (
    ApplicationRecorderTestCase,
    NonInterleavingNotificationIDsBaseCase,
    TrackingRecorderTestCase,
)

from adapters.postgres.connection import Database
from adapters.store.application import LedgerApplication
from adapters.store.envelope import StoredEnvelope
from adapters.store.recorder import LedgerRecorder, LedgerTracking

TENANT = uuid4()


class OneTenant(LedgerRecorder):
    """Plain events in, plain events out: those of one tenant, versions from 0."""

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        enveloped = [_enveloped(event) for event in stored_events]
        return super().insert_events(enveloped, now=datetime.now(UTC), **kwargs)

    def select_events(self, originator_id: UUID | str, **kwargs: Any) -> Sequence[StoredEvent]:  # type: ignore[override]
        found = super().select_events(originator_id, tenant_id=TENANT, **kwargs)
        return [replace(one, originator_version=one.originator_version - 1) for one in found]


def _enveloped(event: StoredEvent) -> StoredEnvelope:
    return StoredEnvelope(
        originator_id=event.originator_id,
        originator_version=event.originator_version + 1,
        topic=event.topic,
        state=event.state,
        tenant_id=TENANT,
        effective_on=date(2026, 1, 2),
        actor="library",
        command_id=uuid4(),
        correlation_id="",
        causation_id=None,
    )


class _OverADatabase:
    """A fresh database for each test."""

    application: LedgerApplication

    @pytest.fixture(autouse=True)
    def _opened(self, database: Database) -> Iterator[None]:
        self.application = LedgerApplication(database.writer)
        yield
        self.application.close()


class TestApplicationRecorder(_OverADatabase, ApplicationRecorderTestCase[OneTenant]):
    def create_recorder(self) -> OneTenant:
        return OneTenant(self.application.recorder.datastore, events_table_name="events")


class TestNonInterleavingNotificationIDs(_OverADatabase, NonInterleavingNotificationIDsBaseCase):
    def create_recorder(self) -> OneTenant:
        return OneTenant(self.application.recorder.datastore, events_table_name="events")


class TestTrackingRecorder(_OverADatabase, TrackingRecorderTestCase):
    def create_recorder(self) -> LedgerTracking:
        return self.application.tracking()
