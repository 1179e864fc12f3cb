"""The runner over real books: what is handed over, to whom, how often, and what becomes of the credit."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from adapters.payouts.files import FilePayout
from adapters.payouts.http import HttpPayout
from adapters.wiring import Books
from commands.payments import ReceivePayment, receive_payment
from commands.refunds import FailRefund, fail_refund, release_refund
from commands.reversals import ReversePayment, reverse_payment
from ledger.money import Money
from ledger.refund import MAX_ATTEMPTS, PayoutUnderWay
from schedulers import refund_payouts as runner
from schedulers.refund_payouts import (
    HandedOver,
    Instruction,
    NotHandedOver,
    Outcome,
    Round,
    every_waiting,
    pay_out,
    payout_rounds,
)
from tests.payouts.conftest import IBAN, Dispatcher, wait_until
from tests.payouts.peer import Peer, answering, decoded, keep, keep_and_say_nothing, say_nothing


class Told:
    """A payout that does as the test says."""

    def __init__(self, *outcomes: Outcome | Exception) -> None:
        self.outcomes = list(outcomes)
        self.got: list[Instruction] = []

    def hand_over(self, instruction: Instruction) -> Outcome:
        self.got.append(instruction)
        outcome = self.outcomes.pop(0) if self.outcomes else HandedOver("told")
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def test_a_refund_is_handed_over_once(desk: Dispatcher, tmp_path: Path) -> None:
    refund_id = desk.request("12.30")
    payout = FilePayout(tmp_path)
    assert desk.run(payout) == Round(handed_over=1)
    assert desk.run(payout) == Round()
    refund = desk.refund(refund_id)
    assert (refund.status, refund.provider, refund.reference) == (
        "sent",
        "file",
        f"{refund_id}.json",
    )
    (file,) = tmp_path.rglob("*.json")
    found = msgspec.json.decode(file.read_bytes(), type=Instruction)
    assert found.destination == IBAN
    assert found.amount == Money("12.30", "EUR")
    assert desk.tags(refund_id) == ["requested", "attempted", "sent"]


def test_the_destination_is_in_the_clear_nowhere_else(desk: Dispatcher, peer: Peer) -> None:
    desk.request()
    with HttpPayout(peer.url) as payout:
        desk.run(payout)
    assert decoded(peer.puts[0])["destination"] == IBAN
    with desk.books.database.writer.connection() as connection:
        for table, column in (("events", "data"), ("snapshots", "state")):
            query = f"SELECT {column} FROM {table}".encode()
            assert not [row for row in connection.execute(query) if IBAN.encode() in bytes(row[0])]


def test_every_tenant_and_every_page(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "PAGE", 2)
    desks = [Dispatcher(books) for _ in range(3)]
    wanted = {desk.request("1.00") for desk in desks for _ in range(3)}
    told = Told()
    assert desks[0].run(told) == Round(handed_over=9)
    assert {one.refund_id for one in told.got} == wanted
    for desk in desks:
        mine = [one.refund_id for one in told.got if one.tenant_id == desk.tenant_id]
        assert len(mine) == 3
        assert all(desk.refund(one).status == "sent" for one in mine)
    assert list(every_waiting(desks[0].payouts)) == []


def test_a_refusal_is_compensated(desk: Dispatcher, peer: Peer) -> None:
    refund_id = desk.request("400.00")
    assert desk.credit() == 60_000
    peer.manner = answering(422)
    with HttpPayout(peer.url) as payout:
        assert desk.run(payout) == Round(refused=1)
    assert desk.tags(refund_id) == ["requested", "attempted", "failed", "compensated"]
    assert desk.credit() == 100_000
    assert desk.refund(refund_id).failed_because.startswith("encrypted:1:")


def test_a_wrong_token_is_no_refusal(desk: Dispatcher, peer: Peer) -> None:
    refund_id = desk.request()
    peer.manners[str(refund_id)] = [answering(401)]
    with HttpPayout(peer.url) as payout:
        assert desk.run(payout) == Round(not_handed_over=1)
        assert desk.run(payout) == Round()
        desk.later()
        assert desk.run(payout) == Round(handed_over=1)
    assert desk.tags(refund_id) == [
        "requested",
        "attempted",
        "attempt_failed",
        "attempted",
        "sent",
    ]


def test_what_the_provider_kept_though_no_answer_came_is_paid_once(
    desk: Dispatcher, peer: Peer
) -> None:
    refund_id = desk.request()
    peer.manners[str(refund_id)] = [keep_and_say_nothing]
    with HttpPayout(peer.url) as payout:
        desk.run(payout)
        assert desk.refund(refund_id).unknown
        desk.later()
        desk.run(payout)
    assert desk.refund(refund_id).status == "sent"
    assert (len(peer.puts), len(peer.instructions)) == (2, 1)


def test_a_refusal_after_no_answer_gives_nothing_back(desk: Dispatcher, peer: Peer) -> None:
    """The money may have left with the first."""
    refund_id = desk.request("400.00")
    peer.manners[str(refund_id)] = [keep_and_say_nothing, answering(422)]
    with HttpPayout(peer.url) as payout:
        desk.run(payout)
        desk.later()
        assert desk.run(payout) == Round(refused=1)
    refund = desk.refund(refund_id)
    assert (refund.status, refund.unknown) == ("requested", True)
    assert desk.credit() == 60_000


def test_ten_attempts_and_then_a_person(desk: Dispatcher, peer: Peer) -> None:
    refund_id = desk.request("400.00")
    peer.manner = say_nothing
    with HttpPayout(peer.url) as payout:
        for number in range(MAX_ATTEMPTS):
            assert desk.run(payout) == Round(not_handed_over=1)
            assert desk.run(payout) == Round()
            desk.later(2**number)
        desk.later(60 * 24 * 365)
        assert desk.run(payout) == Round()
        assert len(peer.puts) == MAX_ATTEMPTS
        assert desk.credit() == 60_000

        peer.manner = keep
        desk.ask(lambda unit: release_refund(unit, refund_id))
        assert desk.run(payout) == Round(handed_over=1)
    assert len(peer.instructions) == 1


def test_two_runners_make_one_attempt(desk: Dispatcher) -> None:
    """The second meets the claim of the first, which is held up in the middle of its hand-over."""
    refund_id = desk.request()
    inside, go_on = threading.Event(), threading.Event()

    class Held(Told):
        def hand_over(self, instruction: Instruction) -> Outcome:
            inside.set()
            assert go_on.wait(10)
            return super().hand_over(instruction)

    held, other = Held(), Told()
    thread = threading.Thread(target=lambda: desk.run(held))
    thread.start()
    assert inside.wait(10)
    assert desk.run(other) == Round()
    failing = FailRefund("the customer changed her mind")
    with pytest.raises(PayoutUnderWay):
        desk.ask(lambda unit: fail_refund(unit, refund_id, failing))
    go_on.set()
    thread.join(10)
    assert (len(held.got), len(other.got)) == (1, 0)
    assert desk.refund(refund_id).status == "sent"


def test_the_outcome_of_one_that_stood_still_is_not_recorded(desk: Dispatcher) -> None:
    refund_id = desk.request("400.00")

    class Late(Told):
        def hand_over(self, instruction: Instruction) -> Outcome:
            outcome = super().hand_over(instruction)
            desk.later()
            assert desk.run(Told()) == Round(handed_over=1)
            return outcome

    from schedulers.refund_payouts import Refused

    assert desk.run(Late(Refused("unknown account"))) == Round()
    assert desk.refund(refund_id).status == "sent"
    assert desk.credit() == 60_000


def test_one_that_stood_still_before_handing_over_does_not(desk: Dispatcher) -> None:
    refund_id = desk.request()
    told = Told()

    def pause(point: str) -> None:
        if point == "before handing over":
            desk.later()

    assert pay_out(desk.payouts, told, lambda: desk.now, pause=pause) == Round()
    assert told.got == []
    assert desk.refund(refund_id).under_way


def test_what_fails_with_one_does_not_hold_up_the_others(desk: Dispatcher) -> None:
    refunds = [desk.request("1.00") for _ in range(3)]
    told = Told(RuntimeError(f"could not send {IBAN}"))
    assert desk.run(told) == Round(handed_over=2, not_handed_over=1)
    (failed,) = [one for one in refunds if desk.refund(one).status != "sent"]
    refund = desk.refund(failed)
    assert (refund.last_error, refund.unknown) == ("failed with RuntimeError", True)


def test_nothing_is_handed_over_for_a_person_who_was_erased(desk: Dispatcher) -> None:
    refund_id = desk.request("400.00")
    with desk.books.database.writer.connection() as connection:
        connection.execute("DELETE FROM customer_keys WHERE tenant_id = %s", (desk.tenant_id,))
    desk.books.cipher.forget((desk.tenant_id, desk.customer_id))
    told = Told()
    assert desk.run(told) == Round(not_handed_over=1)
    assert told.got == []
    assert "erased" in desk.refund(refund_id).last_error
    assert desk.credit() == 60_000


def test_a_payment_reversed_while_its_refund_is_under_way(desk: Dispatcher, peer: Peer) -> None:
    """The reversal leaves a shortfall; the refund's failure settles it."""
    payment = ReceivePayment(Money("50.00", "EUR"), desk.customer_id)
    payment_id = UUID(desk.ask(lambda unit: receive_payment(unit, payment))["id"])
    refund_id = desk.request("1050.00")
    reversal = ReversePayment("bounced")
    desk.ask(lambda unit: reverse_payment(unit, payment_id, reversal))
    customer = desk.state("customer", desk.customer_id)
    assert (customer.credit, customer.shortfall) == ({}, {"EUR": 5_000})
    peer.manner = answering(400)
    with HttpPayout(peer.url) as payout:
        desk.run(payout)
    assert desk.refund(refund_id).status == "compensated"
    customer = desk.state("customer", desk.customer_id)
    assert (customer.credit, customer.shortfall) == ({"EUR": 100_000}, {})


def test_rounds_in_the_background(desk: Dispatcher, tmp_path: Path) -> None:
    rounds = payout_rounds(desk.books.payouts, FilePayout(tmp_path), every_seconds=0.02)
    rounds.start()
    try:
        refund_id = desk.request()
        wait_until(lambda: desk.refund(refund_id).status == "sent")
    finally:
        rounds.stop()
    desk.request()
    assert len(list(tmp_path.rglob("*.json"))) == 1


def test_a_round_that_fails_is_followed_by_another() -> None:
    asked = threading.Semaphore(0)

    class Broken:
        def waiting(self, after: Any, limit: int) -> Any:
            asked.release()
            raise ConnectionError("the database does not answer")

    store: Any = Broken()
    rounds = payout_rounds(store, Told(), lambda: datetime.now(UTC), every_seconds=0.01)
    rounds.start()
    try:
        for _ in range(3):
            assert asked.acquire(timeout=10)
    finally:
        rounds.stop()


def test_what_is_not_due_is_not_looked_at_again_by_the_provider(desk: Dispatcher) -> None:
    desk.request()
    told = Told(NotHandedOver("no connection", unknown=False))
    desk.run(told)
    desk.now += timedelta(seconds=59)
    desk.run(told)
    assert len(told.got) == 1


def test_an_index_finds_what_waits_without_reading_invoices(desk: Dispatcher) -> None:
    from adapters.store.payouts import SELECT_WAITING

    values = {"tenant": UUID(int=0), "wakes_on": desk.now.date(), "stream": UUID(int=0), "limit": 9}
    with desk.books.database.writer.connection() as connection:
        connection.execute("SET enable_seqscan = off")
        plan = connection.execute("EXPLAIN " + SELECT_WAITING, values).fetchall()  # type: ignore[arg-type]
    assert "snapshots_payout" in str(plan)
