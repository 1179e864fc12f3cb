"""What surrounds an event in the log, in the library's own types extended: StoredEvent, Notification, Mapper."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
from eventsourcing.persistence import Mapper, Notification, StoredEvent

from ledger.event_registry import Event, decode, encode


class Recorded(msgspec.Struct, frozen=True):
    """An event in its envelope: the library's domain event.

    originator_id, originator_version   the stream and the event's number in it, from 1
    effective_on     when it was true: a business date in the tenant's zone
    recorded_at      when it was known, UTC; position and tenant_seq: its place in the shard's and the tenant's log.
                     Unset until it is stored.
    """

    originator_id: UUID
    originator_version: int
    event: Event
    tenant_id: UUID
    effective_on: date
    actor: str
    command_id: UUID
    correlation_id: str
    causation_id: UUID | None
    recorded_at: datetime | None = None
    position: int = 0
    tenant_seq: int = 0


@dataclass(frozen=True, kw_only=True)
class StoredEnvelope(StoredEvent):
    """A stored event with its envelope. `topic` is the event's tag, `state` its JSON."""

    tenant_id: UUID
    effective_on: date
    actor: str
    command_id: UUID
    correlation_id: str
    causation_id: UUID | None
    recorded_at: datetime | None = None
    position: int = 0
    tenant_seq: int = 0


@dataclass(frozen=True, kw_only=True)
class EnvelopeNotification(StoredEnvelope, Notification):
    """A stored event as the application's log presents it; `id` is its position."""


class EventMapper(Mapper[UUID]):
    """Maps events by the closed registry of tags. The stock mapper would import whatever module a topic names."""

    def to_stored_event(self, domain_event: Any) -> StoredEnvelope:
        recorded: Recorded = domain_event
        return StoredEnvelope(
            originator_id=recorded.originator_id,
            originator_version=recorded.originator_version,
            topic=recorded.event.TAG,
            state=encode(recorded.event),
            tenant_id=recorded.tenant_id,
            effective_on=recorded.effective_on,
            actor=recorded.actor,
            command_id=recorded.command_id,
            correlation_id=recorded.correlation_id,
            causation_id=recorded.causation_id,
        )

    def to_domain_event(self, stored_event: StoredEvent) -> Recorded:
        assert isinstance(stored_event, StoredEnvelope)
        assert isinstance(stored_event.originator_id, UUID)
        return Recorded(
            originator_id=stored_event.originator_id,
            originator_version=stored_event.originator_version,
            event=decode(stored_event.topic, stored_event.state),
            tenant_id=stored_event.tenant_id,
            effective_on=stored_event.effective_on,
            actor=stored_event.actor,
            command_id=stored_event.command_id,
            correlation_id=stored_event.correlation_id,
            causation_id=stored_event.causation_id,
            recorded_at=stored_event.recorded_at,
            position=stored_event.position,
            tenant_seq=stored_event.tenant_seq,
        )
