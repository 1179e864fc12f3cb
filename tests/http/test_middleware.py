"""Correlation ids, the access log, health and metrics: what is true for every request."""

import asyncio
import io
import re
import stat

import httpx
import psycopg
import pytest
from prometheus_client import generate_latest

from adapters.http.middleware import NO_ROUTE, read_headers
from adapters.http.observability.access_log import AccessLog
from adapters.http.observability.metrics_token import MetricsToken
from adapters.http.observability.request_metrics import RequestMetrics
from adapters.http.problem_details import NoValidKey
from tests.http.conftest import Clients, Service

PATHS = ["/api/tenant", "/nothing", "/api/invoices/1", "/health/live", "/metrics"]


@pytest.mark.parametrize("path", PATHS)
def test_a_plain_correlation_id_comes_back(clients: Clients, path: str) -> None:
    answer = clients().get(path, headers={"X-Correlation-Id": "Order-7.b_2"})
    assert answer.headers.get_list("X-Correlation-Id") == ["Order-7.b_2"]


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "a/b", "é".encode(), "a\tb"])
def test_any_other_is_replaced(clients: Clients, given: str | bytes) -> None:
    value = given if isinstance(given, bytes) else given.encode()
    for path in PATHS:
        answer = clients().get(path, headers={b"X-Correlation-Id": value})
        assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Correlation-Id"]), path


@pytest.mark.parametrize("path", PATHS)
def test_no_answer_is_kept_on_the_way(clients: Clients, path: str) -> None:
    headers = clients().get(path).headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_two_requests_without_one_get_different_ones(clients: Clients) -> None:
    client = clients()
    ids = {client.get("/api/tenant").headers["X-Correlation-Id"] for _ in range(3)}
    assert len(ids) == 3


def test_the_correlation_id_stands_in_the_events(clients: Clients) -> None:
    client = clients()
    client.post("/api/customers", json={"name": "A"}, headers={"X-Correlation-Id": "from-afar"})
    events = client.get("/api/events").json()["items"]
    assert events[-1]["correlation_id"] == "from-afar"
    assert events[-1]["actor"] == f"key:{client.key_id}"


def test_a_header_that_came_twice_is_neither_value() -> None:
    context = read_headers([(b"x-api-key", b"a"), (b"x-tenant-id", b"t"), (b"x-api-key", b"b")])
    assert context.api_key not in (b"a", b"b")
    assert context.tenant_id == b"t"
    assert context.idempotency_key is None


def test_blanks_around_a_value_do_not_belong_to_it() -> None:
    context = read_headers([(b"x-api-key", b" dbk_x \t"), (b"authorization", b"Bearer y ")])
    assert (context.api_key, context.authorization) == (b"dbk_x", b"Bearer y")


def test_the_access_log_has_a_line_per_request() -> None:
    stream = io.StringIO()

    async def run() -> None:
        log = AccessLog(stream)
        log.add("GET", "/api/invoices/{id}", 200, 0.00123, "t1", "c1")
        log.add("POST", NO_ROUTE, 404, 1.5, "-", "c2")
        assert stream.getvalue() == "", "lines are written together"
        await asyncio.sleep(0.15)

    asyncio.run(run())
    first, second = stream.getvalue().splitlines()
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z GET ", first)
    assert first.endswith(" GET /api/invoices/{id} 200 1.2ms tenant=t1 correlation=c1")
    assert second.endswith(" POST (no route) 404 1500.0ms tenant=- correlation=c2")


def test_a_log_without_a_stream_gathers_nothing() -> None:
    log = AccessLog(None)
    log.add("GET", "/", 200, 0.1, "-", "c")
    log.flush()
    assert log._entries == []


def test_answers_are_counted_by_route_and_not_by_id() -> None:
    request_metrics = RequestMetrics()
    for seconds in (0.001, 0.03, 9.0):
        request_metrics.count("GET", "/api/invoices/{invoice_id}", 200, seconds)
    lines = generate_latest(request_metrics.registry).decode().splitlines()
    labels = 'method="GET",route="/api/invoices/{invoice_id}",status="200"'
    assert f'duebook_http_request_seconds_bucket{{le="0.005",{labels}}} 1.0' in lines
    assert f'duebook_http_request_seconds_bucket{{le="0.05",{labels}}} 2.0' in lines
    assert f'duebook_http_request_seconds_bucket{{le="+Inf",{labels}}} 3.0' in lines
    assert f"duebook_http_request_seconds_count{{{labels}}} 3.0" in lines


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_health_needs_no_key(service: Service, path: str) -> None:
    answer = httpx.get(service.url + path)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_a_service_whose_database_is_away_is_not_ready(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise psycopg.OperationalError("gone")

    monkeypatch.setattr(service.books.database.writer, "connection", away)
    answer = httpx.get(service.url + "/health/ready")
    assert answer.status_code == 503
    assert httpx.get(service.url + "/health/live").status_code == 200


def metrics(service: Service, authorization: str) -> httpx.Response:
    return httpx.get(service.url + "/metrics", headers={"Authorization": authorization})


def test_metrics_open_by_the_operators_token_only(service: Service, clients: Clients) -> None:
    client = clients()
    client.customer()
    path = service.home / "metrics.token"
    token = path.read_text().strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert client.get("/metrics").status_code == 401, "a tenant's key opens nothing here"
    for wrong in ("", "Bearer", "Bearer x", token, f"Basic {token}", f"Bearer {token}x"):
        assert metrics(service, wrong).status_code == 401, wrong
    answer = metrics(service, f"Bearer {token}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    text = answer.text
    assert re.search(r"^duebook_log_position [1-9]\d*\.0$", text, re.M)
    assert re.search(r"^duebook_commands_waiting \d+\.0$", text, re.M)
    assert re.search(r'^duebook_projection_lag_events\{projection="invoices"\} \d+\.0$', text, re.M)
    assert re.search(r'le="\+Inf",method="POST",route="/api/customers",status="201"} \d', text)
    assert str(client.tenant_id) not in text
    for line in text.splitlines():
        assert re.fullmatch(r"# (HELP|TYPE) .+|[a-z_]+(\{.*\})? [0-9.e+-]+", line), line


def test_without_a_home_metrics_are_closed() -> None:
    token = MetricsToken(None)
    for authorization in (b"", b"Bearer ", b"Bearer x"):
        with pytest.raises(NoValidKey):
            token.check(authorization)
