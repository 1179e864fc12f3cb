"""The read models, in the order in which `duebook projections list` names them."""

from ledger.errors import NotFound
from projections.agreements import AGREEMENTS
from projections.business_days import BUSINESS_DAYS
from projections.credit_notes import CREDIT_NOTES
from projections.customers import CUSTOMERS
from projections.invoices import INVOICES
from projections.journal import JOURNAL
from projections.payments import PAYMENTS
from projections.projection import Projection
from projections.refunds import REFUNDS

CATALOG: tuple[Projection, ...] = (
    INVOICES,
    CUSTOMERS,
    PAYMENTS,
    REFUNDS,
    CREDIT_NOTES,
    AGREEMENTS,
    BUSINESS_DAYS,
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
