"""One step of a night run again by hand: what is new is done, nothing twice."""

from datetime import date, timedelta

import pytest

from commands.dunning_plans import SavePlan, save_plan
from commands.holds import HoldInvoice, hold_invoice
from ledger.business_day import Step
from ledger.dunning.plan import DEFAULT_KEY, Caps
from ledger.dunning.plan import Step as PlanStep
from schedulers.business_day import DayResult, NoContactNow, StepNotInTurn, run_step
from schedulers.ports import Run
from tests.messages.conftest import Shop

DUE = date(2026, 3, 11)


def again(shop: Shop, step: Step, on: date | None = None, **options: object) -> DayResult:
    lease = shop.books.clock.acquire("test")
    try:
        run = Run(shop.tenant_id, on or shop.today, lease)
        return run_step(shop.books.clock, run, step, today=shop.today, **options)  # type: ignore[arg-type]
    finally:
        shop.books.clock.release(lease)


def test_dunning_again_contacts_only_whom_it_has_not(shop: Shop) -> None:
    shop.activate()
    shop.invoice(shop.customer("Ann"), DUE)
    shop.nights(DUE)
    before = shop.told()
    late = shop.customer("Bob", "bob@example.com")
    shop.invoice(late, DUE)
    result = again(shop, "dunning")
    assert (result.ran, result.closed, result.steps["dunning"].posted) == (True, True, 3)
    assert len(shop.told()) == len(before) + 1
    assert shop.messages()[-1][1].customer_id == late
    assert again(shop, "dunning").steps["dunning"].posted == 0
    completed = [
        one
        for one in shop.events("business_day.step_completed.v1")
        if one.effective_on == DUE and b'"dunning"' in bytes(one.data)
    ]
    assert len(completed) == 1


def test_a_second_contact_on_a_day_is_a_message_of_its_own(shop: Shop) -> None:
    plan = SavePlan(DEFAULT_KEY, "Twice", (PlanStep("due", 0),), caps=Caps(2, 4, 0))
    shop.ask(lambda unit: save_plan(unit, plan))
    shop.activate()
    ann = shop.customer("Ann")
    shop.invoice(ann, DUE)
    shop.nights(DUE)
    shop.invoice(ann, DUE)
    assert again(shop, "dunning").steps["dunning"].posted == 3
    assert [one[0] for one in shop.told()] == [DUE, DUE]
    shop.invoice(ann, DUE)
    assert again(shop, "dunning").steps["dunning"].posted == 0


@pytest.mark.parametrize("step", ["overdue", "mora"])
def test_charges_again_charge_nothing_twice(shop: Shop, step: Step) -> None:
    from commands.fee_policies import AddFeePolicy, add_fee_policy

    policy = AddFeePolicy(late_fee="2%", mora="1%/month")
    shop.ask(lambda unit: add_fee_policy(unit, policy))
    invoice_id = shop.invoice(shop.customer(), DUE)
    shop.nights(DUE + timedelta(days=5))
    open_before = shop.state("invoice", invoice_id).open
    assert open_before.total > 100_00
    for back in (0, 1, 3):
        assert again(shop, step, shop.today - timedelta(days=back)).steps[step].posted == 0
    assert shop.state("invoice", invoice_id).open == open_before


def test_a_step_that_was_killed_goes_on(shop: Shop) -> None:
    shop.activate()
    shop.invoice(shop.customer("Ann"), DUE)
    shop.nights(DUE)
    shop.invoice(shop.customer("Bob", "bob@example.com"), DUE)

    def kill(point: str) -> None:
        if point.startswith("before a chunk"):
            raise RuntimeError(point)

    with pytest.raises(RuntimeError):
        again(shop, "dunning", pause=kill)
    assert again(shop, "dunning").steps["dunning"].posted == 3
    assert len([one for one in shop.told() if one[0] == DUE]) == 2


def test_a_step_is_run_after_the_one_before_it(shop: Shop) -> None:
    shop.today += timedelta(days=1)
    with pytest.raises(StepNotInTurn, match="overdue"):
        again(shop, "mora")
    assert again(shop, "overdue").closed is False
    again(shop, "mora")
    shop.activate()
    again(shop, "dunning")
    assert shop.night().closed


def test_nobody_is_contacted_by_hand_when_nobody_may_be(shop: Shop) -> None:
    shop.nights(DUE)
    with pytest.raises(NoContactNow, match="no dunning plan is active"):
        again(shop, "dunning")
    shop.activate()
    with pytest.raises(NoContactNow, match="today alone"):
        again(shop, "dunning", DUE - timedelta(days=1))
    with pytest.raises(NoContactNow, match="hour"):
        again(shop, "dunning", may_begin=lambda step: step != "dunning")
    held = shop.invoice(shop.customer(), DUE)
    shop.ask(lambda unit: hold_invoice(unit, held, HoldInvoice("asked")))
    again(shop, "dunning")
    assert shop.messages() == []
