"""Sending over SMTP to a server on loopback: what its answers lead to, from the first byte to the recorded event."""

import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from email import message_from_bytes, policy
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from adapters.messages.roster import Roster
from adapters.messages.smtp.sender import SmtpSender
from adapters.settings import Settings
from adapters.store.outbox import PostgresOutbox
from commands.customers import ChangeCustomer, change_customer
from commands.senders import PauseSender, SaveSender, pause_sender, resume_sender, save_sender
from commands.tenants import ConfigureTenant, configure_tenant
from ledger.customer import Customer
from ledger.message import Message
from ledger.sender import MailSender, stream_id
from schedulers.outbox import Outbox
from schedulers.sending import Round
from tests.messages.conftest import Shop, text_of
from tests.messages.mail_server import DROP, MailServer

DUE = date(2026, 3, 11)
SENT_FROM = "billing@shop.example"


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer() as started:
        yield started


class Office:
    """A shop that sends through mail servers, and what it counts."""

    def __init__(self, shop: Shop, home: Any) -> None:
        self.shop = shop
        settings = Settings(
            home=home, master_key_file=home / "key", public_url="", private_addresses="allow"
        )
        self.roster = Roster(shop.books.database.writer, shop.books.secrets, settings)
        shop.activate()

    def add(self, port: int, key: str = "main", **more: Any) -> UUID:
        fields = {"security": "none", "connections": 1, "pause_ms": 0} | more
        command = SaveSender(key, "127.0.0.1", port, SENT_FROM, **fields)
        self.shop.ask(lambda unit: save_sender(unit, command))
        return stream_id(self.shop.tenant_id, key)

    def queue(self, count: int = 1, domain: str = "example.com") -> list[UUID]:
        customers = [self.shop.customer(f"C{n}", f"c{n}@{domain}") for n in range(count)]
        for customer_id in customers:
            self.shop.invoice(customer_id, DUE)
        self.shop.today = DUE
        self.shop.night()
        return customers

    def worker(self) -> Outbox:
        return Outbox(self.outbox(), self.roster.of, lambda: self.shop.now)

    def outbox(self) -> PostgresOutbox:
        books = self.shop.books
        return PostgresOutbox(
            books.database.writer,
            books.writer,
            books.cipher,
            books.links,
            lambda: self.shop.now,
        )

    def send(self) -> Round:
        return self.worker().send_waiting()

    def wait_for_slowed_domains(self) -> None:
        """Until the database's clock has reached the moments of domains that were slowed."""
        with self.shop.books.database.writer.connection() as connection:
            connection.execute(
                "SELECT pg_sleep(max(extract(epoch FROM next_at - clock_timestamp())) + 0.01)"
                "  FROM sending_rates WHERE next_at > clock_timestamp()"
            )

    def one(self) -> Message:
        ((_, message),) = self.shop.messages()
        return message

    def sender(self, key: str = "main") -> MailSender:
        found: MailSender = self.shop.state("sender", stream_id(self.shop.tenant_id, key))
        return found

    def tasks(self) -> list[Any]:
        return [
            self.shop.state("task", one.stream_id) for one in self.shop.events("task.opened.v1")
        ]


@pytest.fixture
def office(shop: Shop, tmp_path: Any) -> Office:
    return Office(shop, tmp_path)


def test_a_mail_arrives(office: Office, server: MailServer) -> None:
    office.add(server.port)
    office.queue()
    assert office.send() == Round(taken=1)
    (mail,) = server.mails
    assert (mail.sent_from, mail.to) == (SENT_FROM, ["c0@example.com"])
    read: Any = message_from_bytes(mail.content, policy=policy.SMTP)
    ((message_id, message),) = office.shop.messages()
    assert read["Message-ID"] == f"<{message_id}@shop.example>"
    assert read["From"] == f"Corner Shop <{SENT_FROM}>"
    assert "EUR 100.00" in text_of(read)
    assert (message.state, message.sender, message.reference) == (
        "sent",
        "main",
        "2.0.0 queued as 1",
    )
    assert office.send() == Round()


@pytest.mark.parametrize(
    ("command", "answer", "state", "attempts"),
    [
        ("rcpt", "451 4.3.0 later", "queued", 1),
        ("rcpt", "450 4.7.1 greylisted", "queued", 1),
        ("rcpt", "552 5.2.2 full", "queued", 1),
        ("dot", "452 4.2.2 full", "queued", 1),
        ("rcpt", "550 5.7.1 policy", "dead_lettered", 1),
        ("rcpt", "550 5.1.1 no such user", "dead_lettered", 1),
        ("data", "554 5.6.0 content", "dead_lettered", 1),
        ("dot", "552 5.3.4 too big", "dead_lettered", 1),
        ("dot", "554 5.7.1 spam", "dead_lettered", 1),
        ("rcpt", DROP, "queued", 1),
        ("dot", DROP, "unknown", 1),
        ("data", DROP, "unknown", 1),
        ("dot", "what is that?", "unknown", 1),
        ("dot", "251 2.0.0 taken otherwise", "sent", 1),
        ("rcpt", "421 4.7.0 too much", "queued", 0),
        ("dot", "454 4.7.0 too much", "queued", 0),
        ("mail", "421 4.7.0 too much", "queued", 0),
        ("mail", "550 5.7.1 not yours", "queued", 0),
        ("rcpt", "550 5.1.8 sender refused", "queued", 0),
        ("rcpt", "530 5.7.0 log in", "queued", 0),
    ],
)
def test_what_an_answer_leads_to(
    office: Office, server: MailServer, command: str, answer: str, state: str, attempts: int
) -> None:
    office.add(server.port)
    (customer_id,) = office.queue()
    server.answers[command] = [answer]
    office.send()
    message = office.one()
    assert (message.state, message.attempts) == (state, attempts)
    faulty = answer.startswith(("530", "550 5.1.8")) or (command == "mail" and "550" in answer)
    assert office.sender().state == ("paused" if faulty else "active")
    assert len(office.tasks()) == faulty
    customer: Customer = office.shop.state("customer", customer_id)
    assert customer.undeliverable == (("email",) if "5.1.1 " in answer else ())
    assert len(server.mails) == (state == "sent")
    if message.state == "queued" and not faulty:
        office.shop.minutes += 10
        office.wait_for_slowed_domains()
        assert office.send() == Round(taken=1)
        assert len(server.mails) == 1


def test_an_address_that_does_not_exist_is_not_written_to_until_it_is_changed(
    office: Office, server: MailServer
) -> None:
    office.add(server.port)
    (customer_id,) = office.queue()
    server.answers["rcpt"] = ["550 5.1.1 no such user"]
    office.send()
    office.shop.nights(date(2026, 3, 20))
    assert [step for _, step, _ in office.shop.told()] == ["due"]
    change = ChangeCustomer(email="right@example.com")
    office.shop.ask(lambda unit: change_customer(unit, customer_id, change))
    office.shop.nights(date(2026, 3, 31))
    assert [step for _, step, _ in office.shop.told()] == ["due", "d7", "d15"]


def test_a_connection_that_the_server_closed_meanwhile_uses_no_attempt(
    office: Office, server: MailServer
) -> None:
    office.add(server.port)
    office.queue(2)
    server.answers["dot"] = ["250 2.0.0 ok"]
    server.answers["mail"] = ["250 2.1.0 ok", DROP]
    assert office.send() == Round(taken=2)
    assert server.connections == 2
    assert [message.attempts for _, message in office.shop.messages()] == [1, 1]


def test_a_server_that_is_down_leaves_no_event(office: Office) -> None:
    with MailServer() as closed:
        port = closed.port
    office.add(port)
    office.queue()
    worker = office.worker()
    assert worker.send_waiting() == Round()
    message = office.one()
    assert (message.state, message.begun) == ("queued", 0)
    assert office.sender().state == "active"


def test_a_server_that_refuses_at_its_door_leaves_no_event(
    office: Office, server: MailServer
) -> None:
    office.add(server.port)
    office.queue()
    server.answers["connect"] = ["554 5.7.1 not you"]
    assert office.send() == Round()
    assert (office.one().begun, office.sender().state, len(office.tasks())) == (0, "paused", 1)


def test_another_sender_takes_over(office: Office, server: MailServer) -> None:
    with MailServer() as second:
        office.add(server.port, "first")
        office.add(second.port, "second")
        office.queue(4)
        server.answers["mail"] = ["550 5.7.1 not yours"] * 9
        office.send()
        assert len(second.mails) == 4
        assert office.sender("first").state == "paused"
        assert len(office.tasks()) == 1


def test_senders_take_turns(office: Office, server: MailServer) -> None:
    with MailServer() as second:
        office.add(server.port, "first")
        office.add(second.port, "second")
        office.queue(10)
        assert office.send() == Round(taken=10)
        assert min(len(server.mails), len(second.mails)) >= 3


def test_messages_wait_for_a_paused_sender(office: Office, server: MailServer) -> None:
    office.add(server.port)
    office.queue()
    office.shop.ask(lambda unit: pause_sender(unit, "main", PauseSender("moving house")))
    assert office.send() == Round()
    assert office.one().begun == 0
    office.shop.ask(lambda unit: resume_sender(unit, "main"))
    assert office.send() == Round(taken=1)


def test_a_slow_domain_keeps_no_other_waiting(office: Office, server: MailServer) -> None:
    office.add(server.port)
    slow = [office.shop.customer(f"S{n}", f"s{n}@slow.example") for n in range(5)]
    fast = [office.shop.customer(f"F{n}", f"f{n}@fast.example") for n in range(5)]
    for customer_id in (*slow, *fast):
        office.shop.invoice(customer_id, DUE)
    office.shop.today = DUE
    office.shop.night()
    server.by_domain["slow.example"] = "421 4.7.0 too much"
    worker = office.worker()
    worker.send_waiting()
    assert {mail.to[0] for mail in server.mails} == {f"f{n}@fast.example" for n in range(5)}
    assert all(message.attempts <= 1 for _, message in office.shop.messages())
    assert server.commands.count("rcpt") <= 5 + 2
    del server.by_domain["slow.example"]
    for _ in range(10):
        office.wait_for_slowed_domains()
        office.shop.minutes += 1
        worker.send_waiting()
        if len(server.mails) == 10:
            break
    assert len(server.mails) == 10
    assert all(message.attempts == 1 for _, message in office.shop.messages())


def test_a_limit_holds_in_every_second_over_three_workers(
    office: Office, server: MailServer
) -> None:
    office.add(server.port, connections=5, max_per_second=20)
    office.queue(70)
    with ThreadPoolExecutor(3) as workers:
        rounds = list(workers.map(lambda _: office.worker().send_waiting(), range(3)))
    assert sum(one.taken for one in rounds) == 70
    moments = sorted(mail.at for mail in server.mails)
    busiest = max(sum(begin <= moment < begin + 1 for moment in moments) for begin in moments)
    assert busiest <= 20
    # It is used, too: 70 messages a twentieth of a second apart, and a tenth more.
    assert moments[-1] - moments[0] < 70 / 20 * 1.1 * 3


def test_a_tenants_limit_holds_over_its_senders_and_workers(
    office: Office, server: MailServer
) -> None:
    office.add(server.port, connections=3, max_per_second=40)
    office.add(server.port, key="second", connections=3)
    limit = ConfigureTenant(max_messages_per_second=20)
    office.shop.ask(lambda unit: configure_tenant(unit, limit))
    office.queue(50)
    with ThreadPoolExecutor(2) as workers:
        rounds = list(workers.map(lambda _: office.worker().send_waiting(), range(2)))
    assert sum(one.taken for one in rounds) == 50
    moments = sorted(mail.at for mail in server.mails)
    assert max(sum(begin <= moment < begin + 1 for moment in moments) for begin in moments) <= 20
    assert len({one.sender for _, one in office.shop.messages()}) == 2


def test_a_message_takes_one_moment_in_the_limits_of_its_sender_and_of_its_tenant(
    office: Office, server: MailServer
) -> None:
    """However far the other sender has filled the tenant's moments, each rate keeps its distance."""
    office.add(server.port, max_per_second=1)
    office.add(server.port, key="fast")
    office.shop.books.projections.catch_up()
    slow, fast = sorted(
        office.roster.of(office.shop.tenant_id), key=lambda one: -one.max_per_second
    )
    store, tenant_id = office.outbox(), office.shop.tenant_id
    taken = [(one, store.slot(tenant_id, one, 4)) for one in (fast, fast, slow, fast, slow, slow)]
    late = 0.05
    every = [slot.earliest for _, slot in taken]
    assert all(after - before >= 1 / 4 - late for before, after in pairwise(every))
    own = [slot.earliest for one, slot in taken if one is slow]
    assert all(after - before >= 1 - late for before, after in pairwise(own))
    assert all(slot.latest - slot.earliest >= 0 for _, slot in taken)


def test_a_connection_rests_between_messages(office: Office, server: MailServer) -> None:
    office.add(server.port, pause_ms=200)
    office.queue(4)
    assert office.send() == Round(taken=4)
    moments = sorted(mail.at for mail in server.mails)
    assert all(later - before >= 0.19 for before, later in pairwise(moments))


def test_workers_send_each_message_once(office: Office, server: MailServer) -> None:
    office.add(server.port, connections=3)
    office.queue(60)
    with ThreadPoolExecutor(2) as workers:
        rounds = list(workers.map(lambda _: office.worker().send_waiting(), range(2)))
    assert sum(one.taken for one in rounds) == 60
    recipients = [mail.to[0] for mail in server.mails]
    assert len(recipients) == len(set(recipients)) == 60


def test_workers_lease_different_messages_at_the_same_moment(office: Office) -> None:
    """None finds nothing because another is leasing: it would think that nothing waits."""
    office.queue(60)
    with ThreadPoolExecutor(6) as workers:
        leased = list(
            workers.map(
                lambda store: store.lease(office.shop.tenant_id, 10),
                [office.outbox() for _ in range(6)],
            )
        )
    assert [len(one) for one in leased] == [10] * 6
    assert len({waiting.message_id for one in leased for waiting in one}) == 60
    assert office.outbox().lease(office.shop.tenant_id, 10) == []


def test_stopping_ends_after_the_messages_that_are_being_sent(
    office: Office, server: MailServer
) -> None:
    office.add(server.port, pause_ms=100)
    office.queue(20)
    stopped = threading.Event()
    threading.Timer(0.5, stopped.set).start()
    done = office.worker().send_waiting(stopped.is_set)
    assert 0 < done.taken < 20
    assert done.taken == len(server.mails)
    states = [message.state for _, message in office.shop.messages()]
    assert states.count("sent") == done.taken
    assert states.count("queued") == 20 - done.taken
    # The leases were given back: another worker goes on at once.
    assert office.send() == Round(taken=20 - done.taken)


def test_a_private_address_is_refused(office: Office, server: MailServer) -> None:
    sender_id = office.add(server.port)
    office.queue()
    smtp = office.sender().smtp
    office.shop.send(SmtpSender(sender_id, "main", smtp, allow_private=False))
    assert server.connections == 0
    assert office.sender().state == "paused"
    assert "private" in office.sender().reason


class Certificates:
    """A certificate for a name, and who trusts it."""

    def __init__(self, folder: Any, name: str) -> None:
        from datetime import UTC, datetime, timedelta
        from ipaddress import ip_address

        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
        alternative = x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
            .sign(key, hashes.SHA256())
        )
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.load_cert_chain(self.file)
        self.trusting = ssl.create_default_context(cafile=str(self.file))


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_an_encrypted_connection_with_a_login(office: Office, tmp_path: Any, security: str) -> None:
    certificates = Certificates(tmp_path, "127.0.0.1")
    with MailServer(starttls=certificates.server, login=True, tls=security == "tls") as server:
        sender_id = office.add(server.port, security=security, username="ann")
        office.queue()
        sender = SmtpSender(
            sender_id,
            "main",
            office.sender().smtp,
            "secret",
            allow_private=True,
            trust=certificates.trusting,
        )
        assert office.shop.send(sender) == Round(taken=1)
        assert "auth" in server.commands


@pytest.mark.parametrize("fault", ["untrusted", "other name", "not offered", "password"])
def test_a_sender_at_fault_is_paused_before_any_attempt(
    office: Office, tmp_path: Any, fault: str
) -> None:
    name = "127.0.0.2" if fault == "other name" else "127.0.0.1"
    certificates = Certificates(tmp_path, name)
    offered = None if fault == "not offered" else certificates.server
    with MailServer(starttls=offered, login=True) as server:
        sender_id = office.add(server.port, security="starttls", username="ann")
        office.queue(3)
        server.answers["auth"] = ["535 5.7.8 wrong"] * 9
        trust = None if fault == "untrusted" else certificates.trusting
        sender = SmtpSender(
            sender_id, "main", office.sender().smtp, "secret", allow_private=True, trust=trust
        )
        with ThreadPoolExecutor(2) as workers:
            list(workers.map(lambda _: office.shop.send(sender), range(2)))
        assert office.sender().state == "paused"
        assert len(office.tasks()) == 1
        assert all(message.begun == 0 for _, message in office.shop.messages())
        assert server.mails == []
        assert "secret" not in office.sender().reason
