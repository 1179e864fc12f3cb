"""Mails as they are written: the shipped texts, a tenant's own, their versions and languages."""

from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Any, get_args
from uuid import UUID

import pytest
from msgspec.structs import replace

from adapters.messages.mail import write_mail
from adapters.templates.locales import shown_date, shown_money
from adapters.templates.mail import (
    MAX_LISTED,
    SHIPPED_LANGUAGES,
    compiled,
    shipped,
    shipped_text,
    write,
)
from adapters.templates.preview import NothingToShow, preview_template
from commands.dunning_plans import SavePlan, save_plan
from commands.messages import Letter, ListedInvoice
from commands.template_loading import UnknownTemplate
from commands.templates import SaveTemplate, save_template
from commands.tenants import ConfigureTenant, configure_tenant
from ledger.dunning.plan import Purpose, Step
from ledger.money import Money
from ledger.template import MailText, MalformedTemplate, TranslationMissing
from schedulers.delivery import NotRenderable
from tests.messages.conftest import Shop, text_of
from tests.messages.conftest import books as books
from tests.messages.conftest import shop as shop

DUE = date(2026, 3, 11)
NOW = datetime(2026, 3, 11, 12, tzinfo=UTC)


def letter(**more: Any) -> Letter:
    listed = ListedInvoice("INV-1", DUE, Money("1234.50", "BRL"))
    made = Letter(
        message_id=UUID(int=7),
        channel="email",
        purpose="reminder",
        business_date=DUE,
        today=date(2026, 3, 14),
        language="en",
        recipient="ann@example.com",
        name="Ann Other",
        creditor="Corner Shop",
        creditor_address="",
        creditor_tax_number="",
        invoices=(listed,),
        total=Money("1234.50", "BRL"),
        credit=None,
        template="",
        template_version=0,
    )
    return replace(made, **more)


def mail(language: str = "en", **more: Any) -> EmailMessage:
    outgoing = write_mail(letter(**more), shipped(language), language, NOW, "billing@shop.example")
    read: Any = message_from_bytes(outgoing.content, policy=policy.SMTP)
    return read  # type: ignore[no-any-return]


@pytest.mark.parametrize("language", SHIPPED_LANGUAGES)
@pytest.mark.parametrize("purpose", get_args(Purpose))
def test_the_shipped_texts_say_everything(language: str, purpose: Purpose) -> None:
    read = mail(
        language,
        purpose=purpose,
        creditor_address="Rua A, 1",
        creditor_tax_number="12.345/0001",
        credit=Money("5.00", "BRL"),
    )
    html = read.get_body(("html",))
    assert html is not None
    for body in (text_of(read), html.get_content()):
        for text in ("Ann Other", "INV-1", "Rua A, 1", "12.345/0001", "Corner Shop"):
            assert text in body
        assert ("BRL 1.234,50" if language == "pt" else "BRL 1,234.50") in body
        assert "{{" not in body
        assert "{%" not in body
    assert "INV-1" not in read["Subject"]


def test_each_purpose_says_something_else() -> None:
    for language in SHIPPED_LANGUAGES:
        said = {
            write(shipped(language), letter(purpose=purpose), language).text
            for purpose in get_args(Purpose)
        }
        assert len(said) == len(get_args(Purpose))


def test_the_parts_of_a_mail() -> None:
    read = mail()
    assert read.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in read.iter_parts()] == ["text/plain", "text/html"]
    assert read["MIME-Version"] == "1.0"
    assert read.defects == []


@pytest.mark.parametrize(
    "name",
    [
        "Loja \u00c9",
        "A" * 150,
        "\u65e5\u672c" * 60,
        'Quote " and \\ back',
        "=?utf-8?q?Evil?=",
        "a, b <c@d.e>",
    ],
)
def test_any_creditor_is_a_header(name: str) -> None:
    read = mail(creditor=name)
    assert read["Subject"] == f"A message from {name}"
    raw = write_mail(letter(creditor=name), shipped("en"), "en", NOW, "a@b.example").content
    shown, address = parseaddr(str(message_from_bytes(raw)["From"]))
    assert (str(make_header(decode_header(shown))), address) == (name, "a@b.example")
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")


def test_names_are_no_markup() -> None:
    html = mail(name="<script>alert(1)</script>").get_body(("html",))
    assert html is not None
    assert "<script>" not in html.get_content()


def test_so_many_invoices_are_listed_and_the_rest_counted() -> None:
    many = tuple(
        ListedInvoice(f"INV-{n}", DUE, Money("1.00", "BRL")) for n in range(MAX_LISTED + 12)
    )
    said = write(shipped("en"), letter(invoices=many), "en")
    assert said.text.count("INV-") == MAX_LISTED
    assert "and 12 more" in said.text
    assert said.html.count("INV-") == MAX_LISTED


def test_amounts_and_dates_by_language() -> None:
    assert shown_money("pt-BR", Money("1234.50", "BRL")) == "BRL 1.234,50"
    assert shown_money("en", Money("5.123", "IQD")) == "IQD 5.123"
    assert shown_money("de", Money("1234", "JPY")) == "JPY 1.234"
    assert shown_money("xx-YY", Money("0.05", "EUR")) == "EUR 0.05"
    assert shown_date("pt-BR", DUE) == "11/03/2026"
    assert shown_date("en", DUE) == "2026-03-11"


TEXT = MailText("Hello {{ customer.name }}", "You owe {{ total }}.\n")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (MailText("{{ x }}", "a"), "subject: there is no variable x"),
        (MailText("a", "{{ x }}"), "text: there is no variable x"),
        (MailText("a", "b", "<p>no mjml</p>"), "html"),
        (MailText("a", "b", "<mjml>"), "html: it is no MJML"),
        (
            MailText("a", "b", '<mjml><mj-body><mj-include path="/etc/passwd" /></mj-body></mjml>'),
            "mj-include",
        ),
    ],
)
def test_what_is_refused(text: MailText, what: str) -> None:
    with pytest.raises(MalformedTemplate, match=what):
        compiled(text)


def test_a_step_is_written_by_its_template_as_it_was_when_it_was_queued(shop: Shop) -> None:
    save = SaveTemplate("soft", {"en": TEXT})
    shop.ask(lambda unit: save_template(unit, save, compiled))
    plan = SavePlan("own", "Own", (Step("due", 0, template="soft"),))
    shop.ask(lambda unit: save_plan(unit, plan))
    shop.ask(lambda unit: configure_tenant(unit, ConfigureTenant(dunning_plan="own")))
    shop.activate("own")
    shop.invoice(shop.customer(), DUE)
    shop.nights(DUE)
    later = SaveTemplate("soft", {"en": MailText("Later", "Later")})
    shop.ask(lambda unit: save_template(unit, later, compiled))
    ((_, message),) = shop.messages()
    assert (message.template, message.template_version) == ("soft", 1)
    shop.send()
    (read,) = shop.mails()
    assert read["Subject"] == "Hello Ann Other"
    assert read.get_content().strip() == "You owe EUR 100.00."


def test_a_plan_names_no_template_that_is_not_there(shop: Shop) -> None:
    plan = SavePlan("own", "Own", (Step("due", 0, template="soft"),))
    with pytest.raises(UnknownTemplate):
        shop.ask(lambda unit: save_plan(unit, plan))


def test_no_translation_gets_lost(shop: Shop) -> None:
    both = SaveTemplate("soft", {"en": TEXT, "pt": TEXT})
    shop.ask(lambda unit: save_template(unit, both, compiled))
    for lost in (SaveTemplate("soft", {"en": TEXT}), SaveTemplate("new", {"pt": TEXT})):
        with pytest.raises(TranslationMissing):
            shop.ask(lambda unit, said=lost: save_template(unit, said, compiled))


def test_a_template_with_a_real_invoice(shop: Shop) -> None:
    invoice_id = shop.invoice(shop.customer(language="pt-BR"), DUE, "1234.50")

    def preview(key: str, **more: Any) -> Any:
        with shop.books.reading(shop.tenant_id) as connection:
            return preview_template(
                connection, shop.books.cipher, shop.tenant_id, key, invoice_id, DUE, **more
            )

    assert "EUR 1.234,50" in preview("").text
    assert "EUR 1,234.50" in preview("", language="en").text
    with pytest.raises(UnknownTemplate):
        preview("soft")
    shop.pay(invoice_id, "1234.50")
    with pytest.raises(NothingToShow):
        preview("")


def test_a_template_that_fails_is_one_dead_letter(shop: Shop) -> None:
    """The worker goes on with the others."""
    endless = compiled(MailText("a", "{% for n in (1..9999999) %}x{% endfor %}"))
    with pytest.raises(NotRenderable, match="loops run too often"):
        write_mail(letter(), endless, "en", NOW, "a@b.example")
    save = SaveTemplate("bad", {"en": MailText("a", "{% for n in (1..9999999) %}x{% endfor %}")})
    shop.ask(lambda unit: save_template(unit, save, compiled))
    steps = (Step("due", 0, template="bad"), Step("d3", 3))
    plan = SavePlan("own", "Own", steps)
    shop.ask(lambda unit: save_plan(unit, plan))
    shop.ask(lambda unit: configure_tenant(unit, ConfigureTenant(dunning_plan="own")))
    shop.activate("own")
    shop.invoice(shop.customer("Ann"), DUE)
    shop.invoice(shop.customer("Bob", "bob@example.com"), date(2026, 3, 8))
    shop.nights(DUE)
    done = shop.send()
    assert (done.taken, done.not_taken) == (1, 2)
    assert {step: state for _, step, state in shop.told()} == {"due": "dead_lettered", "d3": "sent"}


def test_the_shipped_texts_can_be_saved_as_ones_own(shop: Shop) -> None:
    texts = {language: shipped_text(language) for language in SHIPPED_LANGUAGES}
    save = SaveTemplate("mine", texts)
    assert shop.ask(lambda unit: save_template(unit, save, compiled))["version"] == 1
    assert shop.ask(lambda unit: save_template(unit, save, compiled))["version"] == 1
