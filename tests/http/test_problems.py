"""Every error is a problem: application/problem+json with type, title, status, detail, errors and correlation id."""

import base64
import gzip
import socket
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import psycopg
import pytest

from adapters.http import problem_details
from adapters.http.problem_details import STATUS_OF, Problem, log_unforeseen
from adapters.http.routes.problems import remedies
from ledger.errors import LedgerError
from ledger.event_registry import UnknownEventType
from tests.http.conftest import LATER, Client, Clients, Service, usd


def problem_of(answer: httpx.Response, status: int, code: str) -> Problem:
    """The problem in an answer, checked for its form."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = msgspec.json.decode(answer.content, type=Problem)
    assert found.type == f"/problems/{code}"
    assert found.title
    assert found.detail
    assert found.status == status
    assert found.correlation_id == answer.headers["X-Correlation-Id"]
    return found


def cursor_of(*key: str) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode()


Send = Callable[[Client], httpx.Response]

NOBODY = "00000000-0000-4000-8000-000000000000"
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("send", "status", "code"),
    [
        pytest.param(lambda c: c.get("/"), 404, "no_such_path", id="no path"),
        pytest.param(lambda c: c.get("/api/nothing"), 404, "no_such_path", id="no path of the API"),
        pytest.param(lambda c: c.get("/api/invoices/1"), 404, "no_such_path", id="not an id"),
        pytest.param(lambda c: c.get(f"/api/invoices/{NOBODY}"), 404, "unknown", id="unknown id"),
        pytest.param(lambda c: c.delete("/api/tenant"), 405, "method_not_allowed", id="method"),
        pytest.param(
            lambda c: c.post("/api/customers", content="{", headers=JSON),
            400,
            "malformed",
            id="truncated JSON",
        ),
        pytest.param(
            lambda c: c.post("/api/customers", content='{"name":"\xff"}'.encode("latin-1")),
            400,
            "malformed",
            id="not UTF-8",
        ),
        pytest.param(
            lambda c: c.post("/api/customers", content='{"name":"\\ud800"}', headers=JSON),
            400,
            "malformed",
            id="half a surrogate pair",
        ),
        pytest.param(
            lambda c: c.post("/api/customers", content='{"name":"a\\u0000"}', headers=JSON),
            400,
            "malformed",
            id="zero character",
        ),
        pytest.param(
            lambda c: c.post("/api/customers", content='{"name":' + "[" * 100_000, headers=JSON),
            400,
            "malformed",
            id="deep nesting",
        ),
        pytest.param(lambda c: c.post("/api/customers"), 400, "malformed", id="no body"),
        pytest.param(
            lambda c: c.post("/api/customers", content="name=Ann", headers={}),
            400,
            "malformed",
            id="no type and no JSON",
        ),
        pytest.param(
            lambda c: c.post("/api/customers", data={"name": "Ann"}),
            415,
            "unsupported_media_type",
            id="a form",
        ),
        pytest.param(
            lambda c: c.post("/api/customers", content=b" " * 1_000_001, headers=JSON),
            413,
            "body_too_large",
            id="too large",
        ),
        pytest.param(
            lambda c: c.get("/api/tenant", headers={"Host": "a b"}), 400, "malformed", id="host"
        ),
        pytest.param(
            lambda c: c.post(
                "/api/customers",
                content=gzip.compress(b'{"name":"Ann"}'),
                headers={**JSON, "Content-Encoding": "gzip"},
            ),
            415,
            "unsupported_media_type",
            id="compressed",
        ),
        pytest.param(
            lambda c: c.get(f"/api/invoices/urn:uuid:{NOBODY}"), 404, "no_such_path", id="a URN"
        ),
        pytest.param(
            lambda c: c.get(f"/api/invoices/{{{NOBODY}}}"), 404, "no_such_path", id="in braces"
        ),
        pytest.param(
            lambda c: c.get(f"/api/invoices/{NOBODY.replace('-', '')}"),
            404,
            "no_such_path",
            id="without hyphens",
        ),
        pytest.param(
            lambda c: c.get("/api/reports/aging?known_at=2026"), 400, "malformed", id="a year"
        ),
        pytest.param(
            lambda c: c.get("/api/reports/aging?known_at=20261125"),
            400,
            "malformed",
            id="no dashes",
        ),
        pytest.param(
            lambda c: c.get("/api/reports/aging?known_at=1767225600.5"),
            400,
            "malformed",
            id="seconds since 1970",
        ),
        pytest.param(lambda c: c.get("/api/tenant?a=1"), 400, "malformed", id="unknown parameter"),
        pytest.param(
            lambda c: c.get("/api/invoices?cursor=abc"), 400, "malformed_cursor", id="no cursor"
        ),
        pytest.param(
            lambda c: c.get("/api/customers", params={"cursor": cursor_of("\0", NOBODY)}),
            400,
            "malformed_cursor",
            id="a zero character in a cursor",
        ),
        pytest.param(
            lambda c: c.get("/api/events?limit=201"), 400, "malformed", id="too long a page"
        ),
        pytest.param(lambda c: c.post("/api/days/today/run"), 404, "no_such_path", id="no date"),
        pytest.param(
            lambda c: c.post("/api/customers?a=1", json={"name": "Ann"}),
            400,
            "malformed",
            id="a command with a parameter",
        ),
        pytest.param(
            lambda c: c.post("/api/customers", json={"name": " "}),
            422,
            "customer_name_missing",
            id="refused by a rule",
        ),
    ],
)
def test_each_error_is_a_problem(clients: Clients, send: Send, status: int, code: str) -> None:
    problem_of(send(clients()), status, code)


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/tenant", {"GET", "PATCH", "OPTIONS"}),
        (f"/api/invoices/{NOBODY}/send", {"POST", "OPTIONS"}),
        ("/health/live", {"GET", "OPTIONS"}),
    ],
)
def test_a_method_that_is_not_taken_lists_those_that_are(
    clients: Clients, path: str, methods: set[str]
) -> None:
    client = clients()
    for method in ("PUT", "OPTIONS"):
        answer = client.request(method, path)
        assert set(answer.headers["Allow"].split(", ")) == methods, method


def test_the_type_of_a_problem_opens_a_page(clients: Clients) -> None:
    client = clients()
    refused = client.get("/api/invoices/1")
    page = client.get(refused.json()["type"])
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "<h1>No such path</h1>" in page.text
    assert "status 404" in page.text
    assert "What to do" in page.text
    problem_of(client.get("/problems/nothing"), 404, "no_such_path")
    problem_of(client.get("/problems/%3Cb%3E"), 404, "no_such_path")


def test_every_condition_has_a_page(clients: Clients) -> None:
    client = clients()
    for code in remedies():
        page = client.get(f"/problems/{code}")
        assert page.status_code == 200, code
        assert f"<code>{code}</code>" in page.text


def test_a_date_is_asked_for_in_its_form(clients: Clients) -> None:
    client = clients()
    body = {"customer_id": client.customer(), "due_on": "31/03/2026", "lines": []}
    found = problem_of(client.post("/api/invoices", json=body), 400, "malformed")
    assert found.errors[0].field == "due_on"
    assert found.detail == "due_on: a date is written YYYY-MM-DD, such as 2026-03-31"
    found = problem_of(client.get("/api/reports/aging?known_at=x"), 400, "malformed")
    assert "2026-03-31T12:00:00Z" in found.detail


@pytest.mark.parametrize(
    ("body", "field", "part"),
    [
        ({}, "amount", "missing"),
        ({"amount": {"amount": "1.00"}}, "amount.currency", "missing"),
        ({"amount": usd("1.00"), "amuont": 1}, "amuont", "unknown"),
        ({"amount": {"amount": 1, "currency": "USD"}}, "amount.amount", "expected `str`"),
        ({"amount": usd("1.00"), "invoice_id": "x"}, "invoice_id", "invalid UUID"),
        ({"amount": usd("1.00"), "received_on": "2026-02-30"}, "received_on", "date"),
        (
            {"amount": usd("1.00"), "allocations": [{"amount": usd("1.00")}]},
            "allocations[0].invoice_id",
            "missing",
        ),
    ],
)
def test_a_malformed_field_is_named(
    clients: Clients, body: dict[str, Any], field: str, part: str
) -> None:
    answer = clients().post("/api/payments", json=body, headers={"Idempotency-Key": "k"})
    found = problem_of(answer, 400, "malformed")
    assert [error.field for error in found.errors] == [field]
    assert part in found.errors[0].message


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        (usd("-1.00"), "negative_amount"),
        (usd("0.00"), "zero_amount"),
        (usd("1.001"), "over_precise_amount"),
        (usd("1"), "malformed_amount"),
        (usd("1e3"), "malformed_amount"),
        (usd("9999999999999999.00"), "amount_too_large"),
        ({"amount": "1.00", "currency": "usd"}, "unknown_currency"),
    ],
)
def test_a_refused_amount_is_named(clients: Clients, amount: dict[str, str], code: str) -> None:
    client = clients()
    body = {"customer_id": client.customer(), "amount": amount}
    answer = client.post("/api/payments", json=body, headers={"Idempotency-Key": "k"})
    found = problem_of(answer, 422, code)
    assert found.errors[0].field.startswith(("amount", "currency"))


def test_a_body_of_any_json_type_is_read(clients: Clients) -> None:
    for content_type in (
        "application/json; charset=utf-8",
        "application/merge-patch+json",
        "Application/JSON",
    ):
        answer = clients().post(
            "/api/customers", content='{"name":"Ann"}', headers={"Content-Type": content_type}
        )
        assert answer.status_code == 201, content_type


def test_an_escaped_backslash_is_no_zero_character(clients: Clients) -> None:
    answer = clients().post(
        "/api/customers", content=r'{"name":"Ann","notes":"\\u0000"}', headers=JSON
    )
    assert answer.json()["notes"] == r"\u0000"


def test_the_connection_serves_on_after_a_body_that_was_too_large(clients: Clients) -> None:
    client = clients()
    for _ in range(3):
        answer = client.post("/api/customers", content=b"x" * 3_000_000, headers=JSON)
        problem_of(answer, 413, "body_too_large")
        assert client.get("/api/tenant").status_code == 200


def test_a_large_body_in_pieces_is_refused(clients: Clients) -> None:
    answer = clients().post(
        "/api/customers", content=(b"x" * 10_000 for _ in range(200)), headers=JSON
    )
    problem_of(answer, 413, "body_too_large")


def test_a_client_that_leaves_halfway_disturbs_nobody(service: Service, clients: Clients) -> None:
    client = clients()
    host, _, port = service.url.removeprefix("http://").partition(":")
    for _ in range(3):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(
                b"POST /api/customers HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
                + f"X-Api-Key: {client.key}\r\nX-Tenant-Id: {client.tenant_id}\r\n\r\n".encode()
                + b'{"name"'
            )
    assert client.get("/api/tenant").status_code == 200


def test_a_state_that_refuses_is_told_from_a_conflict(clients: Clients) -> None:
    client = clients()
    invoice_id = client.sent()
    again = client.post(f"/api/invoices/{invoice_id}/send")
    problem_of(again, 422, "not_a_draft")
    client.customer(reference="C1")
    taken = client.post("/api/customers", json={"name": "B", "reference": "C1"})
    problem_of(taken, 409, "already_exists")


def test_an_unforeseen_error_says_nothing_of_the_inside(
    clients: Clients, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError(" ".join(("Ann", "lives here")))

    client = clients()
    monkeypatch.setattr("adapters.http.routes.tenant.tenant_view", broken)
    answer = client.get("/api/tenant", headers={"X-Correlation-Id": "trace-1"})
    problem_of(answer, 500, "internal_error")
    assert "Ann" not in answer.text
    assert "RuntimeError" not in answer.text
    assert "Ann lives" not in caplog.text, "an error's text may quote data"
    assert "RuntimeError" in caplog.text
    assert "correlation=trace-1" in caplog.text
    assert "broken" in caplog.text, "the place is logged"


def test_an_event_of_a_newer_release_is_an_internal_error(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the domain's error, and nothing that a principal could put right."""

    def unreadable(*_: Any) -> None:
        raise UnknownEventType("the event tag 'tenant.moved.v9' is unknown to this release")

    client = clients()
    monkeypatch.setattr("adapters.http.routes.tenant.tenant_view", unreadable)
    answer = client.get("/api/tenant")
    problem_of(answer, 500, "internal_error")
    assert "v9" not in answer.text


def test_a_database_that_is_away_is_503(
    clients: Clients, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: Any) -> None:
        raise psycopg.OperationalError("connection to server at 10.1.2.3 failed")

    client = clients()
    client.get("/api/tenant")
    monkeypatch.setattr("adapters.http.read_pool.tenant_seq", away)
    answer = client.get("/api/tenant")
    found = problem_of(answer, 503, "service_unavailable")
    assert answer.headers["Retry-After"] == "2"
    assert "10.1.2.3" not in found.detail
    assert "no answer from the database" in caplog.text
    assert "OperationalError" in caplog.text


def test_a_writer_that_gave_up_is_503(
    clients: Clients, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = clients()
    client.customer()
    monkeypatch.setattr(service.books.writer, "_closed", True)
    answer = client.post("/api/customers", json={"name": "Ann"})
    problem_of(answer, 503, "service_unavailable")
    assert answer.headers["Retry-After"] == "2"


def test_the_cause_of_an_error_is_logged_without_its_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    try:
        try:
            raise psycopg.errors.UniqueViolation("Key (name)=({})".format("Ann"))
        except psycopg.Error as error:
            raise ValueError("{} again".format("Ann")) from error
    except ValueError as error:
        log_unforeseen(error, "c1")
    assert "(Ann)" not in caplog.text
    assert "Ann again" not in caplog.text
    assert "ValueError" in caplog.text
    assert "UniqueViolation (SQLSTATE 23505)" in caplog.text


def test_every_refusal_of_the_edge_has_a_status_of_its_own() -> None:
    api = [
        kind
        for kind in vars(problem_details).values()
        if isinstance(kind, type)
        and issubclass(kind, LedgerError)
        and kind.__module__ == problem_details.__name__
    ]
    assert len(api) >= 10
    for kind in api:
        assert problem_details.status_of(kind) != 422, f"{kind.__name__} is no rule of the trade"
    assert set(STATUS_OF.values()) == {
        400,
        401,
        403,
        404,
        405,
        408,
        409,
        413,
        414,
        415,
        422,
        431,
        503,
        507,
    }


def test_money_for_nobody_is_refused(clients: Clients) -> None:
    client = clients()
    answer = client.post(
        "/api/payments", json={"amount": usd("1.00")}, headers={"Idempotency-Key": "1"}
    )
    problem_of(answer, 422, "no_payer")
    draft = {"customer_id": str(uuid4()), "due_on": LATER, "lines": []}
    problem_of(client.post("/api/invoices", json=draft), 404, "unknown")
