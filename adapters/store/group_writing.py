"""Writing a group's events, and beside them names, customers' keys, API keys and the kept answers, in one
transaction."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg

from adapters.store import idempotency, numbering, unique_names
from adapters.store.append import UNCOUNTED, Appended, Snapshot, Statement
from adapters.store.application import LedgerApplication
from adapters.store.encryption import INSERT_CUSTOMER_KEYS
from adapters.store.envelope import Recorded
from adapters.store.group_decisions import Accepted
from adapters.store.group_view import GroupView
from adapters.store.jobs import Job
from adapters.store.reading import tenant_seq
from adapters.store.requests import Answer
from adapters.store.snapshots import snapshot_of

NOTIFY = "NOTIFY duebook_log"


class Committing(msgspec.Struct):
    """What to look for when a commit's reply is lost: the group's first event, and where the log put it."""

    first: Recorded
    appended: Appended


class Written(msgspec.Struct):
    """A group's answers, to be given once it is committed; and what it wrote, None when there was nothing to write."""

    answers: list[tuple[Job, Answer]]
    committing: Committing | None


def write_group(
    connection: psycopg.Connection[Any],
    application: LedgerApplication,
    view: GroupView,
    accepted: Sequence[Accepted],
    check_log: Callable[[datetime], None],
) -> Written:
    """Appends what was accepted. Raises StaleSnapshots when another process was there first; `check_log` is given the
    instant the log recorded, and raises to stop."""
    writing = [one for one in accepted if one.unit.appended]
    answers = [
        (one.job, _answer(one, tenant_seq(connection, one.job.request.tenant_id)))
        for one in accepted
        if not one.unit.appended
    ]
    events = [recorded for one in writing for recorded in one.unit.appended]
    if not events:
        return Written(answers, None)
    with connection.cursor() as cursor:
        numbering.advance(cursor, view.series)
    placed: list[tuple[Job, Answer]] = []
    found: list[Appended] = []

    def beside(appended: Appended) -> list[Statement]:
        check_log(appended.recorded_at)
        placed.extend(_placed(writing, appended))
        return _beside(writing, placed, appended.recorded_at)

    application.save(
        *events,
        snapshots=_snapshots(view),
        now=datetime.now(UTC),
        connection=connection,
        appended=found,
        beside=beside,
    )
    return Written(answers + placed, Committing(events[0], found[0]))


def _snapshots(view: GroupView) -> list[Snapshot]:
    return [
        snapshot_of(tenant_id.bytes, stream_id.bytes, loaded)
        for (tenant_id, stream_id), loaded in view.streams.items()
        if loaded.version > loaded.stored_version
    ]


def _placed(writing: Sequence[Accepted], appended: Appended) -> list[tuple[Job, Answer]]:
    """Each command's answer, with the tenant_seq of its last event."""
    placed: list[tuple[Job, Answer]] = []
    last = -1
    for one in writing:
        last += len(one.unit.appended)
        placed.append((one.job, _answer(one, appended.tenant_seqs[last])))
    return placed


def _answer(one: Accepted, seq: int) -> Answer:
    return Answer(one.job.request.status, one.body, seq)


def _beside(
    writing: Sequence[Accepted], placed: Sequence[tuple[Job, Answer]], recorded_at: datetime
) -> list[Statement]:
    """What commands write beside their events."""
    statements: list[Statement] = []

    def insert(query: str, rows: Sequence[tuple[Any, ...]], what: str, *more: Any) -> None:
        if rows:
            statements.append(Statement(query, (*more, *_columns(rows)), len(rows), what))

    names = [(*key, stream) for one in writing for key, stream in one.unit.names.items()]
    keys = [
        (*owner, wrapped) for one in writing for owner, (_, wrapped) in one.unit.new_keys.items()
    ]
    records = [_record(job, answer) for job, answer in placed if job.request.key is not None]
    insert(unique_names.INSERT_NAMES, names, "a name was taken meanwhile")
    insert(INSERT_CUSTOMER_KEYS, keys, "a customer was given a key meanwhile")
    insert(
        idempotency.INSERT_RECORDS, records, "an idempotency key was used meanwhile", recorded_at
    )
    statements += [write(recorded_at) for one in writing for write in one.unit.api_keys]
    statements.append(Statement(NOTIFY, (), UNCOUNTED, ""))
    return statements


def _record(job: Job, answer: Answer) -> tuple[Any, ...]:
    request = job.request
    return (
        request.tenant_id,
        request.key,
        request.request_hash,
        job.command_id,
        answer.status,
        answer.body,
        answer.tenant_seq,
    )


def _columns(rows: Sequence[tuple[Any, ...]]) -> tuple[list[Any], ...]:
    return tuple(list(column) for column in zip(*rows, strict=True))
