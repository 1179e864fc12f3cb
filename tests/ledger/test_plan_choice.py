"""Which plan a debt follows, and why."""

from datetime import date
from uuid import UUID

import msgspec
import pytest

from ledger.customer import Changed, Customer, Person, Registered
from ledger.customer import evolve as evolve_customer
from ledger.dunning.choice import Plans, reason_for
from ledger.dunning.plan import SHIPPED, Created, DunningPlan, PlanRules, Step
from ledger.dunning.plan import evolve as evolve_plan
from ledger.invoice.events import DunningPlanChosen
from ledger.invoice.evolve import evolve as evolve_invoice
from ledger.invoice.state import Invoice
from ledger.tenant import Configured, Settings, TagPlan, Tenant
from ledger.tenant import Created as TenantCreated
from ledger.tenant import evolve as evolve_tenant
from ledger.waterfall import Split

OPENED, LATER = date(2026, 1, 5), date(2026, 3, 2)
SETTINGS = Settings(
    "EUR",
    "Etc/UTC",
    dunning_plan="usual",
    dunning_plans_by_tag=(TagPlan("vip", "gentle"), TagPlan("court", "firm")),
)
TENANT = Tenant("Acme", SETTINGS)
INVOICE = Invoice(
    UUID(int=1), "EUR", "open", LATER, 100_00, 0, 100_00, msgspec.Raw(b""), "", open=Split(100_00)
)


def customer(*tags: str, plan: str = "", on: date = OPENED) -> Customer:
    return evolve_customer(None, Registered(person=Person(), tags=tags, dunning_plan=plan), on)


def chosen(invoice: Invoice, plan: str) -> Invoice:
    return evolve_invoice(invoice, DunningPlanChosen(plan), LATER)


@pytest.mark.parametrize(
    ("who", "own", "expected"),
    [
        (customer(), "", ("usual", "default", "")),
        (customer("new"), "", ("usual", "default", "")),
        (customer("court"), "", ("firm", "tag", "court")),
        (customer("court", "vip"), "", ("gentle", "tag", "vip")),
        (customer("vip", plan="own"), "", ("own", "customer", "")),
        (customer("vip", plan="own"), "special", ("special", "invoice", "")),
    ],
)
def test_the_closest_to_the_debt_names_its_plan(
    who: Customer, own: str, expected: tuple[str, str, str]
) -> None:
    assert reason_for(TENANT, who, chosen(INVOICE, own) if own else INVOICE)[:3] == expected


def test_a_debt_follows_a_plan_since_that_was_said() -> None:
    tenant = evolve_tenant(None, TenantCreated("Acme", SETTINGS), OPENED)
    assert reason_for(tenant, customer(), INVOICE).since is None
    assert reason_for(tenant, customer("vip", on=LATER), INVOICE).since == LATER
    other = msgspec.structs.replace(SETTINGS, dunning_plan="other")
    tenant = evolve_tenant(tenant, Configured(other), LATER)
    assert reason_for(tenant, customer(), INVOICE).since == LATER
    tenant = evolve_tenant(tenant, Configured(msgspec.structs.replace(other, series="X")), date.max)
    assert reason_for(tenant, customer(), INVOICE).since == LATER

    ann = evolve_customer(customer(), Changed(dunning_plan="own", tags=("vip",)), LATER)
    assert reason_for(TENANT, ann, INVOICE).since == LATER
    again = evolve_customer(ann, Changed(dunning_plan="own", tags=("old", "vip")), date.max)
    assert [(one.tag, one.on) for one in again.tags] == [("old", date.max), ("vip", LATER)]
    assert reason_for(TENANT, again, INVOICE).since == LATER
    without = evolve_customer(ann, Changed(), date.max)
    assert reason_for(TENANT, without, INVOICE) == ("usual", "default", "", date.max)


def test_an_invoice_enters_the_plan_that_is_chosen_for_it() -> None:
    sent = msgspec.structs.replace(INVOICE, dunning_from=OPENED)
    assert chosen(sent, "firm").dunning_from == LATER
    assert chosen(INVOICE, "firm").dunning_from is None


def plan(key: str) -> DunningPlan:
    rules = PlanRules(key.title(), (Step("d1", 1, template="soft"),))
    return evolve_plan(None, Created(key, rules), OPENED)


def test_plans_of_a_tenant() -> None:
    known = Plans(TENANT, {key: plan(key) for key in ("usual", "gentle", "firm")})
    assert known.of(customer("vip"), INVOICE).plan.key == "gentle"
    assert known.of(customer(), INVOICE) is known.of(customer(), INVOICE)
    assert known.templates == {"soft"}
    assert not known.is_any_active
    active = known.active_from(LATER, always=False)
    assert active.is_any_active
    assert active.of(customer(), INVOICE).plan.active_from == LATER
    later = active.active_from(date.max, always=False)
    assert later.of(customer(), INVOICE).plan.active_from == LATER
    assert (
        active.active_from(date.max, always=True).of(customer(), INVOICE).plan.active_from
        == date.max
    )
    one = known.only(plan("firm")).active_from(LATER, always=True)
    assert one.of(customer("vip", plan="gentle"), INVOICE).plan.key == "firm"
    assert [found.key for found in one.all] == ["firm"]
    assert (
        Plans(Tenant("New", Settings("EUR", "Etc/UTC")), {}).of(customer(), INVOICE).plan.rules
        == SHIPPED
    )
