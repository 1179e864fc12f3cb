import pytest

from ledger.errors import Conflict, LedgerError, NotFound, Rejected, quoted
from ledger.ids import stable_id
from ledger.money import UnknownCurrency, exponent


class IBANNotFound(NotFound):
    """Two words run into capitals."""


def test_the_code_is_the_name_in_snake_case() -> None:
    assert LedgerError.code == "ledger_error"
    assert [error.code for error in (NotFound, Conflict, Rejected)] == [
        "not_found",
        "conflict",
        "rejected",
    ]
    assert UnknownCurrency.code == "unknown_currency"
    assert IBANNotFound.code == "iban_not_found"


def test_an_error_is_its_message_and_names_its_field() -> None:
    error = Rejected("Give a date.", field="due_on")
    assert str(error) == "Give a date."
    assert error.field == "due_on"
    assert Rejected("No.").field is None


def test_a_concrete_error_is_caught_by_its_kind() -> None:
    with pytest.raises(Rejected) as caught:
        exponent("ABC")
    assert caught.value.code == "unknown_currency"
    assert caught.value.field == "currency"


def test_a_quoted_input_is_escaped_and_cut() -> None:
    assert quoted("a\nb") == r"'a\nb'"
    assert len(quoted("x" * 10_000)) == 43
    assert stable_id("x" * 10_000).version == 8
