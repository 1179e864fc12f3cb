"""What mails that come back say, as mail servers and providers write them, and what is recorded of it."""

from datetime import date
from uuid import UUID

import pytest

from adapters.messages.intake.receiving import Intake, NotAboutOurs
from adapters.messages.intake.reports import Report, read_report, recipients_of
from commands.customers import ChangeCustomer, change_customer
from commands.message_reports import message_bounced, message_delivered
from commands.messages import (
    SettleMessage,
    begin_sending,
    message_unknown,
    retry_message,
    settle_message,
)
from ledger.customer import Customer
from ledger.message import Message, MessageBeingSent
from tests.messages.conftest import Shop

DUE = date(2026, 3, 11)
DOMAIN = "bounces.shop.example"


def delivery_report(
    action: str = "failed",
    status: str = "5.1.1",
    recipient: str = "ann@example.com",
    more: str = "",
    quoted: str = "",
) -> bytes:
    return f"""From: MAILER-DAEMON@relay.example
To: someone@{DOMAIN}
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

Sorry.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; relay.example

Final-Recipient: rfc822; {recipient}
Action: {action}
Status: {status}
{more}
--b
Content-Type: text/rfc822-headers

{quoted}
--b--
""".replace("\n", "\r\n").encode()


def complaint(kind: str = "abuse", mail_from: str = "", quoted: str = "") -> bytes:
    return f"""From: feedback@provider.example
To: abuse@{DOMAIN}
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: text/plain

A complaint.

--b
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: Provider/1.0
Version: 1
Original-Mail-From: <{mail_from}>

--b
Content-Type: message/rfc822

From: shop@example.com
{quoted}
Subject: A message

Text.
--b--
""".replace("\n", "\r\n").encode()


AWAY = (
    b"From: ann@example.com\r\nAuto-Submitted: auto-replied\r\nSubject: Away\r\n\r\nI am away.\r\n"
)
LETTER = b"From: ann@example.com\r\nSubject: Hm\r\n\r\nWhat is this?\r\n"


@pytest.mark.parametrize(
    ("raw", "kind", "status"),
    [
        (delivery_report(), "bounced", "5.1.1"),
        (delivery_report(status="5.7.1 (policy)"), "bounced", "5.7.1"),
        (
            delivery_report(status="", more="Diagnostic-Code: smtp; 550 5.2.1 no"),
            "bounced",
            "5.2.1",
        ),
        (delivery_report(status="", more="Diagnostic-Code: smtp; 550 no"), "bounced", ""),
        (delivery_report("delivered", "2.0.0"), "delivered", "2.0.0"),
        (delivery_report("Relayed", "2.0.0"), "relayed", "2.0.0"),
        (delivery_report("expanded", "2.0.0"), "relayed", "2.0.0"),
        (delivery_report("delayed", "4.4.1"), "delayed", "4.4.1"),
        (delivery_report("lost"), "unreadable", ""),
        (delivery_report().replace(b"\r\n", b"\n"), "bounced", "5.1.1"),
        (complaint(), "complaint", ""),
        (complaint("not-spam"), "automatic_reply", ""),
        (complaint(""), "unreadable", ""),
        (AWAY, "automatic_reply", ""),
        (b"Precedence: bulk\r\n\r\n", "automatic_reply", ""),
        (LETTER, "unreadable", ""),
        (b"", "unreadable", ""),
        (b"\xff\x00" * 100, "unreadable", ""),
        (b"Content-Type: multipart/report; boundary=b\r\n\r\n--b" * 1_500, "unreadable", ""),
    ],
)
def test_what_mails_say(raw: bytes, kind: str, status: str) -> None:
    report = read_report(raw)
    assert (report.kind, report.status) == (kind, status)


def test_of_several_recipients_the_report_that_says_most_counts() -> None:
    two = "\nFinal-Recipient: rfc822; b@example.com\nAction: failed\nStatus: 5.2.1"
    report = read_report(delivery_report("delivered", "2.0.0", more=two))
    assert (report.kind, report.status, report.recipients) == (
        "bounced",
        "5.2.1",
        ("b@example.com",),
    )


def test_nothing_of_a_stranger_is_kept_but_codes() -> None:
    report = read_report(delivery_report(status="no such <script>", more="Diagnostic-Code: ann"))
    assert report == Report("bounced", recipients=("ann@example.com",))


@pytest.fixture
def sent(shop: Shop) -> UUID:
    message_id = queued(shop)
    assert shop.send().taken == 1
    return message_id


def queued(shop: Shop) -> UUID:
    shop.activate()
    shop.invoice(shop.customer(), DUE)
    shop.today = DUE
    shop.night()
    ((message_id, _),) = shop.messages()
    return message_id


def returned_to(shop: Shop, message_id: UUID) -> str:
    return shop.books.links.return_address(shop.tenant_id, message_id, DOMAIN)


def receive(shop: Shop, raw: bytes, *recipients: str) -> str:
    return Intake(shop.books).receive(raw, recipients).kind


def one(shop: Shop) -> Message:
    ((_, message),) = shop.messages()
    return message


def tasks(shop: Shop) -> int:
    return len(list(shop.events("task.opened.v1")))


def test_a_message_is_given_back_and_its_address_refused(shop: Shop, sent: UUID) -> None:
    address = returned_to(shop, sent)
    for _ in range(2):
        assert receive(shop, delivery_report(), address.upper()) == "bounced"
    message = one(shop)
    assert (message.state, message.reason) == ("bounced", "given back, 5.1.1")
    customer: Customer = shop.state("customer", message.customer_id)
    assert customer.undeliverable == ("email",)
    assert len(list(shop.events("message.bounced.v1", "customer.address_refused.v1"))) == 2


def test_an_address_that_was_changed_meanwhile_is_not_refused(shop: Shop, sent: UUID) -> None:
    customer_id = one(shop).customer_id
    change = ChangeCustomer(email="new@example.com")
    shop.ask(lambda unit: change_customer(unit, customer_id, change))
    receive(shop, delivery_report(), returned_to(shop, sent))
    assert one(shop).state == "bounced"
    assert shop.state("customer", customer_id).undeliverable == ()


def test_one_that_was_given_back_can_be_sent_again(shop: Shop, sent: UUID) -> None:
    receive(shop, delivery_report(status="4.2.2"), returned_to(shop, sent))
    assert shop.state("customer", one(shop).customer_id).undeliverable == ()
    shop.ask(lambda unit: retry_message(unit, sent))
    assert shop.send().taken == 1


def test_reports_come_in_any_order_and_more_than_once(shop: Shop, sent: UUID) -> None:
    address = returned_to(shop, sent)
    for action, state in [
        ("delayed", "sent"),
        ("relayed", "sent"),
        ("delivered", "delivered"),
        ("relayed", "delivered"),
        ("delivered", "delivered"),
        ("failed", "bounced"),
        ("delivered", "bounced"),
        ("failed", "bounced"),
    ]:
        receive(shop, delivery_report(action, "5.0.0"), address)
        assert one(shop).state == state, action
    assert len(list(shop.events("message.delivered.v1", "message.bounced.v1"))) == 2


@pytest.mark.parametrize(
    ("action", "state"), [("delivered", "delivered"), ("relayed", "sent"), ("failed", "bounced")]
)
def test_a_report_settles_an_unknown_one(shop: Shop, action: str, state: str) -> None:
    message_id = unknown(shop)
    receive(shop, delivery_report(action, "2.0.0"), returned_to(shop, message_id))
    assert one(shop).state == state
    assert shop.send().taken == 0


def test_one_that_arrived_is_not_sent_again(shop: Shop) -> None:
    message_id = unknown(shop)
    shop.ask(lambda unit: settle_message(unit, message_id, SettleMessage("not_sent")))
    receive(shop, delivery_report("delivered", "2.0.0"), returned_to(shop, message_id))
    assert one(shop).state == "delivered"
    assert shop.send().taken == 0


def test_a_report_waits_while_the_message_is_being_sent(shop: Shop) -> None:
    message_id = queued(shop)
    shop.ask(lambda unit: begin_sending(unit, message_id, "main", recognises_repeats=False))
    for action in ("failed", "delivered", "relayed"):
        with pytest.raises(MessageBeingSent):
            receive(shop, delivery_report(action), returned_to(shop, message_id))


def test_a_report_about_one_that_was_never_sent_changes_nothing(shop: Shop) -> None:
    message_id = queued(shop)
    shop.ask(lambda unit: message_delivered(unit, message_id))
    shop.ask(lambda unit: message_bounced(unit, message_id, "given back"))
    assert one(shop).state == "queued"


def test_a_complaint_ends_reminders(shop: Shop, sent: UUID) -> None:
    address = returned_to(shop, sent)
    for _ in range(2):
        assert receive(shop, complaint(mail_from=address), f"abuse@{DOMAIN}") == "complaint"
    message = one(shop)
    assert (message.state, message.complaint) == ("sent", "abuse")
    assert shop.state("customer", message.customer_id).opted_out == ("email",)
    assert len(list(shop.events("message.complained.v1"))) == 1


def test_a_complaint_is_known_by_the_mail_it_quotes(shop: Shop, sent: UUID) -> None:
    url = shop.books.links.unsubscribe_url(shop.tenant_id, sent, 0)
    receive(shop, complaint(quoted=f"List-Unsubscribe: <{url}>"), f"abuse@{DOMAIN}")
    assert one(shop).complaint == "abuse"


def test_a_mail_that_cannot_be_read_is_one_task(shop: Shop, sent: UUID) -> None:
    for _ in range(3):
        assert receive(shop, LETTER, returned_to(shop, sent)) == "unreadable"
    assert tasks(shop) == 1
    assert receive(shop, AWAY, returned_to(shop, sent)) == "automatic_reply"
    assert tasks(shop) == 1
    assert one(shop).state == "sent"


def test_a_forged_report_is_refused(shop: Shop, sent: UUID) -> None:
    address = returned_to(shop, sent)
    local, _, domain = address.partition("@")
    other = "a" if local[-1] != "a" else "b"
    link = shop.books.links.unsubscribe_url(shop.tenant_id, sent, 0).rpartition("/")[2]
    forged = [
        f"{local[:-1]}{other}@{domain}",
        f"{local[:-8]}@{domain}",
        f"{link}@{domain}",
        f"someone@{domain}",
        domain,
        "",
        f"{'é' * 56}@{domain}",
        f"{'a' * 10_000}@{domain}",
    ]
    for recipient in forged:
        with pytest.raises(NotAboutOurs):
            receive(shop, delivery_report(quoted=f"Message-ID: <{sent}@shop.example>"), recipient)
    assert one(shop).state == "sent"


def test_a_report_in_a_file_names_the_address_itself(shop: Shop, sent: UUID) -> None:
    address = returned_to(shop, sent).encode()
    raw = delivery_report().replace(b"To: someone@" + DOMAIN.encode(), b"To: " + address)
    assert recipients_of(raw) == [address.decode()]
    assert receive(shop, raw, *recipients_of(raw)) == "bounced"


def unknown(shop: Shop) -> UUID:
    message_id = queued(shop)
    begun = shop.ask(lambda unit: begin_sending(unit, message_id, "main", recognises_repeats=False))
    shop.ask(lambda unit: message_unknown(unit, message_id, begun["attempt"], "lost"))
    assert one(shop).state == "unknown"
    return message_id
