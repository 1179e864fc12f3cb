"""What pays an agreement off on a day: late fee and interest to it, less the interest that is not earned by then."""

from datetime import date
from uuid import UUID

import pytest

from commands.adjustments import WriteOffInvoice, write_off
from commands.agreements.early_pay_off import NothingToPayOff, PayOffAgreement, pay_off_agreement
from commands.agreements.pay_off_quote import AgreementPayOffView, agreement_pay_off
from commands.invoices import ChangeInvoice, change_invoice
from commands.tenants import ConfigureTenant, configure_tenant
from ledger.agreement.decisions import NotActive, PayOffDayOutOfRange
from tests.commands.lending import FIRST, Lending, brl

APRIL = date(2024, 4, 30)


class Quoting(Lending):
    def quote(self, agreement_id: UUID, on: date) -> AgreementPayOffView:
        agreement = self.agreement(agreement_id)
        invoices = {
            one.invoice_id: self.of_invoice(one.invoice_id) for one in agreement.instalments
        }
        return agreement_pay_off(agreement_id, agreement, invoices, on, self.now.date(), self.now)

    def price(self, **terms: object) -> UUID:
        """1,000.00 at 2% in 6 on 31 March, 30 April and so on, lent on 1 March."""
        return self.lend(schedule="price", count=6, rate="2%/month", **terms).id


@pytest.fixture
def books() -> Quoting:
    return Quoting()


def test_today_all_interest_is_given_back(books: Quoting) -> None:
    agreement_id = books.price()
    found = books.quote(agreement_id, date(2024, 3, 1))
    assert (found.open, found.interest_returned, found.total) == (
        brl("1071.16"),
        brl("71.15"),
        brl("1000.01"),
    )
    assert (found.holds_until, found.early_pay_off) == (date(2024, 3, 1), "actuarial")
    assert [one.number for one in found.instalments] == [1, 2, 3, 4, 5, 6]
    for one in found.instalments:
        assert one.to_pay.minor == one.open.minor - one.interest_returned.minor


def test_what_is_late_by_the_day_is_open_with_fee_and_interest(books: Quoting) -> None:
    """Nothing was paid by 30 April: 3.17 of fee on 158.53 and thirty days of interest at 1% a month, 1.59."""
    agreement_id = books.price()
    found = books.quote(agreement_id, APRIL)
    first, second, third, *_ = found.instalments
    assert first.open == first.to_pay == brl("183.29")
    assert second.to_pay == brl("178.53")
    assert third.interest_returned == brl("13.59")
    books.on(APRIL)
    assert books.quote(agreement_id, APRIL).total == found.total
    assert books.run_clock(date(2024, 3, 2), APRIL) is None
    assert books.quote(agreement_id, APRIL).total == found.total


def test_what_is_paid_or_written_off_is_not_asked_for(books: Quoting) -> None:
    """Four of 178.53, one to four months away, are worth 679.79 of 714.12."""
    agreement_id = books.price()
    parts = books.agreement(agreement_id).instalments
    books.pay("178.53", invoice_id=parts[0].invoice_id)
    books.run(write_off, parts[5].invoice_id, WriteOffInvoice("an agreed loss"))
    found = books.quote(agreement_id, FIRST)
    assert [one.number for one in found.instalments] == [2, 3, 4, 5]
    assert found.open == brl("714.12")
    assert found.interest_returned == brl("34.33")


def test_where_nothing_is_open_no_payment_is_taken(books: Quoting) -> None:
    """The instalments were written off one by one, so the agreement is still in force."""
    agreement_id = books.price()
    for part in books.agreement(agreement_id).instalments:
        books.run(write_off, part.invoice_id, WriteOffInvoice("an agreed loss"))
    before = len(books.log)
    with pytest.raises(NothingToPayOff, match="nothing is open"):
        books.run(pay_off_agreement, agreement_id, PayOffAgreement(brl("1.00")))
    assert len(books.log) == before


def test_a_moved_due_date_moves_no_interest(books: Quoting) -> None:
    """The month of the first instalment is over on its scheduled day: its interest is earned, whenever it is paid."""
    agreement_id = books.price()
    first = books.agreement(agreement_id).instalments[0].invoice_id
    books.run(change_invoice, first, ChangeInvoice(due_on=date(2024, 4, 20)))
    found = books.quote(agreement_id, date(2024, 4, 10))
    assert (found.instalments[0].due_on, found.instalments[0].to_pay) == (
        date(2024, 4, 20),
        brl("178.53"),
    )


def test_none_was_frozen(books: Quoting) -> None:
    books.run(configure_tenant, ConfigureTenant(early_pay_off="none"))
    agreement_id = books.price()
    books.run(configure_tenant, ConfigureTenant(early_pay_off="actuarial"))
    assert books.quote(agreement_id, FIRST).interest_returned == brl("0.00")


def test_only_an_agreement_in_force_for_a_day_within_a_year(books: Quoting) -> None:
    agreement_id = books.price()
    for on in (date(2024, 2, 29), date(2025, 3, 2)):
        with pytest.raises(PayOffDayOutOfRange, match="2025-03-01") as refused:
            books.quote(agreement_id, on)
        assert refused.value.field == "on"
    assert books.quote(agreement_id, date(2025, 3, 1)).total.minor > 1071_16
    books.lose(agreement_id)
    with pytest.raises(NotActive):
        books.quote(agreement_id, FIRST)
    with pytest.raises(NotActive):
        books.quote(books.request(), FIRST)
