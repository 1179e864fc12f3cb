"""Sessions that hold the log head while their process stands still or their host is gone.

The server's own timeouts do not end them all. None reaches a session that waits for the rest of a COPY, or for its
result to be taken. And `idle_in_transaction_session_timeout` does not run after a pipeline of psycopg: that ends with
Sync and Flush, and PostgreSQL (15 to 18) stops its timer at the Flush. Such a session would hold the log for ever. So
whoever has waited for a lock in vain looks for one and ends it; its transaction is rolled back.
"""

import logging

import psycopg

from adapters.postgres.connection import Pool

log = logging.getLogger("duebook.store")

STALLED_SECONDS = 5.0
"""What is done under the log head's lock takes milliseconds; a client that lets it wait so long stands still."""

END_STALLED = """
SELECT session.pid, pg_terminate_backend(session.pid)
  FROM pg_stat_activity AS session
 WHERE session.usename = current_user
   AND session.wait_event_type = 'Client'
   AND CASE session.state WHEN 'active' THEN session.query_start ELSE session.state_change END
       < clock_timestamp() - %s * interval '1 second'
   AND session.pid IN (SELECT pid FROM pg_locks
                        WHERE locktype = 'relation' AND relation = 'log_head'::regclass
                          AND mode IN ('RowShareLock', 'RowExclusiveLock') AND granted
                          AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
"""


def end_stalled_sessions(pool: Pool, error: BaseException | None) -> int:
    """Ends stalled sessions of this login when `error` says that a lock was waited for in vain; returns how many."""
    if not isinstance(error, psycopg.errors.LockNotAvailable):
        return 0
    try:
        with pool.connection() as connection:
            ended = connection.execute(END_STALLED, (STALLED_SECONDS,)).fetchall()
    except psycopg.Error as failure:
        log.warning("could not look for sessions that stand still: %s", failure)
        return 0
    for pid, _ in ended:
        log.warning("session %d held the log while its client stood still; it was ended", pid)
    return len(ended)
