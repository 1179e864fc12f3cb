"""`duebook credit-notes`: what it lists and shows."""

from datetime import timedelta
from uuid import UUID

import pytest

from adapters.settings import Settings
from adapters.wiring import open_books
from commands.adjustments import CreditInvoice, credit_invoice
from commands.customers import RegisterCustomer, register_customer
from commands.invoices import DraftInvoice, SendInvoice, draft_invoice, send_invoice
from ledger.money import Money
from ledger.tax import Line
from tests.cli.conftest import Cli
from tests.daylight import TODAY


@pytest.fixture
def credited(cli: Cli, acme: str) -> str:
    """The number of an invoice with two credit notes."""
    tenant_id = UUID(acme)
    with open_books(Settings.from_environment()) as books:

        def id_of(handler: object, *arguments: object) -> UUID:
            answer = books.run(tenant_id, "cli", lambda unit: handler(unit, *arguments).id)  # type: ignore[operator]
            return UUID(answer.body.decode().strip('"'))

        customer_id = id_of(register_customer, RegisterCustomer("Ann Other"))
        lines = (Line("Work\x1b[31m", "1", "100.00", tax_rate="19%"),)
        draft = DraftInvoice(customer_id, TODAY + timedelta(days=30), lines, "USD")
        invoice_id = id_of(draft_invoice, draft)
        id_of(send_invoice, invoice_id, SendInvoice())
        some = CreditInvoice("half was missing", Money("59.50", "USD"))
        id_of(credit_invoice, invoice_id, some)
        id_of(credit_invoice, invoice_id, CreditInvoice("the rest too"))
    return "INV-000001"


def test_list(cli: Cli, acme: str, credited: str) -> None:
    shown = cli("credit-notes", "list", "--tenant", "acme", "--invoice", credited, "--json")
    listed = shown.json["items"]
    assert {one["number"] for one in listed} == {"CN-000001", "CN-000002"}
    assert {one["customer"]["name"] for one in listed} == {"Ann Other"}
    assert [one["tax"]["amount"] for one in listed] == ["9.50", "9.50"]
    plain = cli("credit-notes", "list", "--tenant", acme, "--from", str(TODAY))
    assert (plain.status, len(plain.out.splitlines())) == (0, 3)
    assert "half was missing" in plain.out
    for none in (("--invoice", "INV-000002"), ("--to", str(TODAY - timedelta(days=1)))):
        found = cli("credit-notes", "list", "--tenant", acme, *none, "--json")
        assert found.json == {"items": []}


def test_show(cli: Cli, acme: str, credited: str) -> None:
    shown = cli("credit-notes", "show", "CN-000001", "--tenant", acme)
    assert shown.status == 0
    assert "half was missing" in shown.out
    assert "\x1b" not in shown.out
    asked = cli("credit-notes", "show", "CN-000001", "--tenant", acme, "--json").json
    assert (asked["invoice_number"], asked["creditor"]) == (credited, "acme")
    assert (asked["applied"]["amount"], asked["credit"]["amount"]) == ("59.50", "0.00")
    by_id = cli("credit-notes", "show", asked["id"], "--tenant", acme, "--json")
    assert by_id.json == asked
    unknown = cli("credit-notes", "show", "CN-000009", "--tenant", acme)
    assert unknown.status == 1
    assert "there is no credit note" in unknown.err
