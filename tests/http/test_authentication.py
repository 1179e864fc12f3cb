"""Keys and roles."""

import asyncio
from hashlib import sha256
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from adapters.http import authentication
from adapters.http.authentication import Authenticator
from adapters.http.middleware import RequestContext
from adapters.http.problem_details import NoValidKey
from adapters.http.read_pool import ReadPool
from commands.tenants import revoke_key
from tests.http.conftest import Clients, Service


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Api-Key": ""},
        {"X-Api-Key": "dbk_unknown"},
        {"X-Tenant-Id": "not an id"},
        {"X-Tenant-Id": str(uuid4())},
    ],
)
def test_a_request_without_a_valid_key_is_refused(
    clients: Clients, headers: dict[str, str]
) -> None:
    answer = clients().get("/api/tenant", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["type"] == "/problems/no_valid_key"
    assert "WWW-Authenticate" in answer.headers


def anonymous(service: Service, **headers: str) -> httpx.Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.get(service.url + "/api/tenant", headers=names)


def test_a_bearer_key_is_enough(service: Service, clients: Clients) -> None:
    client = clients()
    for headers in (
        {"Authorization": f"Bearer {client.key}"},
        {"Authorization": f"bearer {client.key}"},
        {"X_Api_Key": client.key},
        {"Authorization": f"Bearer {client.key}", "X_Tenant_Id": str(client.tenant_id)},
        {"Authorization": f"Bearer {client.key}", "X_Api_Key": client.key},
    ):
        answer = anonymous(service, **headers)
        assert answer.status_code == 200, (headers, answer.text)
        assert answer.json()["id"] == str(client.tenant_id)


def test_a_key_of_another_tenant_or_another_scheme_is_refused(
    service: Service, clients: Clients
) -> None:
    one, other = clients(), clients()
    for headers in (
        {"Authorization": f"Bearer {one.key}", "X_Tenant_Id": str(other.tenant_id)},
        {"Authorization": f"Bearer {one.key}", "X_Tenant_Id": f"{{{one.tenant_id}}}"},
        {"Authorization": f"Bearer {one.key}", "X_Tenant_Id": f"urn:uuid:{one.tenant_id}"},
        {"Authorization": f"Bearer {one.key}", "X_Api_Key": other.key},
        {"Authorization": f"Basic {one.key}"},
        {"Authorization": one.key},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer dbk_unknown"},
    ):
        answer = anonymous(service, **headers)
        assert answer.status_code == 401, headers
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="duebook"'


def test_a_revoked_bearer_key_is_unknown(service: Service, clients: Clients) -> None:
    client = clients()
    service.books.run(client.tenant_id, "test", lambda unit: revoke_key(unit, client.key_id))
    assert anonymous(service, Authorization=f"Bearer {client.key}").status_code == 401


def test_the_api_learns_a_tenant_from_a_whole_hash_only(service: Service, clients: Clients) -> None:
    """The function that looks past row-level security takes a hash, and lists nothing."""
    client = clients()
    with service.books.database.api.connection() as connection:
        key_hash = sha256(client.key.encode()).digest()
        found = connection.execute("SELECT duebook.tenant_of_key(%s)", (key_hash,)).fetchone()
        assert found == (client.tenant_id,)
        for other in (key_hash[:31], b"", None):
            assert connection.execute("SELECT duebook.tenant_of_key(%s)", (other,)).fetchone() == (
                None,
            )
        assert connection.execute("SELECT count(*) FROM duebook.api_keys").fetchone() == (0,)


def test_a_revoked_key_is_out_within_seconds(
    service: Service, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = clients()
    assert client.get("/api/tenant").status_code == 200
    service.books.run(client.tenant_id, "test", lambda unit: revoke_key(unit, client.key_id))
    later = monotonic() + 2.1
    monkeypatch.setattr(authentication, "monotonic", lambda: later)
    assert client.get("/api/tenant").status_code == 401


READS = ["/api/tenant", "/api/fee-policies", "/api/reference-rates", "/api/events"]
CHANGES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/api/customers", {"name": "Ann"}),
    ("PATCH", "/api/tenant", {"calendar": "none"}),
    ("POST", "/api/fee-policies", {"late_fee": "2%"}),
    ("POST", "/api/reference-rates", {"name": "ecb", "from_on": "2024-01-01", "rate": "0"}),
]


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize("role", ["auditor", "operator", "administrator"])
def test_every_role_reads(clients: Clients, role: str, path: str) -> None:
    assert clients(role=role).get(path).status_code == 200


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
@pytest.mark.parametrize("role", ["auditor", "operator", "administrator"])
def test_who_may_change_what(
    clients: Clients, role: str, method: str, path: str, body: dict[str, Any]
) -> None:
    answer = clients(role=role).request(method, path, json=body)
    settings = path != "/api/customers"
    allowed = role == "administrator" or (role == "operator" and not settings)
    if allowed:
        assert answer.status_code in (200, 201)
    else:
        assert answer.status_code == 403
        assert answer.json()["type"] == "/problems/role_not_allowed"


def test_an_operator_voids_drafts_and_no_sent_invoice(clients: Clients) -> None:
    administrator = clients()
    operator = clients(administrator.tenant_id, "operator")
    draft, sent = administrator.draft(), administrator.sent()
    reason = {"reason": "billed twice"}
    assert operator.post(f"/api/invoices/{draft}/void", json=reason).status_code == 200
    refused = operator.post(f"/api/invoices/{sent}/void", json=reason)
    assert refused.status_code == 403
    assert refused.json()["type"] == "/problems/role_not_allowed"
    assert administrator.get(f"/api/invoices/{sent}").json()["status"] == "sent"
    done = administrator.post(f"/api/invoices/{sent}/void", json=reason)
    assert done.json()["status"] == "void"


def test_a_key_is_looked_up_once_for_many_requests(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant_id = service.new_tenant()
    key_id, key = service.new_key(tenant_id, "auditor")
    context = RequestContext(api_key=key.encode(), tenant_id=str(tenant_id).encode())
    looked_up: list[Any] = []

    async def run() -> None:
        read_pool = ReadPool(service.books)
        authenticator = Authenticator(service.books, read_pool)
        look_up = authenticator._look_up

        def counted(wanted: tuple[bytes, bytes]) -> Any:
            looked_up.append(wanted)
            return look_up(wanted)

        monkeypatch.setattr(authenticator, "_look_up", counted)
        callers = await asyncio.gather(*(authenticator.authenticate(context) for _ in range(20)))
        assert {principal.key_id for principal in callers} == {key_id}
        assert {principal.role for principal in callers} == {"auditor"}
        assert callers[0].actor == f"key:{key_id}"
        await authenticator.authenticate(context)
        assert len(looked_up) == 1
        monkeypatch.setattr(authentication, "monotonic", lambda: 1e12)
        await authenticator.authenticate(context)
        assert len(looked_up) == 2
        read_pool.close()

    asyncio.run(run())


def test_a_failed_look_up_is_not_remembered(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant_id = service.new_tenant()
    _, key = service.new_key(tenant_id)
    context = RequestContext(api_key=key.encode(), tenant_id=str(tenant_id).encode())

    async def run() -> None:
        read_pool = ReadPool(service.books)
        authenticator = Authenticator(service.books, read_pool)

        def broken(_: Any) -> None:
            raise OSError("away")

        with monkeypatch.context() as patch:
            patch.setattr(authenticator, "_look_up", broken)
            with pytest.raises(OSError, match="away"):
                await authenticator.authenticate(context)
        assert (await authenticator.authenticate(context)).tenant_id == UUID(str(tenant_id))
        with pytest.raises(NoValidKey):
            await authenticator.authenticate(
                RequestContext(api_key=b"other", tenant_id=context.tenant_id)
            )
        read_pool.close()

    asyncio.run(run())
