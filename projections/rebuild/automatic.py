"""Automatic rebuild: read models whose tables an earlier version of the code filled are rebuilt, while the old
tables serve.

After an upgrade nobody has to think of it: the process that keeps the read models up to date rebuilds them first. A
read model that a later version filled is left alone, so that two releases that run side by side never take turns.
"""

import logging
import threading
from collections.abc import Sequence

from projections.catalog import CATALOG
from projections.engine import tracking
from projections.engine.backoff import Backoff
from projections.engine.projection import Projection
from projections.engine.runner import described
from projections.engine.tracking import Connect
from projections.rebuild.backfill import Stopped
from projections.rebuild.checkpoint import RebuildTaken
from projections.rebuild.rebuild import NotSwapped, OwnerConnect, rebuild

log = logging.getLogger("duebook.projections")

LOOK_SECONDS = 5.0


class AutomaticRebuild:
    """Renews read models, one after another.

    connect  lends two connections of the writer's role at a time
    owner    opens a connection of the tables' owner in autocommit
    """

    def __init__(
        self, connect: Connect, owner: OwnerConnect, projections: Sequence[Projection] = CATALOG
    ) -> None:
        self._connect = connect
        self._owner = owner
        self._projections = tuple(projections)

    def due(self) -> list[Projection]:
        """The read models that an earlier version filled."""
        with self._connect() as connection:
            built_by = tracking.versions(connection)
        return [
            one for one in self._projections if built_by.get(one.name, one.version) < one.version
        ]

    def run(self, stop: threading.Event) -> None:
        """Rebuilds what is due, and ends when nothing is, or when told to stop; what fails is tried again."""
        backoff = Backoff()
        while not stop.is_set():
            try:
                due = self.due()
                if not due:
                    return
                for projection in due:
                    self._rebuild(projection, stop)
                backoff.succeeded()
            except Stopped:
                return
            except (RebuildTaken, NotSwapped) as error:
                log.info("a read model is not rebuilt yet and will be tried again: %s", error)
                stop.wait(LOOK_SECONDS)
            except Exception as error:  # the database may be away; the old tables serve meanwhile
                log.error(
                    "a read model is not rebuilt and will be tried again: %s", described(error)
                )
                stop.wait(backoff.failed())

    def _rebuild(self, projection: Projection, stop: threading.Event) -> None:
        log.info(
            "the read model %s is rebuilt for this release; the old one serves", projection.name
        )
        done = rebuild(projection, self._connect, self._owner, stop=stop)
        log.info("the read model %s is rebuilt (%.1f s)", projection.name, done.seconds)
