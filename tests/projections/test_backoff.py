"""Pauses between attempts."""

from projections.engine.backoff import Backoff, pause_seconds


def test_each_pause_is_twice_the_one_before_up_to_the_limit() -> None:
    assert [pause_seconds(n) for n in range(1, 9)] == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0]
    assert pause_seconds(10_000) == 5.0
    assert pause_seconds(10_000, max_seconds=2.0) == 2.0


def test_a_success_begins_anew() -> None:
    backoff = Backoff()
    assert not backoff.failing
    assert [backoff.failed(), backoff.failed()] == [0.05, 0.1]
    assert backoff.failing
    backoff.succeeded()
    assert not backoff.failing
    assert backoff.failed() == 0.05
