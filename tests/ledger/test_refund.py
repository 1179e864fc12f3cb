"""A refund's attempts: one at a time, later and later, ten by themselves, and what is known of them."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from ledger.customer import CreditPart
from ledger.event_registry import Event
from ledger.refund import (
    MAX_ATTEMPTS,
    AttemptFailed,
    Compensated,
    Confirmed,
    Failed,
    NothingToRelease,
    OutcomeOutdated,
    PayoutNotDue,
    PayoutUnderWay,
    Refund,
    RefundClosed,
    Released,
    Requested,
    Sent,
    begin_attempt,
    evolve,
    release,
    require_at_rest,
    require_current,
    require_open,
    waits_for,
)
from ledger.streams import STREAMS

ON = date(2024, 3, 8)
NOON = datetime(2024, 3, 8, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def after(refund: Refund, *events: Event) -> Refund:
    for event in events:
        refund = evolve(refund, event, ON)
    return refund


@pytest.fixture
def refund() -> Refund:
    requested = Requested(UUID(int=1), "BRL", 500, (CreditPart(UUID(int=2), 500),))
    return evolve(None, requested, ON)


def begun(refund: Refund, now: datetime = NOON) -> Refund:
    return after(refund, begin_attempt(refund, now))


def test_it_waits_to_be_handed_over_until_it_is(refund: Refund) -> None:
    facts = STREAMS["refund"].facts
    assert facts(refund).wakes_on == ON
    assert facts(begun(refund)).wakes_on == ON
    sent = after(begun(refund), Sent("file", "x.json"))
    assert facts(sent).wakes_on is None
    assert not sent.under_way
    confirmed = after(sent, Confirmed())
    assert (confirmed.status, confirmed.provider, confirmed.reference) == (
        "confirmed",
        "file",
        "x.json",
    )
    for closed in (confirmed, after(sent, Failed("no"), Compensated())):
        with pytest.raises(RefundClosed):
            require_open(closed)


def test_one_attempt_at_a_time(refund: Refund) -> None:
    first = begun(refund)
    assert (first.attempts, first.under_way, first.unknown) == (1, True, False)
    for too_early in (NOON, NOON + 59 * timedelta(seconds=1)):
        with pytest.raises(PayoutNotDue):
            begin_attempt(first, too_early)
        with pytest.raises(PayoutUnderWay):
            require_at_rest(first, too_early)
    require_at_rest(first, NOON + MINUTE)
    # Nobody knows what became of the first: its outcome was never recorded.
    second = begun(first, NOON + MINUTE)
    assert (second.begun, second.unknown) == (2, True)


def test_an_outcome_is_that_of_the_last_attempt(refund: Refund) -> None:
    with pytest.raises(OutcomeOutdated):
        require_current(refund, 0)
    first = begun(refund)
    require_current(first, 1)
    second = begun(first, NOON + MINUTE)
    require_current(second, 2)
    for refund, attempt in (
        (second, 1),
        (second, 3),
        (after(second, AttemptFailed(2, "no answer")), 2),
        (after(second, Sent("http")), 2),
    ):
        with pytest.raises(OutcomeOutdated):
            require_current(refund, attempt)


def test_attempts_wait_twice_as_long_each_and_end(refund: Refund) -> None:
    now, waits = NOON, []
    for number in range(1, MAX_ATTEMPTS + 1):
        assert waits_for(refund.status, refund.attempts) == "payout"
        refund = begun(refund, now)
        assert refund.next_at is not None
        waits.append((refund.next_at - now) // MINUTE)
        refund = after(refund, AttemptFailed(number, "refused the connection"))
        now = refund.next_at
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
    assert waits_for(refund.status, refund.attempts) == "person"
    with pytest.raises(PayoutNotDue):
        begin_attempt(refund, now + timedelta(days=365))
    assert not refund.unknown

    again = after(refund, release(refund, now))
    assert waits_for(again.status, again.attempts) == "payout"
    last = begun(again, now)
    assert (last.begun, last.attempts, last.next_at) == (11, 1, now + MINUTE)


def test_what_is_in_doubt_stays_so(refund: Refund) -> None:
    doubtful = after(begun(refund), AttemptFailed(1, "no answer", unknown=True))
    assert doubtful.unknown
    clear = after(begun(doubtful, NOON + MINUTE), AttemptFailed(2, "no connection"))
    assert clear.unknown
    assert after(clear, Released()).unknown


def test_what_is_released(refund: Refund) -> None:
    with pytest.raises(PayoutUnderWay):
        release(begun(refund), NOON)
    with pytest.raises(NothingToRelease):
        release(after(begun(refund), Sent("file")), NOON)
