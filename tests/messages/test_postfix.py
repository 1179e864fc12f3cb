"""A real mail server: what it reports about messages that were sent through it, and hands over by LMTP and SMTP."""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.messages.intake.server import IntakeServer
from adapters.settings import MailIntake
from ledger.customer import Customer
from ledger.message import Message
from tests.messages.conftest import Shop
from tests.messages.mail_server import MailServer
from tests.messages.postfix import can_run, running_postfix
from tests.messages.test_smtp import DUE, Office
from tests.messages.test_smtp import office as office

pytestmark = pytest.mark.skipif(
    not can_run() and not os.environ.get("CI"), reason="needs postfix, and the right to start it"
)
REPORTED_SECONDS = 30.0


@pytest.fixture
def home() -> Iterator[Path]:
    # Postfix keeps sockets there, whose paths must be short.
    with tempfile.TemporaryDirectory(prefix="postfix-", dir="/tmp") as folder:
        yield Path(folder)


def wait_for(shop: Shop, states: dict[str, str]) -> dict[str, Message]:
    """The messages by the recipient's name, once they are in these states, or after half a minute."""
    give_up_at = time.monotonic() + REPORTED_SECONDS
    while True:
        found = {shop.name_of(message.customer_id): message for _, message in shop.messages()}
        if {name: message.state for name, message in found.items()} == states:
            return found
        assert time.monotonic() < give_up_at, {name: one.state for name, one in found.items()}
        time.sleep(0.2)


@pytest.mark.parametrize("protocol", ["lmtp", "smtp"])
def test_a_mail_server_reports_what_became_of_messages(
    office: Office, home: Path, protocol: str
) -> None:
    shop = office.shop
    intake = IntakeServer(shop.books, MailIntake(protocol, "127.0.0.1", 0))
    reports_to = intake.start()
    try:
        with MailServer() as far:
            far.by_domain["gone.example"] = "550 5.1.1 <ann@gone.example>: no such user"
            far.by_domain["policy.example"] = "550 5.7.1 blocked"
            where = f"smtp:[127.0.0.1]:{far.port}"
            transports = {
                "far.example": where,
                "gone.example": where,
                "policy.example": where,
                "bounces.shop.example": f"{protocol}:[127.0.0.1]:{reports_to}".replace(
                    "lmtp:[127.0.0.1]", "lmtp:inet:127.0.0.1"
                ),
            }
            with running_postfix(home, transports) as port:
                office.add(port, return_domain="bounces.shop.example", receipts=True)
                for name in ("here", "far", "gone", "policy"):
                    shop.invoice(shop.customer(name, f"ann@{name}.example"), DUE)
                shop.today = DUE
                shop.night()
                assert office.send().taken == 4
                found = wait_for(
                    shop,
                    {"here": "delivered", "far": "sent", "gone": "bounced", "policy": "bounced"},
                )
    finally:
        intake.stop()
    assert found["gone"].reason == "given back, 5.1.1"
    assert found["policy"].reason == "given back, 5.7.1"
    gone: Customer = shop.state("customer", found["gone"].customer_id)
    policy: Customer = shop.state("customer", found["policy"].customer_id)
    assert gone.reachable == frozenset()
    assert policy.reachable == {"email"}
