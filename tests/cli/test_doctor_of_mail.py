"""`duebook doctor` on messages: senders, the records of their domains (from a name server here), and what waits."""

import socket
import threading
from collections.abc import Callable, Iterator
from datetime import date, timedelta

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest

from adapters.cli.checks import Finding
from adapters.cli.mail_checks import Lookup, check_messages, text_records
from commands.messages import begin_sending, message_failed, message_unknown
from commands.senders import PauseSender, SaveSender, pause_sender, save_sender
from tests.messages.conftest import Shop
from tests.messages.conftest import books as books
from tests.messages.conftest import shop as shop

DUE = date(2026, 3, 11)
Zone = dict[str, list[str]]


class NameServer:
    """Answers TXT queries from a dictionary, over UDP on loopback."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def lookup(self) -> Lookup:
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = self._socket.getsockname()[1]
        return text_records(resolver)

    def close(self) -> None:
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            raw, sender = self._socket.recvfrom(4096)
            if not raw:
                return
            query = dns.message.from_wire(raw)
            answer = dns.message.make_response(query)
            name = query.question[0].name
            texts = self._zone.get(str(name).rstrip("."))
            if texts is None:
                answer.set_rcode(dns.rcode.NXDOMAIN)
            elif texts:
                said = [f'"{text}"' for text in texts]
                answer.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", *said))
            self._socket.sendto(answer.to_wire(), sender)


@pytest.fixture
def serving() -> Iterator[Callable[[Zone], Lookup]]:
    running: list[NameServer] = []

    def serve(zone: Zone) -> Lookup:
        running.append(NameServer(zone))
        return running[-1].lookup()

    yield serve
    for one in running:
        one.close()


def findings(shop: Shop, look_up: Lookup) -> list[Finding]:
    shop.books.projections.catch_up()
    with shop.books.database.writer.connection() as connection:
        return list(check_messages(shop.books, connection, look_up))


def nothing(name: str) -> list[str]:
    raise AssertionError("nobody is asked about a domain that nobody sends from")


def add_sender(shop: Shop, **fields: object) -> None:
    command = SaveSender("main", "smtp.shop.example", 587, "billing@shop.example", **fields)  # type: ignore[arg-type]
    kept = shop.books.secrets.keep(shop.tenant_id, "key") if command.dkim_selector else None
    shop.ask(lambda unit: save_sender(unit, command, dkim_secret_id=kept))


def test_nothing_is_wrong_where_nothing_is_set_up(shop: Shop) -> None:
    assert all(one.ok for one in findings(shop, nothing))


def test_records_that_are_missing_are_named(shop: Shop, serving: Callable[[Zone], Lookup]) -> None:
    add_sender(shop, dkim_selector="s2026", return_domain="bounces.shop.example")
    zone: Zone = {
        "bounces.shop.example": ["v=spf1 ip4:192.0.2.7 -all", "something else"],
        "_dmarc.shop.example": [],
    }
    wrong = [one.detail for one in findings(shop, serving(zone)) if not one.ok]
    assert wrong == [
        "DMARC of _dmarc.shop.example: there is none",
        "DKIM of s2026._domainkey.shop.example: there is none",
    ]
    zone["_dmarc.shop.example"] = ["v=DMARC1; p=quarantine"]
    zone["s2026._domainkey.shop.example"] = ["v=DKIM1; k=rsa; p=MIIB"]
    assert all(one.ok for one in findings(shop, serving(zone)))
    zone["bounces.shop.example"].append("v=spf1 -all")
    wrong = [one.detail for one in findings(shop, serving(zone)) if not one.ok]
    assert wrong == ["SPF of bounces.shop.example: 2 records"]


def test_without_a_network_records_are_skipped(shop: Shop) -> None:
    add_sender(shop)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = silent.getsockname()[1]
        found = findings(shop, text_records(resolver))
    assert all(one.ok for one in found)
    assert any("skipped: no name server answers" in one.detail for one in found)


def test_a_paused_sender_is_told(shop: Shop) -> None:
    add_sender(shop)
    shop.ask(lambda unit: pause_sender(unit, "main", PauseSender("moving")))
    (wrong,) = [one for one in findings(shop, lambda name: ["v=spf1 v=DMARC1"]) if not one.ok]
    assert wrong.detail == "main of Corner Shop: moving"
    assert "sender resume" in wrong.what_to_do


@pytest.mark.parametrize(
    ("public_url", "ok"),
    [
        ("http://127.0.0.1:8000", False),
        ("http://[::1]:8000", False),
        ("http://localhost", False),
        ("https://duebook.example.com", True),
        ("", True),
    ],
)
def test_links_that_open_nowhere_else_are_told(shop: Shop, public_url: str, ok: bool) -> None:
    shop.books.links.public_url = public_url
    assert all(one.ok for one in findings(shop, nothing))
    add_sender(shop)
    found = {one.check: one for one in findings(shop, lambda name: ["v=spf1 v=DMARC1"])}
    assert found["links"].ok is ok


def test_what_waits_and_what_is_unknown_are_told(shop: Shop) -> None:
    shop.activate()
    for name in ("ann", "bob", "eve"):
        shop.invoice(shop.customer(name, f"{name}@example.com"), DUE)
    shop.today = DUE
    shop.night()
    ids = [message_id for message_id, _ in shop.messages()]
    for message_id in ids[:2]:
        begun = shop.ask(
            lambda unit, one=message_id: begin_sending(unit, one, "main", recognises_repeats=False)
        )
        number = begun["attempt"]
        if message_id == ids[0]:
            shop.ask(lambda unit, n=number: message_unknown(unit, ids[0], n, "lost"))
        else:
            shop.ask(lambda unit, n=number: message_failed(unit, ids[1], n, "no", for_good=True))
    found = {one.check: one for one in findings(shop, nothing)}
    assert (found["unknown messages"].ok, found["unknown messages"].detail) == (
        False,
        "Corner Shop: 1",
    )
    assert "settle" in found["unknown messages"].what_to_do
    assert found["dead-lettered messages"].ok
    assert found["dead-lettered messages"].detail == "Corner Shop: 1"
    waiting = found["messages that wait"]
    is_old = date.today() - timedelta(days=2) > DUE
    assert (waiting.ok, waiting.detail.startswith("Corner Shop: 1 since")) == (not is_old, is_old)
