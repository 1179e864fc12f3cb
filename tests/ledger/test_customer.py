from datetime import date
from uuid import UUID

import pytest

from ledger.customer import (
    NO_SOURCE,
    Changed,
    CreditAdded,
    CreditApplied,
    CreditPart,
    CreditReserved,
    CreditReturned,
    CreditWithdrawn,
    Customer,
    Lot,
    Person,
    Registered,
    drawn,
    evolve,
)
from ledger.event_registry import Event

ON = date(2024, 3, 8)


def registered() -> Customer:
    event = Registered(
        "C-1", Person(name="encrypted:1:name", email="encrypted:1:mail"), "pt", "", "BR"
    )
    return evolve(None, event, ON)


def test_a_customer_has_its_reference_for_good_and_fields_that_change() -> None:
    customer = evolve(registered(), Changed(Person(name="encrypted:1:new"), "en", "", "PT"), ON)
    assert (customer.reference, customer.language, customer.country) == ("C-1", "en", "PT")
    assert customer.person == Person(name="encrypted:1:new")


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


FIRST, SECOND, INVOICE = UUID(int=1), UUID(int=2), UUID(int=3)


def with_credit(*events: Event) -> Customer:
    """A customer with 30.00 of one payment, 40.00 of an invoice and 5.00 in another currency, and then the events."""
    customer = registered()
    for event in (
        CreditAdded("BRL", 3_000, "excess", payment_id=FIRST),
        CreditAdded("BRL", 4_000, "credit note", invoice_id=SECOND),
        CreditAdded("EUR", 500, "excess", payment_id=FIRST),
        *events,
    ):
        customer = evolve(customer, event, ON)
    return customer


def test_credit_is_kept_by_its_source_the_oldest_first() -> None:
    customer = with_credit(CreditAdded("BRL", 1, "excess", payment_id=FIRST))
    assert customer.lots == (
        Lot(FIRST, "BRL", 3_001),
        Lot(SECOND, "BRL", 4_000),
        Lot(FIRST, "EUR", 500),
    )
    assert customer.of(FIRST, "BRL") == 3_001
    assert customer.of(INVOICE, "BRL") == 0


def test_credit_that_is_used_up_leaves_no_lot() -> None:
    customer = with_credit(
        CreditApplied("BRL", 3_000, FIRST, INVOICE),
        CreditWithdrawn("BRL", 1_000, "recalculated", invoice_id=SECOND),
    )
    assert customer.lots == (Lot(SECOND, "BRL", 3_000), Lot(FIRST, "EUR", 500))


def test_credit_of_the_first_release_has_no_source() -> None:
    customer = evolve(registered(), CreditAdded("BRL", 70, "excess"), ON)
    assert customer.lots == (Lot(NO_SOURCE, "BRL", 70),)


@pytest.mark.parametrize(
    ("most", "parts"),
    [
        (0, ()),
        (1, (CreditPart(FIRST, 1),)),
        (3_000, (CreditPart(FIRST, 3_000),)),
        (3_001, (CreditPart(FIRST, 3_000), CreditPart(SECOND, 1))),
        (9_999, (CreditPart(FIRST, 3_000), CreditPart(SECOND, 4_000))),
    ],
)
def test_credit_is_drawn_of_the_oldest_source_first(
    most: int, parts: tuple[CreditPart, ...]
) -> None:
    assert drawn(with_credit(), "BRL", most) == parts


def test_what_a_refund_sets_aside_comes_back_when_it_fails() -> None:
    parts = (CreditPart(FIRST, 3_000), CreditPart(SECOND, 500))
    reserved = CreditReserved("BRL", INVOICE, parts)
    assert with_credit(reserved).credit == {"BRL": 3_500, "EUR": 500}
    returned = with_credit(reserved, CreditReturned("BRL", INVOICE, parts))
    assert returned.credit == with_credit().credit
    assert returned.of(FIRST, "BRL") == 3_000


def test_spent_credit_that_is_reversed_is_owed_until_there_is_other_credit() -> None:
    spent = with_credit(
        CreditApplied("BRL", 3_000, FIRST, INVOICE), CreditApplied("BRL", 4_000, SECOND, INVOICE)
    )
    assert (spent.credit, spent.shortfall) == ({"EUR": 500}, {})
    short = evolve(spent, CreditWithdrawn("BRL", 2_500, "reversal", payment_id=FIRST), ON)
    assert (short.credit, short.shortfall) == ({"EUR": 500}, {"BRL": 2_500})
    assert short.lots == (Lot(FIRST, "EUR", 500), Lot(FIRST, "BRL", -2_500))
    part = evolve(short, CreditAdded("BRL", 2_000, "excess", payment_id=INVOICE), ON)
    assert (part.credit, part.shortfall) == ({"EUR": 500}, {"BRL": 500})
    assert part.of(INVOICE, "BRL") == 0  # it is owed elsewhere
    assert drawn(part, "BRL", 9_999) == ()
    over = evolve(part, CreditAdded("BRL", 700, "excess", payment_id=SECOND), ON)
    assert (over.credit, over.shortfall) == ({"BRL": 200, "EUR": 500}, {})
    assert drawn(over, "BRL", 9_999) == (CreditPart(INVOICE, 200),)
    assert over.of(INVOICE, "BRL") == over.of(SECOND, "BRL") == 200
