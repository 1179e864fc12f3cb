"""Which plan a debt follows, and why."""

from datetime import date
from uuid import UUID

import msgspec
import pytest

from ledger.customer import Customer, Person, Registered
from ledger.customer import evolve as evolve_customer
from ledger.dunning.choice import Plans, reason_for
from ledger.dunning.plan import SHIPPED, Created, DunningPlan, PlanRules, Step
from ledger.dunning.plan import evolve as evolve_plan
from ledger.invoice.events import DunningPlanChosen
from ledger.invoice.evolve import evolve as evolve_invoice
from ledger.invoice.state import Invoice
from ledger.tenant import Settings, TagPlan, Tenant
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


def customer(*tags: str, plan: str = "") -> Customer:
    registered = Registered(person=Person(), tags=tags, dunning_plan=plan)
    return evolve_customer(None, registered, OPENED)


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
    assert reason_for(TENANT, who, chosen(INVOICE, own) if own else INVOICE) == expected


def plan(key: str) -> DunningPlan:
    rules = PlanRules(key.title(), (Step("d1", 1, template="soft"),))
    return evolve_plan(None, Created(key, rules), OPENED)


def test_plans_of_a_tenant() -> None:
    known = Plans(TENANT, {key: plan(key) for key in ("usual", "gentle", "firm")})
    assert known.of(customer("vip"), INVOICE).plan.key == "gentle"
    assert known.of(customer(), INVOICE) is known.of(customer(), INVOICE)
    assert known.templates == {"soft"}
    assert not known.is_any_active
    assert not known.is_active("usual")
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
