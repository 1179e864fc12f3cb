"""The server as a process: it starts, refuses a taken address, and stops without dropping a request."""

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from adapters.http.app import serve
from adapters.postgres.connection import owner_connection
from tests.http.conftest import Clients, Service

SERVING = """
import logging, sys
from adapters.http.app import serve
from adapters.postgres.connection import connect_database
from adapters.wiring import Books
logging.basicConfig(level=sys.argv[3])
with connect_database(sys.argv[1], bytes.fromhex(sys.argv[2]), pool_size=4) as database:
    with Books(database) as books:
        serve(books, "127.0.0.1", 0, ready=lambda host, port: print(port, flush=True))
print("closed", flush=True)
"""


@contextlib.contextmanager
def process(service: Service, level: str = "INFO") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server of its own over the service's database, and its URL."""
    database = service.books.database
    arguments = [database.admin_url, database.master_key.hex(), level]
    server = subprocess.Popen(
        [sys.executable, "-c", SERVING, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with server:
        try:
            assert server.stdout is not None
            port = server.stdout.readline().strip()
            yield server, f"http://127.0.0.1:{port}"
        finally:
            if server.poll() is None:
                server.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_under_way_is_answered_before_it_stops(
    service: Service, clients: Clients, number: signal.Signals
) -> None:
    client = clients()
    with process(service) as (server, url), ThreadPoolExecutor(1) as threads:
        client.base_url = httpx.URL(url)
        assert client.get("/api/tenant").status_code == 200
        with owner_connection(service.books.database) as other, other.transaction():
            other.execute("SELECT 1 FROM log_head FOR UPDATE")  # no command can commit meanwhile
            posted = threads.submit(client.post, "/api/customers", json={"name": "Ann"})
            time.sleep(0.3)
            server.send_signal(number)
            time.sleep(0.3)
            assert server.poll() is None
        assert posted.result().status_code == 201
        out, err = server.communicate(timeout=20)
    assert server.returncode == 0
    assert out == "closed\n", "what surrounds the server was closed too"
    lines = [line for line in err.splitlines() if " correlation=" in line]
    assert [line.split()[1:4] for line in lines] == [
        ["GET", "/api/tenant", "200"],
        ["POST", "/api/customers", "201"],
    ]
    assert f"tenant={client.tenant_id}" in lines[0]
    assert "Ann" not in err
    assert client.key not in err


def test_the_access_log_follows_the_log_level(service: Service, clients: Clients) -> None:
    client = clients()
    with process(service, "WARNING") as (server, url):
        client.base_url = httpx.URL(url)
        assert client.get("/api/tenant").status_code == 200
        server.send_signal(signal.SIGTERM)
        _, err = server.communicate(timeout=20)
    assert "/api/tenant" not in err


def test_an_address_in_use_is_refused(service: Service) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        serve(service.books, "127.0.0.1", taken.getsockname()[1])
