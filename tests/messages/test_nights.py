"""Nights that contact customers, over real PostgreSQL: each step once, whatever is repeated, missed or moved."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from adapters.store.debtors import open_cases
from adapters.wiring import Books
from commands.customers import ChangeConsent, opt_out
from commands.dunning_plans import CreditorMissing, SavePlan, deactivate_plan, save_plan
from commands.holds import (
    DisputeInvoice,
    HoldInvoice,
    PromiseToPay,
    ReleaseInvoice,
    ResolveDispute,
    dispute_invoice,
    hold_invoice,
    promise_to_pay,
    release_invoice,
    resolve_dispute,
)
from commands.invoices import CloseInvoice, void_invoice
from commands.tenants import ConfigureTenant, configure_tenant
from ledger.business_day import Tally
from ledger.dunning.plan import Caps, Step
from schedulers import chunks
from schedulers.business_day_steps import contacts_may_begin
from schedulers.catch_up import tick
from schedulers.preview import preview
from tests.messages.conftest import STARTS_ON, Shop

DUE = date(2026, 3, 11)  # a Wednesday


def on(offset: int) -> date:
    return DUE + timedelta(days=offset)


def test_nobody_is_contacted_before_a_plan_is_active(shop: Shop) -> None:
    shop.invoice(shop.customer(), DUE)
    shop.nights(on(20))
    assert shop.messages() == []
    assert "dunning" not in shop.night().steps


def test_each_step_is_taken_once_on_its_day(shop: Shop) -> None:
    shop.activate()
    invoice_id = shop.invoice(shop.customer(), DUE)
    shop.nights(on(30))
    # Three days before is a Sunday and moves to Monday; three after is a Saturday; fifteen after is a Thursday.
    assert [(day, step) for day, step, _ in shop.told()] == [
        (on(-2), "before"),
        (on(0), "due"),
        (on(5), "d3"),
        (on(7), "d7"),
        (on(15), "d15"),
    ]
    taken = [one.event for one in shop.events("invoice.dunning_step_taken.v1")]
    assert [one.step for one in taken] == ["before", "due", "d3", "d7", "d15"]  # type: ignore[attr-defined]
    assert shop.state("invoice", invoice_id).dunned[-1].step == "d15"


def test_a_night_that_is_run_again_contacts_nobody_twice(shop: Shop) -> None:
    shop.activate()
    shop.invoice(shop.customer(), DUE)
    shop.nights(on(0))
    before = shop.told()
    assert shop.night().ran is False
    assert shop.told() == before


@pytest.mark.parametrize("point", ["before dunning", "before a chunk of dunning", "before closing"])
def test_a_night_that_was_killed_goes_on(shop: Shop, point: str) -> None:
    shop.activate()
    shop.invoice(shop.customer(), DUE)
    shop.nights(on(-1))

    class Killed(Exception):
        pass

    def kill(reached: str) -> None:
        if reached == point:
            raise Killed

    shop.today = on(0)
    with pytest.raises(Killed):
        shop.night(pause=kill)
    shop.night()
    assert [(day, step) for day, step, _ in shop.told()] == [(on(-2), "before"), (on(0), "due")]


def test_missed_nights_collapse_into_the_highest_step(shop: Shop) -> None:
    shop.activate()
    shop.invoice(shop.customer(), DUE)
    shop.nights(on(-4))
    shop.today = on(8)
    for day in range(-3, 9):
        shop.night(on(day))
    assert [(day, step) for day, step, _ in shop.told()] == [(on(8), "d7")]
    (taken,) = [one.event for one in shop.events("invoice.dunning_step_taken.v1")]
    assert [(one.step, one.reason) for one in taken.passed] == [  # type: ignore[attr-defined]
        ("before", "collapsed"),
        ("due", "collapsed"),
        ("d3", "collapsed"),
    ]


def test_one_message_for_all_debts_of_a_customer(shop: Shop) -> None:
    shop.activate()
    ann, bob = shop.customer(), shop.customer("Bob", "bob@example.com")
    first, second = shop.invoice(ann, DUE), shop.invoice(ann, on(-7), "50.00")
    other = shop.invoice(bob, DUE)
    shop.nights(on(-1))
    shop.today = on(0)
    shop.night()
    todays = {one.customer_id: one for _, one in shop.messages() if one.business_date == on(0)}
    assert set(todays[ann].invoice_ids) == {first, second}
    assert (todays[ann].step, todays[ann].amount_minor) == ("d7", 150_00)
    assert (todays[bob].invoice_ids, todays[bob].step) == ((other,), "due")


@pytest.mark.parametrize("first", [1, 2, 3])
def test_customers_are_whole_in_every_chunk(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    for name in ("FEWEST", "FIRST", "MOST"):
        monkeypatch.setattr(chunks, name, first)
    shop.activate()
    customers = [shop.customer(f"C{n}", f"c{n}@example.com") for n in range(4)]
    for customer_id in customers:
        for _ in range(3):
            shop.invoice(customer_id, DUE)
    shop.today = on(0)
    result = shop.night()
    assert result.steps["dunning"] == Tally(looked_at=4, posted=4 * 5)
    assert sorted(one.customer_id for _, one in shop.messages()) == sorted(customers)
    assert all(len(one.invoice_ids) == 3 for _, one in shop.messages())


def test_what_ends_dunning(shop: Shop) -> None:
    shop.activate()
    paid, void, opted = (shop.customer(f"C{n}", f"c{n}@example.com") for n in range(3))
    first, second = shop.invoice(paid, DUE), shop.invoice(void, DUE)
    shop.invoice(opted, DUE)
    shop.nights(on(0))
    assert len(shop.messages()) == 6
    shop.pay(first, "100.00")
    shop.ask(lambda unit: void_invoice(unit, second, CloseInvoice("a mistake")))
    shop.ask(lambda unit: opt_out(unit, opted, ChangeConsent("email")))
    shop.nights(on(20))
    assert len(shop.messages()) == 6


def test_what_keeps_dunning_back_lets_it_go_on(shop: Shop) -> None:
    """A debt that comes back begins with the next step that comes; the one of the day itself is still taken."""
    shop.activate()
    held, disputed, promised = (
        shop.invoice(shop.customer(f"C{n}", f"c{n}@example.com"), DUE) for n in range(3)
    )
    shop.today = on(-3)
    shop.ask(lambda unit: hold_invoice(unit, held, HoldInvoice("asked")))
    shop.ask(lambda unit: dispute_invoice(unit, disputed, DisputeInvoice("wrong")))
    shop.ask(lambda unit: promise_to_pay(unit, promised, PromiseToPay(on(5))))
    shop.nights(on(6))
    assert shop.messages() == []
    shop.ask(lambda unit: release_invoice(unit, held, ReleaseInvoice("done")))
    shop.ask(lambda unit: resolve_dispute(unit, disputed, ResolveDispute("rejected")))
    shop.nights(on(7))
    assert sorted(step for _, step, _ in shop.told()) == ["d7", "d7", "d7"]


def test_an_edited_plan_repeats_no_step(shop: Shop) -> None:
    shop.activate()
    shop.invoice(shop.customer(), DUE)
    shop.nights(on(5))
    edited = SavePlan("default", "Edited", (Step("d3", 3), Step("new", 4), Step("d9", 9)))
    shop.ask(lambda unit: save_plan(unit, edited))
    shop.nights(on(20))
    assert [step for _, step, _ in shop.told()] == ["before", "due", "d3", "new", "d9"]
    assert [one.plan_version for _, one in shop.messages()] == [1, 1, 1, 2, 2]


def test_a_plan_that_is_deactivated_contacts_nobody(shop: Shop) -> None:
    shop.activate()
    shop.invoice(shop.customer(), DUE)
    shop.nights(on(0))
    shop.ask(lambda unit: deactivate_plan(unit, "default"))
    shop.nights(on(20))
    assert len(shop.messages()) == 2


def test_another_plan_is_followed_where_the_tenant_says_so(shop: Shop) -> None:
    soft = SavePlan("soft", "Soft", (Step("d10", 10),), caps=Caps(week=1))
    shop.ask(lambda unit: save_plan(unit, soft))
    shop.ask(lambda unit: configure_tenant(unit, ConfigureTenant(dunning_plan="soft")))
    shop.activate("soft")
    shop.activate()
    shop.invoice(shop.customer(), DUE)
    shop.nights(on(20))
    assert [(day, step) for day, step, _ in shop.told()] == [(on(12), "d10")]


def test_in_brazil_a_plan_needs_the_creditor(books: Books, tmp_path: Path) -> None:
    loja = Shop(books, tmp_path, UUID(int=6)).open("Loja", "BRL")
    with pytest.raises(CreditorMissing, match="creditor_name"):
        loja.activate()
    said = ConfigureTenant(
        creditor_name="Loja Ltda", creditor_address="Rua A, 1", creditor_tax_number="1"
    )
    loja.ask(lambda unit: configure_tenant(unit, said))
    loja.activate()
    (plan,) = loja.books.clock.dunning_plans(loja.tenant_id).all
    assert plan.active_from == STARTS_ON


def test_a_tenants_night_is_its_own(shop: Shop, books: Books, tmp_path: Path) -> None:
    other = Shop(books, tmp_path, UUID(int=6)).open("Other")
    for one in (shop, other):
        one.activate()
        one.invoice(one.customer(), DUE)
    shop.nights(on(0))
    assert len(shop.messages()) == 2
    assert other.messages() == []


def test_a_command_in_between_is_not_overwritten(shop: Shop) -> None:
    """The chunk that was read is stale once a payment has moved an invoice: it is decided again under the lock."""
    shop.activate()
    paid, left = (shop.invoice(shop.customer(f"C{n}", f"c{n}@example.com"), DUE) for n in range(2))
    shop.nights(on(-1))
    shop.today = on(0)

    def pay(reached: str) -> None:
        if reached == "before a chunk of dunning":
            shop.pay(paid, "100.00")

    shop.night(pause=pay)
    todays = [one for _, one in shop.messages() if one.business_date == on(0)]
    assert [one.invoice_ids for one in todays] == [(left,)]


def test_customers_are_not_contacted_before_six(shop: Shop) -> None:
    """By the clock and by hand: the day waits, charged and open, and goes on at six."""
    shop.activate()
    shop.invoice(shop.customer(), DUE)
    shop.nights(on(-1))
    shop.today = on(0)
    settings = shop.books.clock.settings(shop.tenant_id)
    for hour, expected in ((3, 0), (5, 0), (6, 1)):
        now = datetime.combine(on(0), time(hour), tzinfo=UTC)
        result = shop.night(may_begin=contacts_may_begin(settings, on(0), now))
        assert (result.closed, result.ran) == (expected == 1, expected == 1)
        assert set(result.steps) >= {"overdue", "mora"}
        assert sum(day == on(0) for day, _, _ in shop.told()) == expected


def test_the_clock_charges_at_five_and_contacts_at_six(shop: Shop) -> None:
    shop.activate()
    shop.invoice(shop.customer(), DUE)
    shop.nights(on(-1))
    clock = shop.books.clock
    five, six = (datetime.combine(on(0), time(hour), tzinfo=UTC) for hour in (5, 6))
    assert tick(clock, "here", five) == 0
    assert clock.business_day(shop.tenant_id, on(0)).status == "open"
    assert [day for day, _, _ in shop.told()] == [on(-2)]
    assert tick(clock, "here", six) == 1
    assert [day for day, _, _ in shop.told()] == [on(-2), on(0)]
    assert tick(clock, "here", six) == 0


def test_a_preview_is_what_the_night_then_does_and_of_a_past_day_nothing(shop: Shop) -> None:
    shop.activate()
    for n in range(3):
        shop.invoice(shop.customer(f"C{n}", f"c{n}@example.com"), on(n))
    shop.nights(on(-1))

    def previewed(day: date) -> list[tuple[str | None, tuple[UUID, ...]]]:
        clock = shop.books.clock
        items = preview(
            open_cases(shop.books.database.writer, shop.tenant_id),
            clock.dunning_plans(shop.tenant_id),
            day,
            shop.today,
        )
        return sorted((one.step, one.invoice_ids) for one in items if one.kind == "message")

    foreseen = previewed(on(0))
    assert foreseen != []
    shop.nights(on(0))
    todays = [one for _, one in shop.messages() if one.business_date == on(0)]
    assert sorted((one.step, one.invoice_ids) for one in todays) == foreseen
    shop.today = on(3)
    assert previewed(on(2)) == []
    assert previewed(on(5)) != []
