"""Agreements from the request to their instalments' invoices, and what becomes of them."""

from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest

from commands.adjustments import CreditInvoice, WriteOffInvoice, credit_invoice, write_off
from commands.agreements.lifecycle import (
    PrincipalOrInvoices,
    RejectAgreement,
    reject_agreement,
)
from commands.agreements.view import agreement_view
from commands.invoices import (
    ChangeInvoice,
    CloseInvoice,
    cancel_invoice,
    change_invoice,
    void_invoice,
)
from commands.payments import Allocation, CurrencyDiffers, SeveralCustomers
from commands.reversals import ChargeBackPayment, charge_back_payment
from commands.tenants import ConfigureTenant, configure_tenant
from commands.unit_of_work import Unknown
from ledger.additional_holidays import AdditionalHoliday
from ledger.agreement.decisions import NotActive, NotApproved, NothingToTakeOver, SameActor
from ledger.agreement.plan import DueInPast
from ledger.calendars import Calendar
from ledger.errors import Rejected
from ledger.instalment_schedules import RateNotMonthly
from ledger.invoice.adjusting import BelongsToAgreement
from ledger.invoice.issuing import NotADraft
from ledger.invoice.preconditions import NotOpen
from ledger.invoice.state import lines_of
from ledger.money import Money, UnknownCurrency, ZeroAmount
from ledger.numbering import DOCUMENT_NUMBER
from ledger.rates import MalformedRate
from tests.commands.lending import FIRST, Lending, brl

MAY = date(2024, 5, 10)


@pytest.fixture
def books() -> Lending:
    return Lending()


def text(encrypted: str) -> str:
    return bytes.fromhex(encrypted.rpartition(":")[2]).decode()


def test_a_loan_is_lent_in_instalments_that_are_invoices(books: Lending) -> None:
    view = books.lend(schedule="price", count=6, rate="2%/month", notes="for a bakery")
    assert (view.status, view.requested_by, view.decided_by) == ("active", "key:1", "key:2")
    assert (view.principal, view.original) == (brl("1000.00"), brl("1000.00"))
    assert text(view.notes) == "for a bakery"
    assert [one.number for one in view.instalments] == [1, 2, 3, 4, 5, 6]
    assert [one.invoice_number for one in view.instalments] == [f"INV-{n:06}" for n in range(1, 7)]
    assert [str(one.due_on) for one in view.instalments][:3] == [
        "2024-03-31",
        "2024-04-30",
        "2024-05-31",
    ]
    assert [one.open.amount for one in view.instalments] == ["178.53"] * 5 + ["178.51"]
    assert view.totals.charged == view.totals.open == brl("1071.16")
    assert view.totals.overdue == brl("0.00")
    activated = books.agreement(view.id)
    assert activated.activated_on == date(2024, 3, 1)


def test_an_instalment_separates_principal_and_interest(books: Lending) -> None:
    view = books.lend(schedule="sac", count=6, rate="2%/month")
    first = books.of_invoice(view.instalments[0].invoice_id)
    lines = lines_of(first)
    assert [text(line.description) for line in lines] == [
        "Instalment 1 of 6: principal",
        "Instalment 1 of 6: interest",
    ]
    assert [line.gross_minor for line in lines] == [16667, 2000]
    assert first.total_minor == 18667
    assert first.instalment is not None
    assert (first.instalment.agreement_id, first.instalment.number) == (view.id, 1)
    assert (first.instalment.principal_minor, first.instalment.interest_minor) == (16667, 2000)
    assert first.terms is not None
    assert first.terms.policy.mora_base == "original"
    assert first.terms.policy.version == 1
    assert first.terms.mora_base_minor == 16667


def test_without_interest_there_is_one_line(books: Lending) -> None:
    view = books.lend(down_payment=brl("100.00"), mora_base="outstanding")
    assert [one.principal.amount for one in view.instalments] == [
        "100.00",
        "300.00",
        "300.00",
        "300.00",
    ]
    down = books.of_invoice(view.instalments[0].invoice_id)
    assert [text(line.description) for line in lines_of(down)] == ["Down payment: principal"]
    assert (down.due_on, down.instalment.number if down.instalment else None) == (
        date(2024, 3, 1),
        0,
    )
    assert down.terms is not None
    assert down.terms.policy.mora_base == "outstanding"


def test_instalments_are_payable_until_the_next_business_day(books: Lending) -> None:
    books.run(configure_tenant, ConfigureTenant(calendar="weekends"))
    view = books.lend()
    first = books.of_invoice(view.instalments[0].invoice_id)  # 31 March 2024 is a Sunday
    assert first.terms is not None
    assert (first.due_on, first.terms.payable_until) == (FIRST, date(2024, 4, 1))


def test_instalments_are_payable_until_the_additional_holidays_are_over(books: Lending) -> None:
    holidays = (AdditionalHoliday(date(2024, 4, 1)),)
    books.run(configure_tenant, ConfigureTenant(calendar="weekends", additional_holidays=holidays))
    view = books.lend()
    first = books.of_invoice(view.instalments[0].invoice_id)
    assert first.terms is not None
    assert first.terms.payable_until == date(2024, 4, 2)
    assert first.terms.calendar == Calendar("weekends", "1", 1, (date(2024, 4, 1),))


def test_numbers_of_imported_invoices_are_left_to_them(books: Lending) -> None:
    for taken in ("INV-000002", "INV-000003", "INV-000005"):
        books.claim(DOCUMENT_NUMBER, taken, uuid4())
    view = books.lend()
    numbers = [one.invoice_number for one in view.instalments]
    assert numbers == ["INV-000001", "INV-000004", "INV-000006"]
    assert books.series["invoice", "INV"][0] == 7


def test_a_payment_plan_takes_over_what_is_open_today(books: Lending) -> None:
    first, second = books.invoice("500.00"), books.invoice("300.00")
    books.pay("100.00", invoice_id=second)
    books.on(date(2024, 3, 18))  # ten days late
    agreement_id = books.request(invoice_ids=(first, second), discount=brl("2.00"))
    assert books.agreement(agreement_id).principal_minor == 50_000 + 1000 + 167 + 20_000 + 400 + 67
    books.approve(agreement_id)
    books.on(date(2024, 3, 19))
    view = books.activate(agreement_id)
    for invoice_id in (first, second):
        closed = books.of_invoice(invoice_id)
        assert (closed.status, closed.open.total) == ("renegotiated", 0)
        assert closed.forgiven_of["renegotiated"].total > 20_000
    forgiven = sum(books.of_invoice(one).forgiven.total for one in (first, second))
    assert forgiven == 50_000 + 1000 + 183 + 20_000 + 400 + 73
    assert view.principal == Money.of(forgiven - 200, "BRL")
    assert view.original == brl("800.00")
    assert sum(one.mora_base.minor for one in view.instalments) == 80_000
    event = books.events("agreement", view.id)[-1]
    assert (event.disbursed_minor, event.discount_minor) == (0, 200)  # type: ignore[attr-defined]


def test_an_invoice_that_was_paid_meanwhile_is_left_as_it_is(books: Lending) -> None:
    first, second = books.invoice("500.00"), books.invoice("300.00")
    agreement_id = books.request(invoice_ids=(first, second))
    books.approve(agreement_id)
    books.pay("500.00", invoice_id=first)
    view = books.activate(agreement_id)
    assert books.of_invoice(first).status == "paid"
    assert (view.principal, view.original) == (brl("300.00"), brl("300.00"))


def test_nothing_left_to_take_over(books: Lending) -> None:
    invoice_id = books.invoice()
    agreement_id = books.request(invoice_ids=(invoice_id,))
    books.approve(agreement_id)
    books.pay("500.00", invoice_id=invoice_id)
    with pytest.raises(NothingToTakeOver):
        books.activate(agreement_id)
    assert books.status(agreement_id) == "approved"
    books.actor = "key:2"
    books.run(reject_agreement, agreement_id, RejectAgreement("paid meanwhile"))
    assert books.status(agreement_id) == "rejected"


@pytest.mark.parametrize(
    ("terms", "refusal", "field"),
    [
        ({"customer_id": uuid4()}, Unknown, None),
        ({"invoice_ids": (), "kind": "payment_plan"}, PrincipalOrInvoices, "invoice_ids"),
        ({"invoice_ids": (uuid4(),), "kind": "loan"}, PrincipalOrInvoices, "principal"),
        ({"invoice_ids": (uuid4(),)}, Unknown, None),
        ({"principal": None}, PrincipalOrInvoices, "principal"),
        ({"principal": brl("0.00")}, ZeroAmount, "principal"),
        ({"principal": Money("1.00", "EUR")}, CurrencyDiffers, "principal"),
        ({"currency": "XAU"}, UnknownCurrency, "currency"),
        ({"down_payment": Money("1.00", "EUR")}, CurrencyDiffers, "down_payment"),
        ({"rate": "2"}, MalformedRate, "rate"),
        ({"rate": "2%", "schedule": "price"}, RateNotMonthly, "rate"),
        ({"rate": "0.1%/day", "schedule": "sac"}, RateNotMonthly, "rate"),
    ],
)
def test_requests_that_are_refused(
    books: Lending, terms: dict[str, Any], refusal: type[Rejected], field: str | None
) -> None:
    with pytest.raises(refusal) as refused:
        books.request(**terms)
    assert refused.value.field == field
    assert not books.events("agreement")


def test_a_plan_is_over_open_invoices_of_one_customer_and_currency(books: Lending) -> None:
    mine = books.invoice()
    refused: list[tuple[UUID, type[Rejected]]] = [
        (books.draft(), NotOpen),
        (books.invoice(customer_id=books.customer("Bruno")), SeveralCustomers),
        (books.invoice(currency="EUR"), CurrencyDiffers),
        (mine, PrincipalOrInvoices),
    ]
    for invoice_id, refusal in refused:
        with pytest.raises(refusal):
            books.request(invoice_ids=(mine, invoice_id))


def test_only_another_person_approves(books: Lending) -> None:
    agreement_id = books.request()
    with pytest.raises(NotApproved):
        books.activate(agreement_id)
    with pytest.raises(SameActor):
        books.run(reject_agreement, agreement_id, RejectAgreement("no"))
    books.approve(agreement_id)
    books.activate(agreement_id)
    with pytest.raises(NotApproved):
        books.activate(agreement_id)
    assert len(books.events("invoice")) == 6  # one set of instalments: drafted and sent


def test_a_first_date_that_has_gone_by_is_refused_when_it_comes_into_force(books: Lending) -> None:
    agreement_id = books.request()
    books.approve(agreement_id)
    books.on(date(2024, 4, 1))
    with pytest.raises(DueInPast, match="2024-03-31"):
        books.activate(agreement_id)


def test_an_instalment_is_not_dealt_with_by_itself(books: Lending) -> None:
    invoice_id = books.lend().instalments[1].invoice_id
    for handler, command in (
        (void_invoice, CloseInvoice("a slip")),
        (cancel_invoice, CloseInvoice("hopeless")),
        (credit_invoice, CreditInvoice("too much")),
    ):
        with pytest.raises(BelongsToAgreement):
            books.run(handler, invoice_id, command)
    with pytest.raises(NotADraft):
        books.run(change_invoice, invoice_id, ChangeInvoice(notes="other"))
    with pytest.raises(BelongsToAgreement):
        books.request(invoice_ids=(invoice_id,))
    moved = books.run(change_invoice, invoice_id, ChangeInvoice(due_on=date(2024, 5, 7)))
    assert moved.due_on == date(2024, 5, 7)
    assert books.of_invoice(invoice_id).instalment is not None


def test_paid_with_its_last_instalment_and_open_again_with_a_reversal(books: Lending) -> None:
    view = books.lend()
    payment = books.pay("1000.00", customer_id=books.customer_id)
    assert books.status(view.id) == "paid"
    books.reverse(payment.id)
    assert books.status(view.id) == "active"
    parts = [one.invoice_id for one in view.instalments]
    for invoice_id, amount in reversed(
        list(zip(parts, ("333.34", "333.33", "333.33"), strict=True))
    ):
        assert books.status(view.id) == "active"
        books.pay(amount, invoice_id=invoice_id)
    assert books.status(view.id) == "paid"
    tags = [event.TAG for event in books.events("agreement", view.id)]
    assert tags[3:] == ["agreement.paid.v1", "agreement.reopened.v1", "agreement.paid.v1"]


def test_a_charge_back_opens_a_paid_agreement_again(books: Lending) -> None:
    view = books.lend(count=1)
    payment = books.pay("1000.00", customer_id=books.customer_id)
    assert books.status(view.id) == "paid"
    books.on(date(2024, 3, 20))
    books.run(charge_back_payment, payment.id, ChargeBackPayment("denied"))
    assert books.status(view.id) == "active"
    (instalment,) = books.instalments(view.id)
    assert (instalment.status, instalment.open.total) == ("sent", 1000_00)


def test_an_instalment_that_is_written_off_alone_keeps_its_agreement_open(books: Lending) -> None:
    view = books.lend(count=2)
    first, second = (one.invoice_id for one in view.instalments)
    books.run(write_off, first, WriteOffInvoice("an agreed loss"))
    books.pay("500.00", invoice_id=second)
    assert books.status(view.id) == "active"
    books.pay("500.00", invoice_id=first)  # a recovery
    assert books.status(view.id) == "paid"


def test_lost_stays_lost_whatever_arrives(books: Lending) -> None:
    view = books.lend()
    parts = [one.invoice_id for one in view.instalments]
    kept = books.pay("333.34", invoice_id=parts[0])
    books.on(MAY)
    lost = books.lose(view.id)
    assert lost.status == "lost"
    assert [one.status for one in lost.instalments] == ["paid", "written_off", "written_off"]
    assert lost.totals.open == brl("0.00")
    parted = tuple(Allocation(one, brl("1000.00")) for one in parts[1:])
    recovered = books.pay("2000.00", allocations=parted)
    assert recovered.unapplied.minor < 2000_00 - 666_66
    assert [one.status for one in books.instalments(view.id)] == ["paid"] * 3
    assert books.status(view.id) == "lost"
    books.reverse(recovered.id)
    assert [one.status for one in books.instalments(view.id)] == [
        "paid",
        "written_off",
        "written_off",
    ]
    books.reverse(kept.id)
    assert books.of_invoice(parts[0]).status == "overdue"
    assert books.status(view.id) == "lost"
    books.assert_money_balances()
    with pytest.raises(NotActive):
        books.lose(view.id)


def test_a_renegotiation_remembers_the_value_first_asked_for(books: Lending) -> None:
    view = books.lend(schedule="price", count=6, rate="2%/month")
    books.pay("178.53", invoice_id=view.instalments[0].invoice_id)
    books.on(MAY)  # the second is ten days late: 3.23 of late fee on its base, 1.08 of interest
    after = books.renegotiate(
        view.id, count=4, first_due_on=date(2024, 5, 31), discount=brl("50.00"), notes="by phone"
    )
    before = books.agreement(view.id)
    assert (before.status, before.successor_id) == ("renegotiated", after.id)
    statuses = [one.status for one in books.instalments(view.id)]
    assert statuses == ["paid"] + ["renegotiated"] * 5
    assert (after.status, after.renegotiates, after.kind) == ("active", view.id, "loan")
    assert (after.requested_by, after.decided_by) == ("key:1", "")
    late = books.of_invoice(view.instalments[1].invoice_id).charged
    open_minor = 4 * 17853 + 17851 + late.late_fee + late.mora
    assert (late.late_fee, late.mora) == (323, 54)
    assert after.principal == Money.of(open_minor - 5000, "BRL")
    assert after.original == brl("1000.00")
    assert sum(one.mora_base.minor for one in after.instalments) == 100_000
    again = books.renegotiate(after.id, count=2, first_due_on=date(2024, 6, 30))
    assert again.original == brl("1000.00")
    assert again.principal == after.principal
    assert sum(one.mora_base.minor for one in again.instalments) == 100_000
    for ended in (view.id, after.id):
        with pytest.raises(NotActive):
            books.renegotiate(ended)


def test_mora_on_the_renegotiated_debt_equals_the_original_values(books: Lending) -> None:
    """1,000.00 that fell due on 31 January; late fee and interest have made it 1,040.00 when it is renegotiated."""
    books.on(date(2024, 1, 2))
    invoice_id = books.invoice("1000.00", due_on=date(2024, 1, 31))
    never = books.invoice("1000.00", due_on=date(2024, 3, 31))
    books.on(date(2024, 3, 31))
    plan = books.lend(invoice_ids=(invoice_id,), count=1)
    assert plan.principal == brl("1040.00")
    after = books.renegotiate(plan.id, count=1)
    books.run_clock(date(2024, 4, 1), date(2024, 6, 30))
    (instalment,) = books.instalments(after.id)
    assert instalment.charged.mora == books.of_invoice(never).charged.mora == 30_33
    assert instalment.charged.late_fee == books.of_invoice(never).charged.late_fee == 20_00
    assert instalment.charged.principal == 1040_00


def test_money_for_a_renegotiated_invoice_is_credit_that_is_flagged(books: Lending) -> None:
    view = books.lend()
    books.renegotiate(view.id)
    books.pay("333.34", invoice_id=view.instalments[0].invoice_id)
    assert books.credit() == {"BRL": 333_34}
    (added,) = [
        event for event in books.events("customer") if event.TAG == "customer.credit_added.v1"
    ]
    assert added.flag == "invoice_renegotiated"  # type: ignore[attr-defined]
    assert books.status(view.id) == "renegotiated"


def test_a_payment_that_is_reversed_after_a_renegotiation_is_owed_beside_it(
    books: Lending,
) -> None:
    view = books.lend()
    partly = books.pay("100.00", invoice_id=view.instalments[0].invoice_id)
    after = books.renegotiate(view.id)
    assert after.principal == brl("900.00")
    books.reverse(partly.id)
    first = books.of_invoice(view.instalments[0].invoice_id)
    assert (first.status, first.open.total) == ("sent", 100_00)
    assert books.status(view.id) == "renegotiated"
    plan = books.lend(invoice_ids=(view.instalments[0].invoice_id,))
    assert plan.principal == brl("100.00")
    books.assert_money_balances()


def test_credit_that_applies_itself_pays_the_first_instalments(books: Lending) -> None:
    books.run(configure_tenant, ConfigureTenant(apply_credit="automatic"))
    books.pay("400.00", customer_id=books.customer_id)
    view = books.lend()
    assert [one.status for one in view.instalments] == ["paid", "sent", "sent"]
    assert view.totals.open == brl("600.00")
    assert view.totals.paid == brl("400.00")


def test_overdue_is_what_is_late_today_whether_or_not_the_clock_ran(books: Lending) -> None:
    view = books.lend()
    for today, overdue in ((FIRST, "0.00"), (date(2024, 4, 1), "333.34")):
        agreement = books.agreement(view.id)
        invoices = {one.invoice_id: books.of_invoice(one.invoice_id) for one in view.instalments}
        shown = agreement_view(view.id, agreement, invoices, today, view.break_even)
        assert shown.totals.overdue == brl(overdue)


@pytest.mark.parametrize("currency", ["JPY", "KWD", "CLF"])
def test_other_digits_of_currencies(books: Lending, currency: str) -> None:
    view = books.lend(
        schedule="price",
        count=5,
        rate="1.5%/month",
        principal=Money.of(9_999_999, currency),
        currency=currency,
    )
    assert sum(one.principal.minor for one in view.instalments) == 9_999_999
    assert view.totals.charged.minor == sum(
        one.principal.minor + one.interest.minor for one in view.instalments
    )


def test_what_is_renegotiated_is_not_paid_by_a_payment_of_the_same_day(books: Lending) -> None:
    """The payment comes after the takeover of its day; the agreement was not paid, but renegotiated."""
    view = books.lend(count=1)
    books.pay("250.00", invoice_id=view.instalments[0].invoice_id)
    assert books.renegotiate(view.id).principal == brl("750.00")
    tags = [event.TAG for event in books.events("agreement", view.id)]
    assert tags[-1] == "agreement.renegotiated.v1"
    assert "agreement.paid.v1" not in tags
