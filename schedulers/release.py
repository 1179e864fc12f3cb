"""Releasing imported debts for dunning: which ones a filter chooses, and what that would start.

Imported open invoices wait until a person releases them, so that moving to Duebook contacts nobody by surprise.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from uuid import UUID

import msgspec

from ledger.dunning.choice import Plans
from ledger.dunning.debts import block_of, is_owed
from ledger.invoice.accrual import bring_up_to_date
from ledger.invoice.holding import release
from ledger.invoice.state import Invoice
from ledger.money import Money
from schedulers.dunning import decide_case
from schedulers.ports import DebtorCase
from schedulers.preview import PreviewItem, items_of

_ONE_DAY = timedelta(days=1)


class ReleaseFilter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which imported invoices; all that are not released yet when nothing is said.

    due_from, due_to  due dates, both included
    at_least          open in its currency, or more
    """

    customer_id: UUID | None = None
    due_from: date | None = None
    due_to: date | None = None
    currency: str | None = None
    at_least: Money | None = None


class Chosen(msgspec.Struct, frozen=True):
    """Imported invoices that a filter chooses, and what is open on them, by currency."""

    invoice_ids: tuple[UUID, ...]
    amounts: tuple[Money, ...]


def choose(cases: Iterable[DebtorCase], said: ReleaseFilter, day: date) -> Chosen:
    """The imported invoices that a filter chooses on a day."""
    ids: list[UUID] = []
    minors: dict[str, int] = {}
    for case in cases:
        for invoice_id, invoice in case.invoices:
            if chooses(said, case.customer_id, invoice, day):
                ids.append(invoice_id)
                minors[invoice.currency] = minors.get(invoice.currency, 0) + invoice.open.total
    amounts = tuple(Money.of(minor, currency) for currency, minor in sorted(minors.items()))
    return Chosen(tuple(ids), amounts)


def starts(
    cases: Iterable[DebtorCase],
    said: ReleaseFilter,
    plans: Plans,
    today: date,
) -> Iterator[PreviewItem]:
    """What the next night after today on which customers are contacted would do with what the filter chooses, once it
    is released, as if the plans were active: messages, and debts that are skipped with the reason."""
    active = plans.active_from(today, always=False)
    for case in cases:
        nights: dict[date, list[tuple[UUID, Invoice]]] = {}
        for invoice_id, invoice in case.invoices:
            if not chooses(said, case.customer_id, invoice, today):
                continue
            night = active.of(case.customer, invoice).days.moved(today + _ONE_DAY)
            released = bring_up_to_date(release(invoice, "", today).invoice, night).invoice
            nights.setdefault(night, []).append((invoice_id, released))
        contacts = case.contacts
        for night, invoices in sorted(nights.items()):
            then = case._replace(invoices=invoices, contacts=contacts)
            decision = decide_case(active, then, night)
            contacts = (*contacts, *(night for _ in decision.contacts))
            yield from items_of(case.customer_id, case.customer, invoices, decision, night)


def chooses(said: ReleaseFilter, customer_id: UUID, invoice: Invoice, day: date) -> bool:
    """Whether an invoice is imported, waits for its release, and is one that the filter chooses."""
    if not is_owed(invoice) or block_of(invoice, day) != "imported":
        return False
    if said.customer_id is not None and customer_id != said.customer_id:
        return False
    if said.due_from is not None and invoice.due_on < said.due_from:
        return False
    if said.due_to is not None and invoice.due_on > said.due_to:
        return False
    if said.currency is not None and invoice.currency != said.currency:
        return False
    least = said.at_least
    return least is None or (
        least.currency == invoice.currency and invoice.open.total >= least.minor
    )


def pages(ids: Sequence[UUID], size: int) -> Iterator[Sequence[UUID]]:
    """Ids, so many at a time."""
    for first in range(0, len(ids), size):
        yield ids[first : first + size]
