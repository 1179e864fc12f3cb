"""The read models, in the order in which `duebook projections list` names them."""

from ledger.errors import NotFound
from projections.agreements.fold import AGREEMENTS
from projections.business_days.fold import BUSINESS_DAYS
from projections.collection.fold import ACTIVITIES
from projections.credit_notes.fold import CREDIT_NOTES
from projections.customers.fold import CUSTOMERS
from projections.dunning_plans.fold import DUNNING_PLANS
from projections.engine.projection import Projection
from projections.invoices.fold import INVOICES
from projections.journal.fold import JOURNAL
from projections.messages.fold import MESSAGES
from projections.payments.fold import PAYMENTS
from projections.refunds.fold import REFUNDS
from projections.senders.fold import SENDERS
from projections.tasks.fold import TASKS

CATALOG: tuple[Projection, ...] = (
    INVOICES,
    CUSTOMERS,
    PAYMENTS,
    REFUNDS,
    CREDIT_NOTES,
    AGREEMENTS,
    BUSINESS_DAYS,
    DUNNING_PLANS,
    MESSAGES,
    SENDERS,
    TASKS,
    ACTIVITIES,
    JOURNAL,
)


class UnknownProjection(NotFound):
    """There is no read model of that name."""


def projection_named(name: str) -> Projection:
    """Raises UnknownProjection."""
    for projection in CATALOG:
        if projection.name == name:
            return projection
    names = ", ".join(projection.name for projection in CATALOG)
    raise UnknownProjection(f"there is no projection {name!r}; there are {names}")
