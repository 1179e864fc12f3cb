"""Links in messages, followed over HTTP: the page on which a customer stops reminders, and the picture."""

import io
import re
import threading
from collections.abc import Iterator
from datetime import date
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import httpx
import pytest

from adapters.http.app import create_app, listening, server_of
from adapters.http.routes.links import PICTURE
from commands.customers import (
    ChangeConsent,
    ChangeTracking,
    change_tracking,
    opt_in,
    revoke_links,
)
from commands.message_reports import message_delivered
from commands.tenants import ConfigureTenant, configure_tenant
from ledger.customer import Customer
from ledger.message import Message
from projections.messages.results import StepResult, step_results
from tests.messages.conftest import PUBLIC_URL, Shop, text_of

DUE = date(2026, 3, 11)


class Visited:
    """A shop, and an HTTP client that follows the links in its mails."""

    def __init__(self, shop: Shop, http: httpx.Client, log: io.StringIO) -> None:
        self.shop = shop
        self.log = log
        self.http = http

    def remind(self, **customer: str) -> EmailMessage:
        """Sends a reminder to a new customer and answers the mail."""
        self.shop.activate()
        customer_id = self.shop.customer(**customer)
        if customer.get("email", "").startswith("tracked"):
            allowed = ChangeTracking(True)
            self.shop.ask(lambda unit: change_tracking(unit, customer_id, allowed))
        self.shop.invoice(customer_id, DUE)
        self.shop.today = DUE
        self.shop.night()
        assert self.shop.send().taken == 1
        (mail,) = self.shop.mails()
        return mail

    def customer(self) -> Customer:
        found: Customer = self.shop.state("customer", self.message().customer_id)
        return found

    def message(self) -> Message:
        return self.shop.messages()[-1][1]


@pytest.fixture
def visited(shop: Shop, tmp_path: Any) -> Iterator[Visited]:
    log, started = io.StringIO(), threading.Event()
    with listening("127.0.0.1", 0) as listener:
        app = create_app(shop.books, tmp_path, log, PUBLIC_URL)
        server = server_of(app, started.set)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            assert started.wait(10)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            with httpx.Client(base_url=url) as http:
                yield Visited(shop, http, log)
        finally:
            server.should_exit = True
            thread.join(15)


def path_of(mail: EmailMessage) -> str:
    """Where its header says that reminders are stopped."""
    url = str(mail["List-Unsubscribe"]).strip("<>")
    assert url.startswith(f"{PUBLIC_URL}/u/")
    assert url in text_of(mail).replace("\n", "")
    return url.removeprefix(PUBLIC_URL)


def html_of(mail: EmailMessage) -> str:
    part = mail.get_body(("html",))
    assert part is not None
    text: str = part.get_content()
    return text


def picture_in(mail: EmailMessage) -> str:
    (url,) = re.findall(rf'<img src="{PUBLIC_URL}(/t/[^"]+\.gif)"', html_of(mail))
    return str(url)


def test_only_the_button_stops_reminders(visited: Visited) -> None:
    mail = visited.remind()
    path = path_of(mail)
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    for _ in range(3):
        page = visited.http.get(path)
        assert page.status_code == 200
        assert '<form method="post">' in page.text
        assert "Corner Shop" in page.text
    assert visited.http.head(path).status_code in (200, 405)
    assert visited.customer().opted_out == ()
    for _ in range(2):
        done = visited.http.post(path, data={"List-Unsubscribe": "One-Click"})
        assert done.status_code == 200
        assert "<form" not in done.text
    assert visited.customer().opted_out == ("email",)
    assert len(list(visited.shop.events("customer.opted_out.v1"))) == 1


def test_no_page_tells_others_what_was_looked_at(visited: Visited) -> None:
    path = path_of(visited.remind())
    for answer in (visited.http.get(path), visited.http.get("/u/unknown"), visited.http.post(path)):
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-robots-tag"] == "noindex"
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "ann@example.com" not in answer.text
        assert "100.00" not in answer.text
    visited.http.get("/health/live")
    while "/health/live" not in visited.log.getvalue():
        pass
    assert path.rpartition("/")[2] not in visited.log.getvalue()
    assert "GET /u/{token} 200" in visited.log.getvalue()


def test_the_page_speaks_the_customers_language(visited: Visited) -> None:
    path = path_of(visited.remind(language="pt-BR"))
    page = visited.http.get(path).text
    assert '<html lang="pt">' in page
    assert "Parar de receber lembretes" in page


def test_a_name_is_text_on_the_page(visited: Visited) -> None:
    name = "<script>alert(1)</script>"
    configure = ConfigureTenant(creditor_name=name)
    visited.shop.ask(lambda unit: configure_tenant(unit, configure))
    page = visited.http.get(path_of(visited.remind())).text
    assert name not in page
    assert "&lt;script&gt;" in page


def test_links_that_nobody_made_open_nothing(visited: Visited) -> None:
    mail = visited.remind(email="tracked@example.com")
    token = path_of(mail).removeprefix("/u/")
    picture = picture_in(mail).removeprefix("/t/").removesuffix(".gif")
    last = "A" if token[-1] != "A" else "E"
    for other in (
        f"{token[:-1]}{last}",
        token[:-4],
        f"{token}AAAA",
        picture,
        "x",
        "%00",
        "a" * 900,
    ):
        assert visited.http.get(f"/u/{other}").status_code == 404
        assert visited.http.post(f"/u/{other}").status_code == 404
    assert visited.customer().opted_out == ()
    for other in (token, "x", "", picture[:-4]):
        answer = visited.http.get(f"/t/{other}.gif")
        assert (answer.status_code, answer.content) == (200, PICTURE)
    assert visited.message().opened_on is None


def test_revoked_links_open_nothing(visited: Visited) -> None:
    path = path_of(visited.remind())
    customer_id = visited.message().customer_id
    visited.shop.ask(lambda unit: revoke_links(unit, customer_id))
    assert visited.http.post(path).status_code == 404
    assert visited.customer().opted_out == ()
    links = visited.shop.books.links
    ((message_id, _),) = visited.shop.messages()
    again = links.unsubscribe_url(visited.shop.tenant_id, message_id, 1)
    assert visited.http.post(again.removeprefix(PUBLIC_URL)).status_code == 200


def test_without_consent_there_is_no_picture(visited: Visited) -> None:
    assert "<img" not in html_of(visited.remind())


def test_an_open_is_recorded_with_consent(visited: Visited) -> None:
    mail = visited.remind(email="tracked@example.com")
    path = picture_in(mail)
    for _ in range(3):
        answer = visited.http.get(path)
        assert (answer.status_code, answer.content) == (200, PICTURE)
        assert answer.headers["content-type"] == "image/gif"
        assert answer.headers["cache-control"] == "no-store"
    assert visited.message().opened_on is not None
    assert visited.message().state == "sent"
    assert len(list(visited.shop.events("message.opened.v1"))) == 1


def test_consent_that_was_revoked_counts_for_mails_that_were_sent(visited: Visited) -> None:
    path = picture_in(visited.remind(email="tracked@example.com"))
    customer_id = visited.message().customer_id
    visited.shop.ask(lambda unit: change_tracking(unit, customer_id, ChangeTracking(False, "no")))
    assert visited.http.get(path).content == PICTURE
    assert visited.message().opened_on is None


def test_a_link_says_which_channel(visited: Visited) -> None:
    path = path_of(visited.remind())
    visited.http.post(path)
    customer_id: UUID = visited.message().customer_id
    visited.shop.ask(lambda unit: opt_in(unit, customer_id, ChangeConsent("email")))
    assert visited.customer().opted_out == ()
    assert visited.http.post(path).status_code == 200
    assert visited.customer().opted_out == ("email",)


def test_what_came_of_a_plan_is_told_by_step(visited: Visited) -> None:
    mail = visited.remind(email="tracked@example.com")
    visited.http.get(picture_in(mail))
    shop = visited.shop
    ((message_id, message),) = shop.messages()
    shop.ask(lambda unit: message_delivered(unit, message_id))
    shop.books.projections.catch_up()
    with shop.books.reading(shop.tenant_id) as connection:
        (found,) = step_results(connection, shop.tenant_id, message.plan)
        assert step_results(connection, shop.tenant_id, "another") == []
    assert found == StepResult("due", 1, 1, 1, 0, 0, 0, 1, 1, 0)


def test_opens_are_held_against_the_messages_that_could_tell(visited: Visited) -> None:
    visited.remind(email="unasked@example.com")
    shop = visited.shop
    shop.books.projections.catch_up()
    with shop.books.reading(shop.tenant_id) as connection:
        (found,) = step_results(connection, shop.tenant_id, "default")
    assert (found.sent, found.tracked, found.opened) == (1, 0, 0)
