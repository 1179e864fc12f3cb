"""Plans chosen by invoice, customer and tag, played by real nights: what is queued, what the events say, what is
listed."""

from datetime import date, timedelta
from uuid import UUID

from adapters.store.debtors import open_cases, sent_cases
from commands.customers import ChangeCustomer, ChangeTracking, change_customer, change_tracking
from commands.dunning_plans import SavePlan, deactivate_plan, save_plan
from commands.invoices import ChooseDunningPlan, choose_dunning_plan
from commands.message_reports import message_opened
from commands.messages import begin_sending, message_sent
from commands.tenants import ConfigureTenant, configure_tenant
from commands.unit_of_work import Unit
from ledger.dunning.plan import Caps, Step
from ledger.invoice.events import DunningStepTaken
from ledger.tenant import TagPlan
from schedulers.preview import PreviewItem, preview, simulate
from tests.messages.conftest import Shop

DUE = date(2026, 3, 4)
DAY = timedelta(days=1)
OFTEN = Caps(9, 60, 0)


def add_plan(shop: Shop, key: str, *steps: Step, **rules: str) -> None:
    plan = SavePlan(key, key.title(), steps, "none", caps=OFTEN, **rules)  # type: ignore[arg-type]
    shop.ask(lambda unit: save_plan(unit, plan))
    shop.activate(key)


def choose(shop: Shop, invoice_id: UUID, key: str) -> None:
    shop.ask(lambda unit: choose_dunning_plan(unit, invoice_id, ChooseDunningPlan(key)))


def change(shop: Shop, customer_id: UUID, **fields: object) -> None:
    changes = ChangeCustomer(**fields)  # type: ignore[arg-type]
    shop.ask(lambda unit: change_customer(unit, customer_id, changes))


def steps_of(shop: Shop, invoice_id: UUID) -> list[tuple[str, str, str, str]]:
    """(plan, step, what named the plan, tag) of each step that an invoice took."""
    found = [
        one.event
        for one in shop.events("invoice.dunning_step_taken.v1")
        if one.stream_id == invoice_id
    ]
    return [
        (event.plan, event.step, event.chosen_by, event.tag)
        for event in found
        if isinstance(event, DunningStepTaken)
    ]


def listed(shop: Shop, message_id: UUID) -> list[str]:
    """The invoices that a message lists, by their numbers."""
    found: list[str] = []

    def look(unit: Unit) -> object:
        begun = begin_sending(unit, message_id, "test", recognises_repeats=True)
        assert begun.letter is not None
        found.extend(one.number for one in begun.letter.invoices)
        return message_sent(unit, message_id, begun.attempt, "taken", "00")

    shop.ask(look)
    return found


def foreseen(shop: Shop, day: date) -> list[PreviewItem]:
    cases = open_cases(shop.books.database.writer, shop.tenant_id)
    return list(preview(cases, shop.books.clock.dunning_plans(shop.tenant_id), day, shop.today))


def test_each_debt_follows_the_plan_that_is_closest_to_it(shop: Shop) -> None:
    for key in ("default", "tagged", "own", "special"):
        add_plan(shop, key, Step(f"{key}-1", 1))
    rules = ConfigureTenant(dunning_plans_by_tag=(TagPlan("vip", "tagged"),))
    shop.ask(lambda unit: configure_tenant(unit, rules))
    ann, bob, cid = (shop.customer(name) for name in ("Ann", "Bob", "Cid"))
    change(shop, bob, tags=("vip",))
    change(shop, cid, tags=("vip",), dunning_plan="own")
    of_ann, of_bob, of_cid, special = (shop.invoice(one, DUE) for one in (ann, bob, cid, cid))
    choose(shop, special, "special")
    shop.nights(DUE)
    expected = {of_ann: "default", of_bob: "tag", of_cid: "customer", special: "invoice"}
    items = foreseen(shop, DUE + DAY)
    assert {one.invoice_ids[0]: one.chosen_by for one in items} == expected
    assert {one.tag for one in items} == {None, "vip"}
    shop.nights(DUE + DAY)
    assert steps_of(shop, of_ann) == [("default", "default-1", "default", "")]
    assert steps_of(shop, of_bob) == [("tagged", "tagged-1", "tag", "vip")]
    assert steps_of(shop, of_cid) == [("own", "own-1", "customer", "")]
    assert steps_of(shop, special) == [("special", "special-1", "invoice", "")]
    # Two messages of one day and currency to one customer, each about the debts of its own plan.
    found = [(one_id, one) for one_id, one in shop.messages() if one.customer_id == cid]
    assert sorted(one.plan for _, one in found) == ["own", "special"]
    for message_id, message in found:
        (invoice_id,) = message.invoice_ids
        assert listed(shop, message_id) == [shop.state("invoice", invoice_id).number]


def test_a_debt_keeps_its_stage_when_it_moves_to_another_plan(shop: Shop) -> None:
    add_plan(shop, "default", Step("a1", 1), Step("a9", 9))
    add_plan(shop, "gentle", Step("g2", 2), Step("g4", 4), Step("g9", 9))
    moved = shop.invoice(shop.customer(), DUE)
    shop.nights(DUE + 3 * DAY)
    choose(shop, moved, "gentle")
    shop.nights(DUE + 12 * DAY)
    assert [(plan, step) for plan, step, *_ in steps_of(shop, moved)] == [
        ("default", "a1"),
        ("gentle", "g4"),
        ("gentle", "g9"),
    ]
    # Back in the first plan, no step that it took there is taken again.
    choose(shop, moved, "")
    shop.nights(DUE + 30 * DAY)
    assert len(steps_of(shop, moved)) == 3


def test_what_is_said_about_other_debts_loses_no_step(shop: Shop) -> None:
    """A step that waits for the limits of contact is taken after them, whatever rules and names have changed since."""
    add_plan(shop, "other", Step("o1", 1))
    gap = Caps(9, 60, 3)
    waiting = SavePlan("default", "Default", (Step("a1", 1), Step("a2", 2)), "none", caps=gap)
    shop.ask(lambda unit: save_plan(unit, waiting))
    shop.activate()
    ann = shop.customer()
    invoice_id = shop.invoice(ann, DUE)
    shop.nights(DUE + 2 * DAY)
    rules = ConfigureTenant(dunning_plans_by_tag=(TagPlan("vip", "other"),))
    shop.ask(lambda unit: configure_tenant(unit, rules))
    change(shop, ann, tags=("new",))
    change(shop, ann, dunning_plan="default")
    choose(shop, invoice_id, "default")
    change(shop, ann, dunning_plan="")
    shop.nights(DUE + 5 * DAY)
    assert [(day, step) for day, step, _ in shop.told()] == [
        (DUE + DAY, "a1"),
        (DUE + 4 * DAY, "a2"),
    ]


def test_nobody_hears_a_stage_twice_by_a_tag_that_is_taken_away(shop: Shop) -> None:
    add_plan(shop, "default", Step("h5", 5), Step("h7", 7), Step("h15", 15))
    add_plan(shop, "soft", Step("s7", 7), Step("s30", 30))
    rules = ConfigureTenant(dunning_plans_by_tag=(TagPlan("vip", "soft"),))
    shop.ask(lambda unit: configure_tenant(unit, rules))
    ann = shop.customer()
    change(shop, ann, tags=("vip",))
    shop.invoice(ann, DUE)
    shop.nights(DUE + 8 * DAY)
    change(shop, ann, tags=())
    shop.nights(DUE + 20 * DAY)
    assert [step for _, step, _ in shop.told()] == ["s7", "h15"]


def test_a_simulation_of_the_past_is_what_the_nights_did(shop: Shop) -> None:
    add_plan(shop, "default", Step("a1", 1), Step("a5", 5))
    add_plan(shop, "own", Step("b2", 2), Step("b6", 6))
    ann, bob = shop.customer("Ann"), shop.customer("Bob")
    change(shop, bob, dunning_plan="own")
    for one in (ann, bob):
        shop.invoice(one, DUE)
    shop.nights(DUE + 10 * DAY)
    shop.books.projections.catch_up()
    plans = shop.books.clock.dunning_plans(shop.tenant_id)
    cases = sent_cases(shop.books.database.writer, shop.tenant_id)
    items = simulate(cases, plans, DUE - DAY, DUE + 10 * DAY)
    played = sorted((one.date, one.step) for one in items if one.kind == "message")
    assert played == sorted((day, step) for day, step, _ in shop.told())


def test_a_message_that_waits_is_not_sent_when_its_plan_contacts_nobody(shop: Shop) -> None:
    add_plan(shop, "default", Step("a1", 1))
    add_plan(shop, "none", Step("n1", 1))
    shop.ask(lambda unit: deactivate_plan(unit, "none"))
    for name in ("Ann", "Bob"):
        shop.invoice(shop.customer(name, f"{name.lower()}@example.com"), DUE)
    shop.nights(DUE + DAY)
    (first, second) = (one for _, one in shop.messages())
    choose(shop, first.invoice_ids[0], "none")
    assert (shop.send().taken, shop.send().ended) == (1, 0)
    states = {one.invoice_ids: (one.state, one.reason) for _, one in shop.messages()}
    assert states[first.invoice_ids] == ("cancelled", "kept_back")
    assert states[second.invoice_ids][0] == "sent"


def test_a_debt_whose_plan_rests_is_left_alone_and_the_preview_says_so(shop: Shop) -> None:
    add_plan(shop, "default", Step("a1", 1))
    add_plan(shop, "none", Step("n1", 1))
    shop.ask(lambda unit: deactivate_plan(unit, "none"))
    ann = shop.customer()
    first, resting = shop.invoice(ann, DUE), shop.invoice(ann, DUE)
    choose(shop, resting, "none")
    shop.nights(DUE)
    skipped = [one for one in foreseen(shop, DUE + DAY) if one.kind == "skip"]
    assert [(one.invoice_ids, one.reason, one.plan) for one in skipped] == [
        ((resting,), "plan_inactive", "none")
    ]
    shop.nights(DUE + DAY)
    ((message_id, message),) = shop.messages()
    assert message.invoice_ids == (first,)
    assert listed(shop, message_id) == [shop.state("invoice", first).number]


def test_a_step_waits_for_whether_the_last_reminder_was_opened(shop: Shop) -> None:
    add_plan(
        shop,
        "default",
        Step("first", 1),
        Step("again", 3, opened=False),
        Step("call", 5, opened=True),
    )
    ann, bob = shop.customer("Ann"), shop.customer("Bob")
    consent = ChangeTracking(True, "asked")
    for one in (ann, bob):
        shop.ask(lambda unit, one=one: change_tracking(unit, one, consent))
    opened, closed = shop.invoice(ann, DUE), shop.invoice(bob, DUE)
    shop.nights(DUE + DAY)
    shop.send()
    (message_id,) = (one_id for one_id, one in shop.messages() if one.customer_id == ann)
    for _ in range(2):
        shop.ask(lambda unit: message_opened(unit, message_id))
    assert len(list(shop.events("collection.opened.v1"))) == 1
    shop.nights(DUE + 8 * DAY)
    assert [step for _, step, *_ in steps_of(shop, opened)] == ["first", "call"]
    assert [step for _, step, *_ in steps_of(shop, closed)] == ["first", "again"]
