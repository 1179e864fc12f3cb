"""The lease of a shard's clock, and the fence that keeps a former holder from writing.

Each holder gets a fence number greater than that of every holder before. A transaction of a run renews the lease first;
when another has taken it meanwhile, nothing of the run is written.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg

from adapters.postgres.connection import Pool
from adapters.store.stalled_sessions import end_stalled_sessions
from projections.engine import postgres_binary
from schedulers.ports import ClockTaken, Fenced, Lease, Run

LEASE_NAME: Final = "clock"
LEASE_SECONDS: Final = 60
LOCK_TIMEOUT: Final = "SET LOCAL lock_timeout = '10s'"

TAKE_LEASE = """
INSERT INTO leases AS lease (name, holder, fence, expires_at) VALUES (%(name)s, %(holder)s, 1, %(until)s)
ON CONFLICT (name) DO UPDATE
   SET holder = excluded.holder, fence = lease.fence + 1, expires_at = excluded.expires_at
 WHERE lease.expires_at <= %(now)s
RETURNING fence
"""
RENEW_LEASE = """
UPDATE leases SET expires_at = %s WHERE name = %s AND holder = %s AND fence = %s
"""
SELECT_LEASE = "SELECT holder, expires_at FROM leases WHERE name = %s"


class ClockLeases:
    """Takes and gives up the clock's lease."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def acquire(self, holder: str) -> Lease:
        """Raises ClockTaken while another holder's lease runs."""
        now = datetime.now(UTC)
        values = {
            "name": LEASE_NAME,
            "holder": holder,
            "now": now,
            "until": now + timedelta(seconds=LEASE_SECONDS),
        }
        try:
            with self._pool.connection() as connection:
                connection.execute(LOCK_TIMEOUT, prepare=False)
                row = connection.execute(TAKE_LEASE, values).fetchone()
                if row is not None:
                    return Lease(holder, row[0])
                other = connection.execute(SELECT_LEASE, (LEASE_NAME,)).fetchone()
        except psycopg.errors.LockNotAvailable as error:
            end_stalled_sessions(self._pool, error)
            raise ClockTaken(
                "another runner is in the middle of a chunk that does not end"
            ) from error
        assert other is not None
        raise ClockTaken(f"{other[0]} has the clock, at the latest until {other[1]:%H:%M:%S} UTC")

    def release(self, lease: Lease) -> None:
        with self._pool.connection() as connection:
            connection.execute(
                RENEW_LEASE, (datetime.now(UTC), LEASE_NAME, lease.holder, lease.fence)
            )


class FencedTransaction:
    """A transaction of a run: it renews the lease first, and raises Fenced when the lease is lost."""

    def __init__(self, pool: Pool, run: Run) -> None:
        self._pool = pool
        self._run = run

    def __enter__(self) -> psycopg.Connection[Any]:
        self._borrowed = self._pool.connection()
        connection = self._borrowed.__enter__()
        try:
            postgres_binary.register(connection)
            connection.execute(LOCK_TIMEOUT, prepare=False)
            lease = self._run.lease
            until = datetime.now(UTC) + timedelta(seconds=LEASE_SECONDS)
            renewed = connection.execute(
                RENEW_LEASE, (until, LEASE_NAME, lease.holder, lease.fence)
            )
            if renewed.rowcount != 1:
                raise fenced(self._run)
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return connection

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self._borrowed.__exit__(kind, error, trace)
        end_stalled_sessions(self._pool, error)


def fenced(run: Run) -> Fenced:
    return Fenced(f"{run.lease.holder} has lost the clock to another runner; it stops at {run.day}")
