"""What `duebook doctor` looks at: each check yields its findings."""

import stat
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg

from adapters.postgres.connection import login_of
from adapters.postgres.migrate import read_migrations
from adapters.postgres.roles import API, OWNER, WRITER
from adapters.settings import Settings
from adapters.store.clock_guard import ClockNotTrusted
from adapters.wiring import Books
from ledger.refund import MAX_ATTEMPTS
from ledger.time_zones import business_date
from projections.verify.gaps import Gap, position_gaps, tenant_gaps
from schedulers.catch_up import due_days
from schedulers.refund_payouts import every_waiting

LONG_TRANSACTION_SECONDS = 60
LONG_WAIT_SECONDS = 5
BEHIND_EVENTS = 1_000
PARKED_SHOWN = 5
REFUNDS_SHOWN = 5
LONG_ACCEPTED_SECONDS = 60
LITTLE_FREE_BYTES = 1_000_000_000

SELECT_ROLES = """
SELECT rolname, rolsuper, rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = ANY (%s)
"""
SELECT_DURABILITY = """
SELECT name, setting FROM pg_catalog.pg_settings
 WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit')
"""
SELECT_LOG = """
SELECT (SELECT position FROM log_head WHERE shard = 1), count(*), coalesce(max(position), 0)
  FROM events
"""
SELECT_ACCEPTED = """
SELECT count(*), min(accepted_at) FROM accepted_requests WHERE refusal IS NULL AND accepted_at < %s
"""
SELECT_LEASES = "SELECT name, holder, fence, expires_at FROM leases ORDER BY name"
SELECT_BUSY = """
SELECT pid, usename, state, wait_event_type,
       extract(epoch FROM clock_timestamp() - xact_start)::float8,
       extract(epoch FROM clock_timestamp() - query_start)::float8,
       pg_blocking_pids(pid)
  FROM pg_catalog.pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
   AND xact_start IS NOT NULL
"""


class Finding(msgspec.Struct, frozen=True):
    """What one check found. `what_to_do` is empty where nothing is wrong."""

    check: str
    ok: bool
    detail: str
    what_to_do: str = ""


Check = Callable[[Books, psycopg.Connection[Any]], Iterator[Finding]]


def kept_secrets(settings: Settings) -> Iterator[Finding]:
    path = settings.master_key_file
    mode = stat.S_IMODE(path.stat().st_mode)
    yield Finding(
        "master key",
        not mode & 0o077,
        f"{path} has mode {mode:04o}",
        f"chmod 600 {path}" if mode & 0o077 else "",
    )


def _migrations(books: Books, connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    control = connection.execute("SELECT max(number) FROM duebook.schema_migrations").fetchone()
    shard = connection.execute("SELECT max(number) FROM schema_migrations").fetchone()
    reached = [row[0] if row is not None else 0 for row in (control, shard)]
    known = [read_migrations(kind)[-1].number for kind in ("control", "shard")]
    yield Finding(
        "migrations",
        reached == known,
        f"control {reached[0]} of {known[0]}, shard {reached[1]} of {known[1]}",
        "" if reached == known else "run: duebook migrate",
    )


def _roles(books: Books, connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    found = {
        name: (is_super, bypasses)
        for name, is_super, bypasses in connection.execute(SELECT_ROLES, ([OWNER, WRITER, API],))
    }
    expected = {OWNER: (False, False), WRITER: (False, True), API: (False, False)}
    wrong = sorted(name for name in expected if found.get(name) != expected[name])
    yield Finding(
        "roles",
        not wrong,
        f"not as they should be: {', '.join(wrong)}"
        if wrong
        else "no service login is a superuser",
        "run: duebook migrate, with a login that may alter roles" if wrong else "",
    )


def _logins(books: Books, connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    """The logins that are in use, whatever they are called."""
    database = books.database
    for name, pool, may_bypass in (("writer", database.writer, True), ("api", database.api, False)):
        login, is_super, bypasses = login_of(pool)
        wrong = is_super or (bypasses and not may_bypass)
        yield Finding(
            f"login {name}",
            not wrong,
            f"{login} gets around row-level security" if wrong else f"{login}",
            f"set DUEBOOK_{name.upper()}_URL to a login that is bound by it" if wrong else "",
        )


def _system_clock(books: Books, connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    try:
        books.guard.require()
    except ClockNotTrusted as error:
        yield Finding("system clock", False, str(error), "see the how-to on a wrong system clock")
    else:
        yield Finding("system clock", True, "agrees with the database's and the log's")


def _disk(books: Books, connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    free_bytes = books.database.free_bytes()
    if free_bytes is None:
        return
    enough = free_bytes >= LITTLE_FREE_BYTES
    yield Finding(
        "disk",
        enough,
        f"{free_bytes / 1e9:.1f} GB are free for the database",
        "" if enough else "make room: without any, nothing can be written",
    )


def _durability(books: Books, connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    off = sorted(name for name, value in connection.execute(SELECT_DURABILITY) if value == "off")
    yield Finding(
        "durability",
        not off,
        f"off: {', '.join(off)}" if off else "a commit is on disk before it is answered",
        f"set {', '.join(f'{name} = on' for name in off)} in postgresql.conf" if off else "",
    )


def _log(books: Books, connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    row = connection.execute(SELECT_LOG).fetchone()
    assert row is not None
    head, count, last = row
    gaps = position_gaps(connection)
    yield Finding(
        "log",
        not gaps,
        f"end {head}, events {count}, last position {last}, gaps {len(gaps)}{_where(gaps)}",
        "events are missing: somebody deleted them; restore from a backup" if gaps else "",
    )
    gaps = tenant_gaps(connection)
    yield Finding(
        "tenant logs",
        not gaps,
        "; ".join(f"tenant {one.tenant_id}{_where([one])}" for one in gaps) or "no gaps",
        "events of these tenants are missing; restore from a backup" if gaps else "",
    )


def _where(gaps: Sequence[Gap]) -> str:
    """The numbers between which some are missing."""
    if not gaps:
        return ""
    return ": " + ", ".join(f"between {gap.after} and {gap.before}" for gap in gaps)


def _read_models(books: Books, connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    for lag in books.projections.lag():
        if lag.outdated:
            what_to_do = f"start: duebook worker (or up), or run: duebook projections rebuild {lag.projection}"
        elif lag.behind > BEHIND_EVENTS:
            what_to_do = "start: duebook worker (or up)"
        else:
            what_to_do = ""
        yield Finding(
            f"read model {lag.projection}",
            not what_to_do,
            f"{lag.behind} events behind, version {lag.built_by} of {lag.version}",
            what_to_do,
        )
    parked = books.projections.parked()
    yield Finding(
        "parked streams",
        not parked,
        "; ".join(
            f"{one.projection}: {one.stream_id} at version {one.version}, {one.reason}"
            for one in parked[:PARKED_SHOWN]
        )
        or "none",
        f"{len(parked)} in all; mend the cause, then run: duebook projections rebuild NAME"
        if parked
        else "",
    )


def _locks(books: Books, connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    found: list[str] = []
    for pid, user, state, waits_for, open_s, asked_s, blockers in connection.execute(SELECT_BUSY):
        if waits_for == "Lock" and asked_s > LONG_WAIT_SECONDS:
            found.append(f"process {pid} ({user}) waits {asked_s:.0f} s for {blockers}")
        elif open_s > LONG_TRANSACTION_SECONDS:
            found.append(f"process {pid} ({user}) is {state} in a transaction of {open_s:.0f} s")
    yield Finding(
        "locks",
        not found,
        "; ".join(found) or "nobody waits, no transaction is long",
        "look at these sessions; end one with: SELECT pg_terminate_backend(pid)" if found else "",
    )


def _leases(books: Books, connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    now = datetime.now(UTC)
    held = [
        f"{name}: {holder} (fence {fence})"
        for name, holder, fence, expires_at in connection.execute(SELECT_LEASES)
        if expires_at > now
    ]
    yield Finding("leases", True, "; ".join(held) or "nobody holds one")


def _business_days(books: Books, connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    now = datetime.now(UTC)
    names = dict(books.tenants.all())
    overdue: list[str] = []
    for tenant_id, settings, last_closed in books.clock.clock_states():
        today = business_date(now, settings.timezone)
        days = [day for day in due_days(settings, last_closed, now) if day < today]
        if days:
            overdue.append(f"{names.get(tenant_id, tenant_id)}: {len(days)} since {days[0]}")
    yield Finding(
        "business days",
        not overdue,
        "; ".join(overdue) or "none is overdue",
        "start: duebook worker (or up), or run: duebook day catch-up --tenant T" if overdue else "",
    )


def _refunds(books: Books, connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    found = [
        one.refund_id for one in every_waiting(books.payouts) if one.refund.attempts >= MAX_ATTEMPTS
    ]
    shown = ", ".join(str(refund_id) for refund_id in found[:REFUNDS_SHOWN])
    yield Finding(
        "refunds",
        not found,
        f"{len(found)} wait for a person: {shown}" if found else "none waits for a person",
        "ask the provider what became of them; see: duebook refunds list --tenant T"
        if found
        else "",
    )


def _accepted(books: Books, connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    long_ago = datetime.now(UTC) - timedelta(seconds=LONG_ACCEPTED_SECONDS)
    row = connection.execute(SELECT_ACCEPTED, (long_ago,)).fetchone()
    assert row is not None
    count, oldest_at = row
    yield Finding(
        "accepted requests",
        not count,
        f"{count} wait since {oldest_at}" if count else "none waits for long",
        "start: duebook worker (or up), and look into its log" if count else "",
    )


CHECKS: tuple[Check, ...] = (
    _migrations,
    _roles,
    _logins,
    _durability,
    _disk,
    _system_clock,
    _log,
    _read_models,
    _locks,
    _leases,
    _business_days,
    _refunds,
    _accepted,
)
