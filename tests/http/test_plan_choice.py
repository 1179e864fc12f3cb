"""Over HTTP: the plan that an invoice, a customer or a tag chooses, and what is refused."""

import httpx
import pytest

from tests.http.answers import body_of
from tests.http.conftest import Client, Clients

STEPS = [{"key": "d3", "offset": 3, "tags": ["vip"], "opened": False}]


@pytest.fixture
def client(clients: Clients) -> Client:
    made: Client = clients()
    made.made(
        "/api/dunning/plans",
        {"key": "gentle", "name": "Gentle", "steps": STEPS, "group_by": "agreement"},
    )
    return made


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """The status, and the code at the end of the problem's type."""
    return answer.status_code, answer.json()["type"].rpartition("/")[2]


def test_a_plan_says_how_it_groups_and_for_whom_its_steps_are(client: Client) -> None:
    position = client.get("/api/tenant").headers["Duebook-Position"]
    plan = body_of(client.get("/api/dunning/plans/gentle", params={"min_position": position}), 200)
    assert (plan["group_by"], plan["steps"][0]["tags"], plan["steps"][0]["opened"]) == (
        "agreement",
        ["vip"],
        False,
    )


def test_customers_and_invoices_choose_a_plan_and_give_it_up(client: Client) -> None:
    customer_id = client.customer()
    changed = client.patch(
        f"/api/customers/{customer_id}", json={"tags": ["vip", "new"], "dunning_plan": "gentle"}
    )
    found = body_of(changed, 200)
    assert (found["tags"], found["dunning_plan"]) == (["new", "vip"], "gentle")
    assert body_of(client.get(f"/api/customers/{customer_id}"), 200) == found
    named = body_of(client.patch(f"/api/customers/{customer_id}", json={"name": "Bea"}), 200)
    assert (named["tags"], named["dunning_plan"]) == (["new", "vip"], "gentle")
    line = {"description": "Work", "quantity": "1", "unit_price": "10.00"}
    draft = {"customer_id": customer_id, "due_on": "2030-01-01", "lines": [line]}
    invoice = client.made("/api/invoices", {**draft, "dunning_plan": "gentle"})
    assert invoice["dunning_plan"] == "gentle"
    path = f"/api/invoices/{invoice['id']}/dunning-plan"
    assert body_of(client.post(path, json={"plan": ""}), 200)["dunning_plan"] == ""
    assert body_of(client.get(f"/api/invoices/{invoice['id']}"), 200)["dunning_plan"] == ""
    position = client.post(path, json={"plan": "gentle"}).headers["Duebook-Position"]
    # What is said already is not said again.
    assert client.post(path, json={"plan": "gentle"}).headers["Duebook-Position"] == position


def test_a_plan_or_a_tag_that_cannot_be_is_refused_and_nothing_is_kept(client: Client) -> None:
    customer_id = client.customer()
    invoice_id = client.sent(customer_id)
    path = f"/api/customers/{customer_id}"
    before = body_of(client.get(path), 200)
    refused = [
        client.patch(path, json={"dunning_plan": "missing"}),
        client.post("/api/customers", json={"name": "Bea", "dunning_plan": "missing"}),
        client.post(f"/api/invoices/{invoice_id}/dunning-plan", json={"plan": "missing"}),
        client.patch(
            "/api/tenant", json={"dunning_plans_by_tag": [{"tag": "vip", "plan": "missing"}]}
        ),
    ]
    assert [refusal(one) for one in refused] == [(404, "unknown_plan")] * 4
    twice = [{"tag": "vip", "plan": "gentle"}] * 2
    malformed = [
        client.patch(path, json={"tags": ["Not a tag"]}),
        client.patch(path, json={"tags": ["vip", "vip"]}),
        client.patch(path, json={"tags": [f"t{n}" for n in range(51)]}),
        client.patch("/api/tenant", json={"dunning_plans_by_tag": twice}),
    ]
    assert [refusal(one) for one in malformed] == [(422, "malformed_tag")] * 4
    assert body_of(client.get(path), 200) == before
    rules = [{"tag": "vip", "plan": "gentle"}, {"tag": "new", "plan": "default"}]
    said = body_of(client.patch("/api/tenant", json={"dunning_plans_by_tag": rules}), 200)
    assert said["settings"]["dunning_plans_by_tag"] == rules
