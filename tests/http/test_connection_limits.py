"""Limits of a connection, over raw sockets: what is too long, too slow or too much is refused and disturbs nobody."""

import logging
import re
import socket
import time
from collections.abc import Callable, Iterator

import httpx
import msgspec
import pytest

from adapters.http import connection_limits
from adapters.http.connection_limits import MAX_HEAD_BYTES, MAX_HEADERS, Refusals
from adapters.http.observability.request_metrics import RequestMetrics
from tests.http.conftest import Service

GET = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"
Dial = Callable[[], socket.socket]


@pytest.fixture
def dial(service: Service) -> Iterator[Dial]:
    """Opens connections, and closes them after the test."""
    host, _, port = service.url.removeprefix("http://").partition(":")
    opened: list[socket.socket] = []

    def dial() -> socket.socket:
        opened.append(socket.create_connection((host, int(port)), timeout=10))
        return opened[-1]

    yield dial
    for one in opened:
        one.close()


def send(connection: socket.socket, piece: bytes, times: int = 1) -> None:
    """Sends until it is done or the server has hung up."""
    try:
        for _ in range(times):
            connection.sendall(piece)
    except (BrokenPipeError, ConnectionResetError):
        pass


def answer_of(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """(status, headers, body) of all that arrives until the server closes."""
    received = b""
    try:
        while piece := connection.recv(65_536):
            received += piece
    except ConnectionResetError:
        pass
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(status.split()[1]) if status else 0, headers, body


def assert_problem(connection: socket.socket, status: int, code: str) -> None:
    found, headers, body = answer_of(connection)
    assert found == status
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    problem = msgspec.json.decode(body)
    assert (problem["type"], problem["status"]) == (f"/problems/{code}", status)
    assert problem["correlation_id"] == headers["x-correlation-id"]


def refused(service: Service, reason: str) -> float:
    """How many connections were refused for a reason, as `/metrics` has it."""
    token = (service.home / "metrics.token").read_text().strip()
    answer = httpx.get(service.url + "/metrics", headers={"Authorization": f"Bearer {token}"})
    name = f'duebook_http_connections_refused_total{{reason="{reason}"}} '
    return next(
        (
            float(line.removeprefix(name))
            for line in answer.text.splitlines()
            if line.startswith(name)
        ),
        0,
    )


def test_a_request_line_without_end_is_414(dial: Dial) -> None:
    connection = dial()
    send(connection, b"GET /")
    send(connection, b"x" * 65_536, times=100)
    assert_problem(connection, 414, "uri_too_long")


def test_a_header_without_end_is_431_and_others_are_served_meanwhile(
    service: Service, dial: Dial
) -> None:
    connection, before = dial(), refused(service, "headers_too_large")
    send(connection, GET + b"X-Long: ")
    send(connection, b"y" * 65_536, times=200)
    started = time.monotonic()
    assert httpx.get(service.url + "/health/live").status_code == 200
    assert time.monotonic() - started < 5
    assert_problem(connection, 431, "headers_too_large")
    assert refused(service, "headers_too_large") == before + 1


def test_too_many_headers_are_431(dial: Dial) -> None:
    connection = dial()
    send(connection, GET + b"".join(b"X-%d: 1\r\n" % n for n in range(MAX_HEADERS)) + b"\r\n")
    assert_problem(connection, 431, "headers_too_large")


def test_as_many_headers_as_are_allowed_are_read(dial: Dial) -> None:
    connection = dial()
    few = MAX_HEADERS - 2
    send(
        connection,
        GET + b"".join(b"X-%d: 1\r\n" % n for n in range(few)) + b"Connection: close\r\n\r\n",
    )
    assert answer_of(connection)[0] == 200


def test_a_head_just_below_the_limit_is_read_in_any_pieces(dial: Dial) -> None:
    connection = dial()
    head = GET + b"Connection: close\r\nX-Long: "
    head += b"z" * (MAX_HEAD_BYTES - len(head) - 4) + b"\r\n\r\n"
    for at in range(0, len(head), 5_000):
        send(connection, head[at : at + 5_000])
    assert answer_of(connection)[0] == 200


def test_a_length_that_is_too_large_is_413_before_the_body_comes(
    service: Service, dial: Dial
) -> None:
    tenant_id = service.new_tenant()
    _, key = service.new_key(tenant_id)
    connection = dial()
    send(
        connection,
        b"POST /api/customers HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        + f"Authorization: Bearer {key}\r\nConnection: close\r\n".encode()
        + b"Content-Length: 1000000001\r\n\r\n{",
    )
    assert re.match(rb"HTTP/1.1 413 ", connection.recv(100))


@pytest.mark.parametrize(
    "sent",
    [b"NONSENSE\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x00\xa5\x01", b"GET /\xff\r\n"],
)
def test_what_is_no_http_is_a_problem_with_a_correlation_id(dial: Dial, sent: bytes) -> None:
    connection = dial()
    send(connection, sent)
    assert_problem(connection, 400, "malformed")


@pytest.mark.parametrize("sent", [b"", b"GET /heal", GET + b"X-Long: a", b"\r\n"], ids=repr)
def test_a_silent_connection_is_closed(
    dial: Dial, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(connection_limits, "HEAD_SECONDS", 0.3)
    connection = dial()
    send(connection, sent)
    started = time.monotonic()
    assert_problem(connection, 408, "request_timed_out")
    assert time.monotonic() - started < 5


def test_a_line_break_after_an_answer_keeps_no_connection(
    dial: Dial, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = dial()
    send(connection, GET + b"\r\n")
    assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
    monkeypatch.setattr(connection_limits, "HEAD_SECONDS", 0.3)
    send(connection, b"\r\n")
    assert_problem(connection, 408, "request_timed_out")


def test_a_trickle_does_not_move_the_deadline(dial: Dial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_limits, "HEAD_SECONDS", 0.5)
    connection = dial()
    send(connection, GET)
    started = time.monotonic()
    connection.settimeout(0.05)
    while time.monotonic() - started < 5:
        send(connection, b"X-A: b\r\n")
        try:
            assert connection.recv(100).startswith(b"HTTP/1.1 408 ")
            break
        except TimeoutError:
            continue
    assert time.monotonic() - started < 3


def test_a_body_that_does_not_come_ends_the_connection(
    service: Service, dial: Dial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_limits, "BODY_SECONDS", 0.3)
    _, key = service.new_key(service.new_tenant())
    connection = dial()
    send(
        connection,
        b"POST /api/customers HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
        + f"X-Api-Key: {key}\r\n\r\n".encode()
        + b'{"name"',
    )
    assert_problem(connection, 408, "request_timed_out")


def test_requests_in_a_row_on_one_connection_are_answered(dial: Dial) -> None:
    connection = dial()
    send(connection, (GET + b"\r\n") * 20 + GET + b"Connection: close\r\n\r\n")
    received = b""
    while piece := connection.recv(65_536):
        received += piece
    assert received.count(b"HTTP/1.1 200 OK") == 21


def test_more_connections_than_there_is_room_for_are_refused_and_counted(
    service: Service, dial: Dial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_limits, "max_connections", lambda: 3)
    many = [dial() for _ in range(12)]
    assert_problem(many[-1], 503, "too_many_connections")
    for one in many:
        one.close()
    monkeypatch.undo()
    assert refused(service, "too_many_connections") >= 1
    assert httpx.get(service.url + "/health/live").status_code == 200


def test_refusals_are_logged_together(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(connection_limits, "monotonic", lambda: now[0])
    refusals = Refusals(RequestMetrics(), "")
    error = connection_limits.Malformed("no HTTP")
    with caplog.at_level(logging.WARNING, "duebook.http"):
        for _ in range(50):
            refusals.add(error)
        now[0] += 11
        refusals.add(error)
    assert [record.args[0] for record in caplog.records if record.args] == [1, 50]


def test_room_is_kept_for_the_database_and_files(monkeypatch: pytest.MonkeyPatch) -> None:
    for soft, expected in ((256, 156), (1_024, 924), (100, 16), (1_000_000, 4_096)):
        monkeypatch.setattr(
            connection_limits.resource, "getrlimit", lambda _, soft=soft: (soft, soft)
        )
        assert connection_limits.max_connections() == expected
