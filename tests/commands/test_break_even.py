"""What an agreement has brought back of what was lent, over renegotiations, recoveries and money reversed."""

from datetime import date

import pytest

from commands.agreements.break_even import BreakEven
from commands.tenants import ConfigureTenant, configure_tenant
from ledger.money import Money
from tests.commands.lending import Lending, brl

MAY = date(2024, 5, 10)


@pytest.fixture
def books() -> Lending:
    return Lending()


def figures(found: BreakEven | None) -> tuple[str, str, str]:
    assert found is not None
    return (found.lent.amount, found.paid.amount, found.missing.amount)


def test_nothing_is_lent_before_it_is_in_force(books: Lending) -> None:
    assert books.shown(books.request()).break_even is None


def test_a_loan_until_it_is_back(books: Lending) -> None:
    """Interest counts: 1,000.00 is back before the last of six payments of 178.53."""
    view = books.lend(schedule="price", count=6, rate="2%/month")
    assert figures(view.break_even) == ("1000.00", "0.00", "1000.00")
    assert view.break_even is not None
    assert view.break_even.computed_at == books.now
    books.pay("892.65", customer_id=books.customer_id)
    assert figures(books.shown(view.id).break_even) == ("1000.00", "892.65", "107.35")
    last = books.pay("178.51", customer_id=books.customer_id)
    assert figures(books.shown(view.id).break_even) == ("1000.00", "1071.16", "0.00")
    books.reverse(last.id)
    assert figures(books.shown(view.id).break_even) == ("1000.00", "892.65", "107.35")


def test_a_chain_of_renegotiations_is_one_debt(books: Lending) -> None:
    view = books.lend()
    books.pay("333.34", customer_id=books.customer_id)
    second = books.renegotiate(view.id, discount=brl("66.66"), count=2)
    assert figures(second.break_even) == ("1000.00", "333.34", "666.66")
    books.pay("300.00", customer_id=books.customer_id)
    third = books.renegotiate(second.id, count=1)
    books.pay("300.00", customer_id=books.customer_id)
    for one in (view.id, second.id, third.id):
        assert figures(books.shown(one).break_even) == ("1000.00", "933.34", "66.66")
    assert books.status(third.id) == "paid"  # the discount does not come back


def test_a_plan_is_measured_by_the_value_it_took_over(books: Lending) -> None:
    invoice_id = books.invoice("500.00")
    books.on(date(2024, 3, 18))  # ten days late: 10.00 of fee and 1.67 of interest
    view = books.lend(invoice_ids=(invoice_id,), discount=brl("11.67"), down_payment=brl("100.00"))
    assert figures(view.break_even) == ("511.67", "0.00", "511.67")
    books.pay("100.00", customer_id=books.customer_id)
    assert figures(books.shown(view.id).break_even) == ("511.67", "100.00", "411.67")


def test_a_recovery_counts_and_credit_too(books: Lending) -> None:
    books.run(configure_tenant, ConfigureTenant(apply_credit="automatic"))
    books.pay("400.00", customer_id=books.customer_id)
    view = books.lend()
    assert figures(view.break_even) == ("1000.00", "400.00", "600.00")
    books.on(MAY)
    books.lose(view.id)
    books.pay("100.00", invoice_id=view.instalments[2].invoice_id)
    assert figures(books.shown(view.id).break_even) == ("1000.00", "500.00", "500.00")


def test_a_tenants_setting_is_frozen_when_it_comes_into_force(books: Lending) -> None:
    agreement_id = books.request()
    assert books.shown(agreement_id).early_pay_off is None
    books.run(configure_tenant, ConfigureTenant(early_pay_off="none"))
    books.approve(agreement_id)
    assert books.activate(agreement_id).early_pay_off == "none"
    books.run(configure_tenant, ConfigureTenant(early_pay_off="actuarial"))
    assert books.shown(agreement_id).early_pay_off == "none"
    assert books.lend(principal=Money("1.00", "BRL"), count=1).early_pay_off == "actuarial"
