"""Query parameters and bodies are read strictly."""

from datetime import date
from typing import Any

import pytest

from adapters.http.problem_details import Malformed
from adapters.http.query_parameters import ListQuery, ReadQuery, chosen, read_query
from adapters.http.request_bodies import decode
from adapters.http.routes.customers import CustomerListQuery
from adapters.http.routes.days import DayListQuery
from adapters.http.routes.invoices import InvoiceListQuery
from adapters.http.routes.payments import PaymentListQuery
from commands.customers import RegisterCustomer
from projections.business_days.listing import DayFilters
from projections.customers.listing import CustomerFilters
from projections.invoices.listing import InvoiceFilters
from projections.payments.listing import PaymentFilters


def test_parameters_become_a_struct() -> None:
    assert read_query(b"", ListQuery) == ListQuery()
    assert read_query(b"limit=10&cursor=a%2Bb&min_position=7", ListQuery) == ListQuery(
        limit=10, cursor="a+b", min_position=7
    )


@pytest.mark.parametrize(
    ("query", "field"),
    [
        (b"limt=10", "limt"),
        (b"limit=0", "limit"),
        (b"limit=201", "limit"),
        (b"limit=ten", "limit"),
        (b"limit=", "limit"),
        (b"limit", "limit"),
        (b"limit=1&limit=2", "limit"),
        (b"min_position=-1", "min_position"),
        (b"min_position=99999999999999999999", "min_position"),
        (b"cursor=%00", "cursor"),
        (b"cursor=", "cursor"),
        (b"cursor=" + b"x" * 1001, "cursor"),
        (b"cursor=%ff", None),
        (b"&".join(b"p%d=1" % n for n in range(40)), None),
    ],
)
def test_what_is_not_a_parameter_is_refused(query: bytes, field: str | None) -> None:
    with pytest.raises(Malformed) as refused:
        read_query(query, ListQuery)
    assert refused.value.field == field


def test_a_read_of_one_thing_takes_no_page() -> None:
    with pytest.raises(Malformed, match="unknown"):
        read_query(b"limit=1", ReadQuery)


def test_no_body_reads_as_an_empty_object() -> None:
    with pytest.raises(Malformed, match="the field name is missing"):
        decode(b"", RegisterCustomer)


@pytest.mark.parametrize(
    "raw", [b"null", b"[]", b'"x"', b"1", b'{"name":"A"} x', b"\xef\xbb\xbf{}", b'{"name":NaN}']
)
def test_anything_but_one_object_is_refused(raw: bytes) -> None:
    with pytest.raises(Malformed):
        decode(raw, RegisterCustomer)


LISTS: list[tuple[type[ListQuery], type[Any]]] = [
    (CustomerListQuery, CustomerFilters),
    (InvoiceListQuery, InvoiceFilters),
    (PaymentListQuery, PaymentFilters),
    (DayListQuery, DayFilters),
]


@pytest.mark.parametrize(("query", "filters"), LISTS)
def test_every_filter_of_a_list_is_a_parameter(query: type[ListQuery], filters: type[Any]) -> None:
    assert set(filters.__struct_fields__) <= set(query.__struct_fields__)
    assert chosen(query(), filters) == filters()


def test_filters_are_chosen_from_the_query() -> None:
    query = read_query(b"status=paid&due_to=2026-03-01&order=-due_on", InvoiceListQuery)
    assert chosen(query, InvoiceFilters) == InvoiceFilters(status="paid", due_to=date(2026, 3, 1))
    assert query.order == "-due_on"


@pytest.mark.parametrize(
    ("query", "field"), [(b"status=payed", "status"), (b"customer_id=7", "customer_id")]
)
def test_a_filter_of_no_meaning_is_refused(query: bytes, field: str) -> None:
    with pytest.raises(Malformed) as refused:
        read_query(query, InvoiceListQuery)
    assert refused.value.field == field
