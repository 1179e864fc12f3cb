"""The event-sourced application: the library's Application over one shard of Duebook's log."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.persistence import InfrastructureFactory, Mapper, Recording
from eventsourcing.utils import Environment

from adapters.postgres.connection import Pool
from adapters.store.envelope import EventMapper, Recorded
from adapters.store.recorder import LedgerFactory, LedgerRecorder, LedgerTracking


class LedgerApplication(Application[UUID]):
    """One shard. `save` takes recorded events and, as keyword arguments, what is written beside them."""

    env: ClassVar[dict[str, str]] = {
        "PERSISTENCE_MODULE": "adapters.store.recorder:LedgerFactory",
        "CREATE_TABLE": "no",
    }
    recorder: LedgerRecorder

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        super().__init__()

    def construct_env(self, name: str, env: Any = None) -> Environment:
        """Only the class's own settings: nothing in the process environment may redirect the store."""
        return Environment(name, dict(type(self).env))

    def construct_factory(self, env: Environment) -> InfrastructureFactory[Any]:
        factory = super().construct_factory(env)
        assert isinstance(factory, LedgerFactory)
        factory.use(self._pool)
        return factory

    def construct_mapper(self) -> Mapper[UUID]:
        return EventMapper(transcoder=self.construct_transcoder())

    def save(self, *objs: Any, **kwargs: Any) -> list[Recording[UUID]]:
        """Appends recorded events atomically, whatever streams they belong to.

        Keyword arguments go down to `LedgerRecorder.insert_events`: snapshots, now, connection, appended.
        """
        kwargs.setdefault("now", datetime.now(UTC))
        recordings = self.events.put(objs, **kwargs)
        self._notify(recordings)
        return recordings

    def stream(self, tenant_id: UUID, stream_id: UUID) -> Sequence[Recorded]:
        """Every event of a stream, in order."""
        stored = self.recorder.select_events(stream_id, tenant_id=tenant_id)
        return [self.mapper.to_domain_event(event) for event in stored]  # type: ignore[misc]

    def tracking(self) -> LedgerTracking:
        """The recorder of projections' positions."""
        assert isinstance(self.factory, LedgerFactory)
        return self.factory.tracking_recorder()
