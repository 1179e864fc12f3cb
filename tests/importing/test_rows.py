"""Rows: what goes in, and every reason why one does not."""

from datetime import date

import pytest

from adapters.importing.columns import (
    FIELDS,
    DuplicateColumn,
    MissingColumn,
    UnknownColumn,
    columns_of,
    known_field,
    nearest_field,
)
from adapters.importing.row_validation import (
    BadRow,
    Reading,
    Row,
    WrongDateFormat,
    checked_date_format,
    content_hash,
    read_row,
)

TODAY = date(2014, 1, 31)
READING = Reading(columns_of(FIELDS, {}, currency_given=False), TODAY)
GOOD = {
    "customer_ref": "C-1",
    "invoice_number": "A-1",
    "issued_on": "2013-01-02",
    "due_on": "2013-02-01",
    "amount": "55.94",
    "currency": "USD",
    "customer_name": "Ana",
    "settled_on": "2013-01-15",
    "settled_amount": "",
    "disputed": "No",
}


def row_of(**changes: str) -> Row:
    return read_row(7, list((GOOD | changes).values()), READING)


def test_a_good_row() -> None:
    assert row_of() == Row(
        line=7,
        invoice_number="A-1",
        customer_ref="C-1",
        issued_on=date(2013, 1, 2),
        due_on=date(2013, 2, 1),
        amount_minor=5594,
        currency="USD",
        settled_on=date(2013, 1, 15),
        settled_minor=5594,
        disputed=False,
        customer_name="Ana",
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"amount": "55.9"}, {"amount_minor": 5590, "settled_minor": 5590}),
        ({"amount": " 55 "}, {"amount_minor": 5500, "settled_minor": 5500}),
        ({"settled_amount": "20.00"}, {"settled_minor": 2000}),
        ({"settled_amount": "99.00"}, {"settled_minor": 9900}),
        ({"settled_on": ""}, {"settled_on": None, "settled_minor": 0}),
        ({"settled_on": "2012-12-01"}, {"settled_on": date(2012, 12, 1)}),
        ({"disputed": "Yes"}, {"disputed": True}),
        ({"disputed": "TRUE"}, {"disputed": True}),
        ({"disputed": ""}, {"disputed": False}),
        ({"due_on": "2013-01-02"}, {"due_on": date(2013, 1, 2)}),
        ({"due_on": "2014-03-01"}, {"due_on": date(2014, 3, 1)}),
        ({"issued_on": "2014-01-31", "due_on": "2014-01-31"}, {"issued_on": TODAY}),
        ({"currency": "JPY", "amount": "5500"}, {"amount_minor": 5500}),
        ({"currency": "HRK"}, {"currency": "HRK"}),
        ({"customer_name": ""}, {"customer_name": ""}),
    ],
)
def test_what_else_goes_in(changes: dict[str, str], expected: dict[str, object]) -> None:
    row = row_of(**changes)
    assert {field: getattr(row, field) for field in expected} == expected


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"amount": "-5.00"}, "amount: '-5.00' is not above zero"),
        ({"amount": "0.00"}, "amount: '0.00' is not above zero"),
        ({"amount": "5.999"}, "amount: '5.999' has more decimals than USD"),
        ({"amount": "5.5", "currency": "JPY"}, "amount: '5.5' has more decimals than JPY"),
        ({"amount": "1,000.00"}, "amount: '1,000.00' is not an amount"),
        ({"amount": "1e3"}, "is not an amount"),
        ({"amount": "NaN"}, "is not an amount"),
        ({"amount": ""}, "amount: is empty"),
        ({"amount": "9" * 400}, "amount: The amount is too large"),
        ({"currency": "XYZ"}, "currency: 'XYZ' is not a currency in use"),
        ({"currency": "usd"}, "did you mean USD"),
        ({"currency": "XAU"}, "not a currency of debts"),
        ({"currency": ""}, "currency: is empty"),
        ({"currency": "LVL", "issued_on": "2014-01-01"}, "LVL was withdrawn on 2014-01-01"),
        ({"issued_on": "2013-02-30"}, "issued_on: '2013-02-30' is not a date"),
        ({"issued_on": "1/2/2013"}, "issued_on: '1/2/2013' is not a date such as 2013-01-31"),
        ({"issued_on": "20130102"}, "is not a date"),
        ({"issued_on": ""}, "issued_on: is empty"),
        ({"issued_on": "2014-02-01", "due_on": "2014-03-01"}, "2014-02-01 lies in the future"),
        ({"settled_on": "2014-02-01"}, "settled_on: 2014-02-01 lies in the future"),
        ({"due_on": "9999-12-31"}, "due_on: 9999-12-31 lies outside the years 1900 to 2999"),
        ({"issued_on": "0213-01-02"}, "lies outside the years"),
        ({"due_on": "2013-01-01"}, "due on 2013-01-01, before it was issued on 2013-01-02"),
        ({"settled_on": "", "settled_amount": "5.00"}, "there is no date beside it"),
        ({"settled_amount": "-1.00"}, "settled_amount: '-1.00' is not above zero"),
        ({"disputed": "perhaps"}, "disputed: 'perhaps' is neither yes nor no"),
        ({"invoice_number": " "}, "invoice_number: is empty"),
        ({"invoice_number": "x" * 201}, "invoice_number: is longer than 200 characters"),
        ({"invoice_number": "a\x00b"}, "invoice_number: holds a control character"),
        ({"customer_ref": "encrypted:1:x"}, "customer_ref: the text may not contain 'encrypted:'"),
    ],
)
def test_what_does_not_go_in(changes: dict[str, str], reason: str) -> None:
    with pytest.raises(BadRow) as refused:
        row_of(**changes)
    assert reason in str(refused.value)


def test_every_reason_is_told_at_once() -> None:
    with pytest.raises(BadRow) as refused:
        row_of(amount="x", currency="EUR", issued_on="x", invoice_number="")
    told = str(refused.value)
    assert all(part in told for part in ("invoice_number:", "issued_on:", "amount:"))


def test_a_row_needs_as_many_fields_as_the_header() -> None:
    with pytest.raises(BadRow, match="has 2 fields, the header 10"):
        read_row(7, ["a", "b"], READING)


def test_dates_in_another_format_and_one_currency_for_all() -> None:
    columns = columns_of(
        ["Who", "No", "From", "Due", "Sum"],
        {
            "customer_ref": "Who",
            "invoice_number": "No",
            "issued_on": "From",
            "due_on": "Due",
            "amount": "Sum",
        },
        currency_given=True,
    )
    reading = Reading(columns, TODAY, "%m/%d/%Y", "EUR")
    row = read_row(2, ["c", "n", "1/2/2013", "12/31/2013", "1"], reading)
    assert (row.issued_on, row.due_on) == (date(2013, 1, 2), date(2013, 12, 31))
    assert (row.currency, row.amount_minor) == ("EUR", 100)
    with pytest.raises(BadRow, match="From: '31/12/2013' is not a date as %m/%d/%Y writes it"):
        read_row(2, ["c", "n", "31/12/2013", "12/31/2013", "1"], reading)


def test_the_digest_tells_content_apart_and_nothing_else() -> None:
    row = row_of()
    assert content_hash(row) == content_hash(read_row(99, list(GOOD.values()), READING))
    assert content_hash(row) == content_hash(row_of(customer_name="Anna"))
    for changes in (
        {"amount": "55.95"},
        {"currency": "EUR"},
        {"due_on": "2013-02-02"},
        {"settled_on": ""},
        {"settled_amount": "1.00"},
        {"disputed": "yes"},
        {"customer_ref": "C-2"},
    ):
        assert content_hash(row) != content_hash(row_of(**changes))


@pytest.mark.parametrize("text", ["%m/%d/%Y", "%d.%m.%y", "%Y%m%d", "%d-%b-%Y", "%Y-%j"])
def test_formats_that_tell_a_date(text: str) -> None:
    assert checked_date_format(text) == text


@pytest.mark.parametrize("text", ["", "%m/%d", "%Y-%m", "YYYY-MM-DD", "%d/%m/%Y %Q", "%"])
def test_formats_that_do_not(text: str) -> None:
    with pytest.raises(WrongDateFormat):
        checked_date_format(text)


def test_headers_are_found_by_their_own_names_or_given_ones() -> None:
    columns = columns_of(
        ["b", " amount ", "customer_ref", "issued_on", "due_on", "currency", "No"],
        {"invoice_number": "No"},
        currency_given=False,
    )
    assert columns.places["amount"] == 1
    assert columns.places["invoice_number"] == 6
    assert columns.ignored == ("b",)


def test_missing_columns_are_named_with_what_to_say() -> None:
    with pytest.raises(MissingColumn) as refused:
        columns_of(["customer_ref", "invoice_number", "Total"], {}, currency_given=False)
    told = str(refused.value)
    assert "lacks columns issued_on, due_on, amount, currency" in told
    assert "--column amount=HEADER" in told
    assert "or give --currency" in told
    assert "it has customer_ref, invoice_number, Total" in told


def test_a_file_separated_by_semicolons_is_recognised() -> None:
    with pytest.raises(MissingColumn, match="separated by commas"):
        columns_of([";".join(FIELDS)], {}, currency_given=False)


def test_a_header_that_is_not_there_is_told_with_the_nearest() -> None:
    with pytest.raises(UnknownColumn, match=r"no column 'Amuont' for amount \(did you mean Amount"):
        columns_of([*FIELDS, "Amount"], {"amount": "Amuont"}, currency_given=False)


def test_two_columns_of_one_name_are_refused_where_it_matters() -> None:
    with pytest.raises(DuplicateColumn, match="2 columns named 'amount'"):
        columns_of([*FIELDS, "amount"], {}, currency_given=False)
    assert columns_of([*FIELDS, "x", "x"], {}, currency_given=False).ignored == ("x", "x")


def test_a_field_the_import_does_not_know() -> None:
    with pytest.raises(UnknownColumn, match="did you mean invoice_number"):
        known_field("invoicenumber")


def test_a_misspelt_optional_column_is_noticed() -> None:
    columns = columns_of([*FIELDS[:6], "settled_onn", "Region"], {}, currency_given=False)
    assert nearest_field("settled_onn", columns) == "settled_on"
    assert nearest_field("Region", columns) is None
