"""A client generated from the OpenAPI document creates, sends and pays an invoice."""

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.http.conftest import LATER, Clients, Service

GENERATOR = Path(sys.executable).with_name("openapi-python-client")
PACKAGE = "duebook_client"


@pytest.fixture(scope="module")
def generated(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the generated package, which can be imported meanwhile."""
    folder = tmp_path_factory.mktemp("client")
    document = folder / "openapi.json"
    document.write_bytes(httpx.get(service.url + "/schema/openapi.json").content)
    configuration = folder / "configuration.json"
    configuration.write_text(
        json.dumps(
            {"package_name_override": PACKAGE, "project_name_override": PACKAGE, "post_hooks": []}
        )
    )
    done = subprocess.run(
        [
            GENERATOR,
            "generate",
            "--path",
            str(document),
            "--config",
            str(configuration),
            "--meta",
            "none",
            "--output-path",
            str(folder / PACKAGE),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    try:
        yield folder / PACKAGE
    finally:
        sys.path.remove(str(folder))


def test_it_creates_sends_and_pays_an_invoice(
    service: Service, clients: Clients, generated: Path
) -> None:
    key = clients().key
    package = importlib.import_module(PACKAGE)
    models = importlib.import_module(f"{PACKAGE}.models")

    def api(tag: str, name: str) -> Any:
        return importlib.import_module(f"{PACKAGE}.api.{tag}.{name}")

    with package.AuthenticatedClient(service.url, key) as client:
        ann = api("customers", "register_customer").sync(
            client=client, body=models.RegisterCustomer(name="Ann Other")
        )
        line = models.Line(description="Advice", quantity="1", unit_price="100.00")
        drafted = api("invoices", "draft_invoice").sync(
            client=client,
            body=models.DraftInvoice.from_dict(
                {"customer_id": str(ann.id), "due_on": LATER, "lines": [line.to_dict()]}
            ),
        )
        sent = api("invoices", "send_invoice").sync(
            drafted.id, client=client, body=models.SendInvoice()
        )
        assert (sent.status, sent.total.amount) == ("sent", "100.00")
        paid = api("payments", "receive_payment").sync_detailed(
            client=client,
            body=models.ReceivePayment(
                amount=models.Money(amount="100.00", currency="USD"), invoice_id=sent.id
            ),
            idempotency_key="generated-1",
        )
        assert (paid.status_code, paid.parsed.status) == (201, "received")
        shown = api("invoices", "get_invoice").sync(sent.id, client=client)
        assert shown.status == "paid"
        refused = api("invoices", "send_invoice").sync(
            sent.id, client=client, body=models.SendInvoice()
        )
        assert isinstance(refused, models.Problem)
        assert refused.type_.endswith("/problems/not_a_draft")


def test_it_has_every_operation(generated: Path, service: Service) -> None:
    document = httpx.get(service.url + "/schema/openapi.json").json()
    wanted = {one["operationId"] for path in document["paths"].values() for one in path.values()}
    made = {file.stem for file in (generated / "api").glob("*/*.py")} - {"__init__"}
    assert made == wanted
