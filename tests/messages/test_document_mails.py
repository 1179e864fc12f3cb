"""Mails about documents: an invoice that was sent, a payment that was received, a welcome."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from commands.customers import ChangeConsent, ChangeCustomer, change_customer, opt_out
from commands.dunning_plans import SavePlan, save_plan
from commands.invoices import CloseInvoice, void_invoice
from commands.mails import NotReachable, QueueMail, queue_mail
from commands.reversals import ReversePayment, reverse_payment
from commands.template_loading import UnknownTemplate
from commands.templates import SaveTemplate, save_template
from commands.tenants import ConfigureTenant, configure_tenant
from ledger.dunning.plan import DEFAULT_KEY, Caps, Step
from ledger.template import MailText
from tests.messages.conftest import Shop, text_of

DUE = date(2026, 3, 11)


def configure(shop: Shop, **fields: Any) -> None:
    command = ConfigureTenant(**fields)
    shop.ask(lambda unit: configure_tenant(unit, command))


def template(shop: Shop, key: str, text: str, subject: str = "Hello") -> None:
    command = SaveTemplate(key, {"en": MailText(subject, text)})
    shop.ask(lambda unit: save_template(unit, command, lambda said: None))


def states(shop: Shop) -> list[tuple[str, str]]:
    return [(message.kind, message.state) for _, message in shop.messages()]


def test_an_invoice_that_is_sent_is_mailed(shop: Shop) -> None:
    invoice_id = shop.invoice(shop.customer(), DUE, "1234.50", notify=True)
    ((_, message),) = shop.messages()
    assert (message.kind, message.invoice_ids) == ("invoice", (invoice_id,))
    assert shop.send().taken == 1
    (mail,) = shop.mails()
    number = shop.state("invoice", invoice_id).number
    assert mail["Subject"] == f"Invoice {number} from Corner Shop"
    assert f"{number}, due 2026-03-11: EUR 1,234.50" in " ".join(text_of(mail).split())
    assert mail["List-Unsubscribe"] is None


def test_two_invoices_on_a_day_are_two_mails(shop: Shop) -> None:
    ann = shop.customer()
    for _ in range(2):
        shop.invoice(ann, DUE, notify=True)
    assert shop.send().taken == 2


def test_the_request_may_say_not_to(shop: Shop) -> None:
    shop.invoice(shop.customer(), DUE)
    shop.invoice(shop.customer("No Address", ""), DUE, notify=True)
    assert shop.messages() == []


def test_it_speaks_the_customers_language(shop: Shop) -> None:
    shop.invoice(shop.customer(language="pt-BR"), DUE, notify=True)
    shop.send()
    (mail,) = shop.mails()
    assert "Prezado(a) Ann Other" in text_of(mail)


def test_an_opt_out_of_reminders_does_not_stop_invoices(shop: Shop) -> None:
    ann = shop.customer()
    shop.ask(lambda unit: opt_out(unit, ann, ChangeConsent("email")))
    shop.invoice(ann, DUE, notify=True)
    assert shop.send().taken == 1


def test_an_invoice_that_was_voided_meanwhile_is_not_mailed(shop: Shop) -> None:
    invoice_id = shop.invoice(shop.customer(), DUE, notify=True)
    shop.ask(lambda unit: void_invoice(unit, invoice_id, CloseInvoice("wrong")))
    assert shop.send().ended == 1
    ((_, message),) = shop.messages()
    assert (message.state, message.reason) == ("cancelled", "withdrawn")


def test_one_that_was_paid_meanwhile_is(shop: Shop) -> None:
    invoice_id = shop.invoice(shop.customer(), DUE, notify=True)
    shop.pay(invoice_id, "100.00")
    assert shop.send().taken == 1


def test_the_mail_counts_in_the_limits_of_contact(shop: Shop) -> None:
    plan = SavePlan(DEFAULT_KEY, "Own", (Step("due", 0),), calendar="none", caps=Caps(1, 7, 3))
    shop.ask(lambda unit: save_plan(unit, plan))
    shop.activate()
    shop.nights(DUE - timedelta(days=1))
    shop.invoice(shop.customer(), DUE, notify=True)
    shop.nights(DUE)
    assert [kind for kind, _ in states(shop)] == ["invoice"]
    shop.nights(DUE + timedelta(days=2))
    assert [kind for kind, _ in states(shop)] == ["invoice", "dunning"]


def test_receipts_are_sent_where_the_tenant_wants_them(shop: Shop) -> None:
    one, two = (shop.invoice(shop.customer(), DUE) for _ in range(2))
    shop.pay(one, "30.00")
    assert shop.messages() == []
    configure(shop, receipts=True)
    shop.pay(two, "30.00")
    ((_, message),) = shop.messages()
    assert (message.kind, message.invoice_ids) == ("receipt", (two,))
    assert shop.send().taken == 1
    (mail,) = shop.mails()
    text = " ".join(text_of(mail).split())
    assert "your payment of EUR 30.00 on 2026-03-02" in text
    assert "still open: EUR 70.00" in text


def test_a_payment_that_was_reversed_meanwhile_has_no_receipt(shop: Shop) -> None:
    configure(shop, receipts=True)
    shop.pay(shop.invoice(shop.customer(), DUE), "30.00")
    ((_, message),) = shop.messages()
    payment_id = message.payment_id
    assert payment_id is not None
    shop.ask(lambda unit: reverse_payment(unit, payment_id, ReversePayment("bounced")))
    assert shop.send().ended == 1
    assert shop.messages()[0][1].reason == "withdrawn"


def test_a_tenants_own_templates_write_them(shop: Shop) -> None:
    template(shop, "bill", "{{ kind }} over {{ total }}")
    template(shop, "thanks", "Thanks for {{ payment.amount }}")
    configure(shop, invoice_template="bill", receipt_template="thanks", receipts=True)
    invoice_id = shop.invoice(shop.customer(), DUE, notify=True)
    shop.pay(invoice_id, "30.00")
    shop.send()
    texts = {text_of(mail).strip() for mail in shop.mails()}
    assert texts == {"invoice over EUR 70.00", "Thanks for EUR 30.00"}
    with pytest.raises(UnknownTemplate):
        configure(shop, receipt_template="none such")


def test_a_welcome_is_what_a_template_says(shop: Shop) -> None:
    template(shop, "welcome", "Welcome, {{ customer.name }}, to {{ creditor.name }}")
    ann = shop.customer()
    for key in ("a", "a", "b"):
        shop.ask(lambda unit: queue_mail(unit, ann, QueueMail("welcome")), key=key)
    assert shop.send().taken == 2
    assert text_of(shop.mails()[0]).strip() == "Welcome, Ann Other, to Corner Shop"
    assert shop.mails()[0]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_who_is_not_to_be_written_to_is_refused_a_welcome(shop: Shop) -> None:
    template(shop, "welcome", "Welcome")
    ann, nobody = shop.customer(), shop.customer("No Address", "")

    def welcome(customer_id: UUID, key: str = "welcome") -> None:
        shop.ask(lambda unit: queue_mail(unit, customer_id, QueueMail(key)))

    with pytest.raises(UnknownTemplate):
        welcome(ann, "none")
    with pytest.raises(NotReachable):
        welcome(nobody)
    welcome(ann)
    shop.ask(lambda unit: opt_out(unit, ann, ChangeConsent("email")))
    assert shop.send().ended == 1
    with pytest.raises(NotReachable):
        welcome(ann)
    change = ChangeCustomer(email="")
    shop.ask(lambda unit: change_customer(unit, ann, change))
    assert states(shop) == [("generic", "cancelled")]
