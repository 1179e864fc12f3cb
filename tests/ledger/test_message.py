"""A message's states: what may follow what, and when the next attempt is made."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from ledger.event_registry import Event
from ledger.message import (
    MAX_ATTEMPTS,
    Attempted,
    AttemptFailed,
    AttemptOutdated,
    BecameUnknown,
    Cancelled,
    DeadLettered,
    Discarded,
    Message,
    MessageNotDue,
    NothingToDiscard,
    NothingToRetry,
    NothingToSettle,
    Queued,
    Sent,
    attempt_failed,
    begin_attempt,
    evolve,
    message_id,
    require_current,
    require_discardable,
    retry,
    settle,
)

DAY = date(2026, 3, 9)
NOON = datetime(2026, 3, 9, 12, tzinfo=UTC)
TENANT, ANN = UUID(int=1), UUID(int=2)
QUEUED = Queued("dunning", "email", ANN, "EUR", 100_00, DAY, (UUID(int=3),), "default", 1, "d3")


def after(*events: Event) -> Message:
    message = evolve(None, QUEUED, DAY)
    for event in events:
        message = evolve(message, event, DAY)
    return message


def test_it_is_attempted_and_sent() -> None:
    attempted = begin_attempt(after(), "file", NOON)
    assert (attempted.attempt, attempted.sender) == (1, "file")
    sent = after(attempted, Sent("a.eml", "ff"))
    assert (sent.state, sent.sender, sent.reference, sent.next_at) == (
        "sent",
        "file",
        "a.eml",
        None,
    )
    with pytest.raises(MessageNotDue):
        begin_attempt(sent, "file", NOON)


def test_nobody_else_attempts_it_meanwhile() -> None:
    attempted = begin_attempt(after(), "file", NOON)
    with pytest.raises(MessageNotDue):
        begin_attempt(after(attempted), "file", NOON + timedelta(minutes=14))
    again = begin_attempt(after(attempted), "file", NOON + timedelta(minutes=15))
    assert again.attempt == 2
    with pytest.raises(AttemptOutdated):
        require_current(after(attempted, again), 1)
    require_current(after(attempted, again), 2)


def test_the_wait_doubles_and_the_tenth_failure_is_the_last() -> None:
    message, now, waits = after(), NOON, []
    for _ in range(MAX_ATTEMPTS):
        message = evolve(message, begin_attempt(message, "file", now), DAY)
        event = attempt_failed(message, "the disk is full", now)
        message = evolve(message, event, DAY)
        if isinstance(event, AttemptFailed):
            waits.append((event.next_at - now).total_seconds() / 60)
            with pytest.raises(MessageNotDue):
                begin_attempt(message, "file", event.next_at - timedelta(seconds=1))
            now = event.next_at
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert message.state == "dead_lettered"
    assert "10 attempts" in message.reason


def test_what_people_do_about_what_failed() -> None:
    dead = after(DeadLettered("the address is malformed"))
    require_discardable(dead)
    retried = evolve(dead, retry(dead), DAY)
    assert (retried.state, retried.attempts, retried.reason) == ("queued", 0, "")
    discarded = after(DeadLettered("no"), Discarded("moved"))
    assert discarded.state == "discarded"
    assert evolve(discarded, retry(discarded), DAY).state == "queued"
    assert evolve(after(Cancelled("nothing_open")), retry(dead), DAY).state == "queued"
    for state in (after(), after(Attempted(1, "file", NOON))):
        with pytest.raises(NothingToRetry):
            retry(state)
        with pytest.raises(NothingToDiscard):
            require_discardable(state)
        with pytest.raises(NothingToSettle):
            settle(state, "sent")


def test_an_unknown_one_waits_for_a_person() -> None:
    unknown = after(Attempted(1, "smtp", NOON), BecameUnknown("connection lost"))
    with pytest.raises(MessageNotDue):
        begin_attempt(unknown, "smtp", NOON + timedelta(days=9))
    with pytest.raises(NothingToRetry):
        retry(unknown)
    assert evolve(unknown, settle(unknown, "sent"), DAY).state == "sent"
    assert evolve(unknown, settle(unknown, "not_sent"), DAY).state == "queued"


def test_the_same_facts_give_the_same_id() -> None:
    facts = (TENANT, ANN, "email", "EUR", DAY, "dunning")
    one = message_id(*facts)  # type: ignore[arg-type]
    assert one == message_id(*facts)  # type: ignore[arg-type]
    others = {
        message_id(UUID(int=7), ANN, "email", "EUR", DAY, "dunning"),
        message_id(TENANT, UUID(int=7), "email", "EUR", DAY, "dunning"),
        message_id(TENANT, ANN, "email", "USD", DAY, "dunning"),
        message_id(TENANT, ANN, "email", "EUR", DAY + timedelta(days=1), "dunning"),
        message_id(TENANT, ANN, "email", "EUR", DAY, "dunning", before=1),
    }
    assert len({one, *others}) == 6
