"""Which plan a debt follows, and why: the invoice's own, its customer's, one for a tag of the customer, or the
tenant's."""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from msgspec.structs import replace

from ledger.customer import Customer
from ledger.dunning.contact_days import ContactDays
from ledger.dunning.plan import DEFAULT_KEY, SHIPPED_PLAN, ChosenBy, DunningPlan
from ledger.invoice.state import Invoice
from ledger.tenant import Settings, Tenant


class Choice(NamedTuple):
    """The plan that a debt follows.

    days       the days on which the plan contacts customers
    chosen_by  what names the plan
    tag        the customer's tag, where that is what names it
    """

    plan: DunningPlan
    days: ContactDays
    chosen_by: ChosenBy = "default"
    tag: str = ""


class Reason(NamedTuple):
    """The key of the plan that a debt follows, and why it does."""

    plan: str
    chosen_by: ChosenBy
    tag: str = ""


def reason_for(tenant: Tenant, customer: Customer, invoice: Invoice) -> Reason:
    """The plan of the invoice comes before that of the customer, that before the first of the tenant's rules whose tag
    the customer has, and that before the tenant's plan."""
    if invoice.dunning_plan:
        return Reason(invoice.dunning_plan, "invoice")
    if customer.dunning_plan:
        return Reason(customer.dunning_plan, "customer")
    if customer.tags:
        for rule in tenant.settings.dunning_plans_by_tag:
            if rule.tag in customer.tags:
                return Reason(rule.plan, "tag", rule.tag)
    return Reason(tenant.settings.dunning_plan, "default")


class Plans:
    """The dunning plans of a tenant, and which of them a debt follows. What was found is kept for the debts that
    follow.

    stored  the plans that were saved or activated, by their keys
    """

    def __init__(self, tenant: Tenant, stored: Mapping[str, DunningPlan]) -> None:
        self._tenant = tenant
        self._stored = {DEFAULT_KEY: SHIPPED_PLAN, **stored}
        self._choices: dict[Reason, Choice] = {}
        self._only: Choice | None = None

    @property
    def settings(self) -> Settings:
        """The settings of the tenant."""
        return self._tenant.settings

    @property
    def all(self) -> list[DunningPlan]:
        """Every plan that a debt may follow."""
        if self._only is not None:
            return [self._only.plan]
        return list(self._stored.values())

    @property
    def is_any_active(self) -> bool:
        """Whether anybody is contacted by any plan."""
        return any(plan.active_from is not None for plan in self.all)

    def is_active(self, key: str) -> bool:
        """Whether customers are contacted by a plan."""
        return any(plan.key == key and plan.active_from is not None for plan in self.all)

    @property
    def templates(self) -> set[str]:
        """The keys of the templates that write the plans' messages."""
        return {step.template for plan in self.all for step in plan.rules.steps if step.template}

    def of(self, customer: Customer, invoice: Invoice) -> Choice:
        """The plan that a debt follows."""
        if self._only is not None:
            return self._only
        reason = reason_for(self._tenant, customer, invoice)
        found = self._choices.get(reason)
        if found is None:
            plan = self._stored[reason.plan]
            days = ContactDays(plan.rules, self.settings.business_days)
            found = Choice(plan, days, reason.chosen_by, reason.tag)
            self._choices[reason] = found
        return found

    def only(self, plan: DunningPlan) -> "Plans":
        """As if every debt followed one plan."""
        found = Plans(self._tenant, {plan.key: plan})
        found._only = Choice(plan, ContactDays(plan.rules, self.settings.business_days))
        return found

    def active_from(self, day: date, *, always: bool) -> "Plans":
        """As if each plan were active from a day on: the inactive ones, or all of them (`always`)."""

        def active(plan: DunningPlan) -> DunningPlan:
            if plan.active_from is not None and not always:
                return plan
            return replace(plan, active_from=day)

        if self._only is not None:
            return self.only(active(self._only.plan))
        return Plans(self._tenant, {key: active(plan) for key, plan in self._stored.items()})
