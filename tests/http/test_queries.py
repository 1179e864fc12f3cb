"""Query parameters and bodies are read strictly."""

import pytest

from adapters.http.bodies import decode
from adapters.http.problems import Malformed
from adapters.http.queries import ListQuery, ReadQuery, read_query
from commands.customers import RegisterCustomer


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
        (b"cursor=" + b"x" * 501, "cursor"),
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
