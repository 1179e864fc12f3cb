"""Deciding a group: its commands one after another, each on what those before it decided."""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg

from adapters.store import idempotency
from adapters.store.group_loading import keys_of
from adapters.store.group_view import GroupView
from adapters.store.idempotency import KeptAnswer, RecordKey
from adapters.store.jobs import Job
from adapters.store.log_texts import without_texts
from adapters.store.requests import Answer
from adapters.store.unit_of_work import StoreUnit
from ledger.errors import LedgerError

log = logging.getLogger("duebook.writer")


class Accepted(msgspec.Struct):
    """A command that was not refused, with what it wants written and its answer's body."""

    job: Job
    unit: StoreUnit
    body: bytes


class Decisions(msgspec.Struct):
    """What became of each command of a group.

    accepted   to be written and answered
    replays    answered with what was kept under their key
    repeats    (repeat, first): answered with what the first one of the same key in this group gets
    refusals   refused, with the error
    """

    accepted: list[Accepted] = msgspec.field(default_factory=list)
    replays: list[tuple[Job, Answer]] = msgspec.field(default_factory=list)
    repeats: list[tuple[Job, Job]] = msgspec.field(default_factory=list)
    refusals: list[tuple[Job, Exception]] = msgspec.field(default_factory=list)


def decide_group(
    view: GroupView, jobs: Sequence[Job], kept: Mapping[RecordKey, KeptAnswer]
) -> Decisions:
    """Decides each command. Raises psycopg's errors: then the transaction is lost for all of the group."""
    decisions = Decisions()
    now = datetime.now(UTC)
    firsts: dict[RecordKey, Job] = {}
    for job in jobs:
        request = job.request
        known = (request.tenant_id, request.key) if request.key is not None else None
        if known is not None and known in kept:
            _replay(decisions, job, kept[known])
        elif known is not None and known in firsts:
            _repeat(decisions, job, firsts[known])
        else:
            accepted = _decided(view, job, now, decisions)
            if accepted is not None and known is not None:
                firsts[known] = job
    return decisions


def replay_overtaken(connection: psycopg.Connection[Any], decisions: Decisions) -> None:
    """Answers a refused command from its key's record where another process has committed it meanwhile: what it was
    decided on may have been loaded after that, and the refusal be of its own effect."""
    keys = keys_of([job for job, _ in decisions.refusals])
    kept = idempotency.fetched(idempotency.ask(connection, keys))
    if not kept:
        return
    refusals, decisions.refusals = decisions.refusals, []
    for job, error in refusals:
        record = kept.get((job.request.tenant_id, job.request.key or ""))
        if record is None:
            decisions.refusals.append((job, error))
        else:
            _replay(decisions, job, record)


def _decided(view: GroupView, job: Job, now: datetime, decisions: Decisions) -> Accepted | None:
    """Runs a command's handler; None when it was refused."""
    request = job.request
    unit = StoreUnit(view, request, job.command_id, request.now or now)
    try:
        body = msgspec.json.encode(request.handler(unit))
    except psycopg.Error:
        raise  # the transaction is lost for all of the group
    except Exception as error:
        if not isinstance(error, LedgerError):
            log.error("a command of %s failed: %s", request.actor, without_texts(error))
        decisions.refusals.append((job, error))
        return None
    unit.keep()
    accepted = Accepted(job, unit, body)
    decisions.accepted.append(accepted)
    return accepted


def _replay(decisions: Decisions, job: Job, kept: KeptAnswer) -> None:
    if kept.request_hash != job.request.request_hash:
        decisions.refusals.append((job, idempotency.key_reused()))
    else:
        decisions.replays.append((job, kept.answer))


def _repeat(decisions: Decisions, job: Job, first: Job) -> None:
    if first.request.request_hash != job.request.request_hash:
        decisions.refusals.append((job, idempotency.key_reused()))
    else:
        decisions.repeats.append((job, first))
