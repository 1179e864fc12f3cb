"""A group of commands: loaded in one round trip, decided one after another, committed in one transaction.

Nothing is locked while it decides; the append notices by the expected versions when another process was there first.
A commit whose reply is lost is settled by looking for the group's own first event under the log head's lock.
"""

import time
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg_pool import PoolTimeout

from adapters.postgres.connection import Pool
from adapters.store.append import StaleSnapshots
from adapters.store.application import LedgerApplication
from adapters.store.clock_guard import ClockGuard
from adapters.store.encryption import PersonalDataCipher
from adapters.store.group_decisions import Decisions, decide_group, replay_overtaken
from adapters.store.group_loading import LOCK_HEAD, LOCK_TIMEOUT, load_group
from adapters.store.group_view import GroupView
from adapters.store.group_writing import Committing, Written, write_group
from adapters.store.jobs import Job, follow, give, refuse
from adapters.store.numbering import SeriesKey
from adapters.store.requests import OutcomeUnknown
from adapters.store.stalled_sessions import end_stalled_sessions
from projections.engine import postgres_binary
from projections.engine.backoff import Backoff

UNREACHABLE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    PoolTimeout,
    psycopg.errors.ReadOnlySqlTransaction,  # a standby, before it takes over
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.TransactionTimeout,
)

GIVE_UP_SECONDS = 15.0
# The pool does not try again for one who waits already, only for one who comes: so the writer comes often.
CONNECTION_WAIT_SECONDS = 2.0

FIND_COMMAND = """
SELECT command_id, position FROM events
 WHERE tenant_id = %s AND stream_id = %s AND version = %s
"""


class Overtaken(Exception):
    """Another process wrote to one of the group's streams first. `series` are the number series the group touched."""

    def __init__(self, series: Sequence[SeriesKey]) -> None:
        super().__init__("another process was there first")
        self.series = series


class GroupCommit:
    """Decides, commits and answers groups of commands."""

    def __init__(
        self,
        application: LedgerApplication,
        pool: Pool,
        cipher: PersonalDataCipher,
        guard: ClockGuard,
    ) -> None:
        self._application = application
        self._pool = pool
        self._cipher = cipher
        self._guard = guard

    def run(self, jobs: Sequence[Job], lock_first: Sequence[SeriesKey] | None) -> None:
        """Decides, commits and answers. Nothing is answered before the commit is certain.

        With `lock_first`, number series, those and the log head are locked before anything is read. Raises Overtaken,
        OutcomeUnknown, and the errors of a database that cannot be reached; then nobody has been answered.
        """
        committing: Committing | None = None
        try:
            with self._pool.connection(CONNECTION_WAIT_SECONDS) as connection:
                postgres_binary.register(connection)
                view, kept = load_group(connection, self._cipher, jobs, lock_first)
                decisions = decide_group(view, jobs, kept)
                replay_overtaken(connection, decisions)
                written = self._write(connection, view, decisions)
                committing = written.committing
                # Leaving the block commits.
        except (psycopg.OperationalError, psycopg.InterfaceError):
            if committing is None or not self._settled(committing):
                raise
        self._answer(decisions, written)

    def _write(
        self, connection: psycopg.Connection[Any], view: GroupView, decisions: Decisions
    ) -> Written:
        try:
            return write_group(
                connection,
                self._application,
                view,
                decisions.accepted,
                self._guard.require_log_behind,
            )
        except (StaleSnapshots, psycopg.errors.UniqueViolation) as error:
            raise Overtaken(sorted(view.series)) from error

    def _settled(self, committing: Committing) -> bool:
        """Whether a commit without a reply took place, asked until the database answers.

        Raises OutcomeUnknown when it does not: then the commands must not be run again.
        """
        deadline = time.monotonic() + GIVE_UP_SECONDS
        backoff = Backoff(max_seconds=2.0)
        while True:
            try:
                return self._is_committed(committing)
            except UNREACHABLE as error:
                if time.monotonic() > deadline:
                    raise OutcomeUnknown(
                        "the database went away during the commit; "
                        "repeat the request with the same idempotency key"
                    ) from error
                end_stalled_sessions(self._pool, error)
                time.sleep(backoff.failed())

    def _is_committed(self, committing: Committing) -> bool:
        """Whether a commit without a reply took place. Certain: an unfinished one still holds the log head."""
        first = committing.first
        with self._pool.connection(CONNECTION_WAIT_SECONDS) as connection, connection.transaction():
            connection.execute(LOCK_TIMEOUT, prepare=False)
            connection.execute(LOCK_HEAD)
            row = connection.execute(
                FIND_COMMAND, (first.tenant_id, first.originator_id, first.originator_version)
            ).fetchone()
        return row == (first.command_id, committing.appended.first_position)

    def _answer(self, decisions: Decisions, written: Written) -> None:
        """Gives the answers. It must not fail: what it tells of is committed."""
        for job, error in decisions.refusals:
            refuse(job.future, error)
        for job, answer in written.answers:
            give(job.future, answer)
        for job, answer in decisions.replays:
            give(job.future, answer)
        for repeat, first in decisions.repeats:
            follow(first.future, repeat.future)
        for accepted in decisions.accepted:
            for owner, (key, _) in accepted.unit.new_keys.items():
                self._cipher.remember(owner, key)
