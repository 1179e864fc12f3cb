from typing import Any
from uuid import UUID

import pytest

from commands.customers import (
    ChangeCustomer,
    CustomerNameMissing,
    CustomerView,
    RegisterCustomer,
    change_customer,
    register_customer,
)
from commands.unit_of_work import AlreadyExists, Unknown
from ledger.encrypted import LooksEncrypted
from ledger.money import Money
from ledger.time_zones import UnknownZone
from tests.commands.books import Books

MARIA = RegisterCustomer(
    name="Maria Souza",
    reference="C-1",
    tax_number="123.456.789-09",
    email="maria@example.com",
    phone="+55 11 5555",
    address="Rua A, 1",
    notes="prefers mail",
    language="pt-BR",
    timezone="America/Manaus",
    country="BR",
)


@pytest.fixture
def books() -> Books:
    return Books()


def register(books: Books, **fields: Any) -> CustomerView:
    view: CustomerView = books.run(register_customer, RegisterCustomer(**fields))
    return view


def test_personal_fields_are_encrypted_and_the_reference_is_not(books: Books) -> None:
    view: CustomerView = books.run(register_customer, MARIA)
    assert (view.reference, view.language, view.country) == ("C-1", "pt-BR", "BR")
    for name in ("name", "tax_number", "email", "phone", "address", "notes"):
        assert getattr(view, name).startswith("encrypted:1:")
    stored = repr(books.events("customer", view.id))
    for clear in ("Maria", "123.456", "example.com", "5555", "Rua", "prefers"):
        assert clear not in stored


def test_an_empty_field_stays_empty(books: Books) -> None:
    view = register(books, name="Ana")
    assert (view.email, view.notes, view.credit) == ("", "", [])


def test_a_reference_is_used_once(books: Books) -> None:
    register(books, name="Ana", reference="C-1")
    with pytest.raises(AlreadyExists):
        register(books, name="Ana", reference="C-1")
    register(books, name="Ana")
    register(books, name="Ana")


def test_a_customer_under_a_used_id_is_refused(books: Books) -> None:
    register(books, name="Ana")
    books.commands -= 1
    with pytest.raises(AlreadyExists):
        register(books, name="Ana")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"name": " "}, CustomerNameMissing),
        ({"name": "Ana", "timezone": "Mars/Base"}, UnknownZone),
        ({"name": "Ana", "reference": "encrypted:1:x"}, LooksEncrypted),
        ({"name": "Ana", "language": "encrypted:1:x"}, LooksEncrypted),
        ({"name": "Ana", "country": "encrypted:1:x"}, LooksEncrypted),
    ],
)
def test_what_is_no_customer_is_refused(
    books: Books, fields: dict[str, str], error: type[Exception]
) -> None:
    with pytest.raises(error):
        register(books, **fields)
    assert len(books.events("customer")) == 1  # the one of the books


def test_a_change_keeps_what_it_leaves_out_and_clears_what_is_empty(books: Books) -> None:
    before: CustomerView = books.run(register_customer, MARIA)
    view: CustomerView = books.run(
        change_customer, before.id, ChangeCustomer(email="", country="PT")
    )
    assert (view.name, view.phone, view.language) == (before.name, before.phone, "pt-BR")
    assert (view.email, view.country, view.reference) == ("", "PT", "C-1")


def test_a_change_of_nothing_is_no_event(books: Books) -> None:
    before: CustomerView = books.run(register_customer, MARIA)
    assert books.run(change_customer, before.id, ChangeCustomer()) == before
    assert len(books.events("customer", before.id)) == 1


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (ChangeCustomer(name="  "), CustomerNameMissing),
        (ChangeCustomer(timezone="Mars/Base"), UnknownZone),
        (ChangeCustomer(language="encrypted:1:x"), LooksEncrypted),
    ],
)
def test_a_change_to_no_customer_is_refused(
    books: Books, command: ChangeCustomer, error: type[Exception]
) -> None:
    with pytest.raises(error):
        books.run(change_customer, books.customer_id, command)


def test_an_unknown_customer_is_not_changed(books: Books) -> None:
    with pytest.raises(Unknown):
        books.run(change_customer, UUID(int=404), ChangeCustomer(name="Ana"))


def test_credit_is_shown_by_currency(books: Books) -> None:
    books.pay("12.30", customer_id=books.customer_id)
    books.pay("500", "JPY", customer_id=books.customer_id)
    view: CustomerView = books.run(change_customer, books.customer_id, ChangeCustomer())
    assert view.credit == [Money("12.30", "BRL"), Money("500", "JPY")]
