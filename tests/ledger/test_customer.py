from datetime import date

import pytest

from ledger.customer import (
    Changed,
    CreditAdded,
    CreditWithdrawn,
    Customer,
    Person,
    Registered,
    evolve,
)

ON = date(2024, 3, 8)


def registered() -> Customer:
    event = Registered("C-1", Person(name="sealed:1:name", email="sealed:1:mail"), "pt", "", "BR")
    return evolve(None, event, ON)


def test_a_customer_has_its_reference_for_good_and_fields_that_change() -> None:
    customer = evolve(registered(), Changed(Person(name="sealed:1:new"), "en", "", "PT"), ON)
    assert (customer.reference, customer.language, customer.country) == ("C-1", "en", "PT")
    assert customer.person == Person(name="sealed:1:new")


def test_credit_is_kept_by_currency() -> None:
    customer = registered()
    assert customer.credit == {}
    for event in (
        CreditAdded("BRL", 1_000, "excess"),
        CreditAdded("EUR", 70, "excess"),
        CreditAdded("BRL", 234, "excess"),
        CreditWithdrawn("BRL", 1_000, "reversal"),
    ):
        customer = evolve(customer, event, ON)
    assert customer.credit == {"BRL": 234, "EUR": 70}


def test_credit_outlives_a_change_of_fields() -> None:
    customer = evolve(registered(), CreditAdded("BRL", 5, "excess"), ON)
    assert evolve(customer, Changed(Person(name="x")), ON).credit == {"BRL": 5}


def test_one_state_shares_nothing_with_the_next() -> None:
    before = registered()
    evolve(before, CreditAdded("BRL", 5, "excess"), ON)
    assert before.credit == {}


def test_nothing_happens_to_a_customer_before_it_is_registered() -> None:
    with pytest.raises(AssertionError, match="before"):
        evolve(None, Changed(), ON)
