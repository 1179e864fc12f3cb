"""Holding the product against the independent books, day by day."""

from collections import Counter
from datetime import date

from ledger.invoice.state import Invoice
from tests.facts.driver import Driver
from tests.facts.facts import COMPONENTS, DAY
from tests.facts.oracle import Books
from tests.facts.reading import Said, open_of


def differences(driver: Driver, books: Books, through: date) -> list[str]:
    """Where the product says something else than the independent books, in words; nothing where it does not."""
    said = Said(driver)
    found: list[str] = []
    journal: Counter[tuple[str, str]] = Counter()
    statement: Counter[tuple[int, str]] = Counter()
    open_: Counter[tuple[int, str]] = Counter()
    day = min([*said.journal, *said.open, min(books.days)])
    while day <= through:
        journal.update(said.journal.get(day, {}))
        statement.update(said.statement.get(day, {}))
        open_.update(said.open.get(day, {}))
        page = books.days.get(day)
        if page is not None:
            expected = {
                (currency, account): minor
                for currency, accounts in page.journal.items()
                for account, minor in accounts.items()
            }
            found += _differ(f"{day} journal", _kept(journal), expected)
            found += _differ(f"{day} statement", _kept(statement), page.statement)
            expected_open = {
                (place, component): one.open[component]
                for place, one in enumerate(page.invoices)
                for component in COMPONENTS
                if one.open[component]
            }
            found += _differ(f"{day} open", _kept(open_), expected_open)
        if found:
            return found
        day += DAY
    return _at_the_end(driver, books, through, said)


def _at_the_end(driver: Driver, books: Books, through: date, said: Said) -> list[str]:
    found: list[str] = []
    last = books.days[through]
    for place, invoice_id in driver.invoices.items():
        invoice: Invoice = driver.books.state("invoice", invoice_id)
        page = last.invoices[place]
        wanted = {component: page.open[component] for component in COMPONENTS}
        if open_of(invoice) != wanted:
            found.append(f"invoice {place} open {open_of(invoice)} instead of {wanted}")
        if invoice.status != page.status:
            found.append(f"invoice {place} {invoice.status} instead of {page.status}")
        row = said.status_row(place)
        if row != (invoice.status, invoice.open.total):
            found.append(f"invoice {place} reads {row}, is {invoice.status} {invoice.open.total}")
    for who, customer_id in enumerate(driver.customers):
        customer = driver.books.state("customer", customer_id)
        for currency in {*customer.credit, *customer.shortfall}:
            net = customer.credit.get(currency, 0) - customer.shortfall.get(currency, 0)
            if net != last.credit.get((who, currency), 0):
                found.append(f"customer {who} {currency} {net}, not {last.credit}")
    for (who, currency), minor in last.credit.items():
        customer = driver.books.state("customer", driver.customers[who])
        net = customer.credit.get(currency, 0) - customer.shortfall.get(currency, 0)
        if net != minor:
            found.append(f"customer {who} {currency} {net} instead of {minor}")
    for verdict in books.verdicts:
        invoice = driver.books.state("invoice", driver.invoices[verdict.invoice])
        promise = invoice.promise
        is_it = promise is not None and promise.promised_on == verdict.promised_on
        if is_it and promise.kept is not verdict.kept:
            found.append(f"invoice {verdict.invoice} promise {promise} instead of {verdict}")
    return found


def _differ(what: str, is_: dict[object, int], wanted: dict[object, int]) -> list[str]:  # type: ignore[type-arg]
    return [
        f"{what} {key}: {is_.get(key, 0)} instead of {wanted.get(key, 0)}"
        for key in sorted({*is_, *wanted}, key=str)
        if is_.get(key, 0) != wanted.get(key, 0)
    ]


def _kept(totals: Counter[object]) -> dict[object, int]:  # type: ignore[type-arg]
    return {key: minor for key, minor in totals.items() if minor}
