from datetime import date
from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from ledger.ids import derived_id, id_beside, stable_id

TENANT = UUID("0190d7a0-0000-7000-8000-000000000001")
days = st.dates(date(1970, 1, 1))
parts = st.lists(st.one_of(st.text(max_size=8), st.uuids()), max_size=5).map(tuple)


def test_an_id_never_changes() -> None:
    assert derived_id(date(2024, 6, 15), TENANT, "dunning", "step-1") == UUID(
        "01901931-9c00-801a-b5fe-57caf9b78c7c"
    )
    assert stable_id(TENANT, "key-1") == UUID("eef7559b-9b7c-8965-809e-d0ffaa45071c")


def test_the_day_stands_first_as_in_uuid_version_7() -> None:
    found = derived_id(date(2024, 6, 15), "a")
    assert found.int >> 80 == 1_718_409_600_000  # 2024-06-15T00:00Z in milliseconds


def test_days_before_1970_sort_first_and_differ() -> None:
    early, earlier = derived_id(date(1969, 12, 31), "a"), derived_id(date(1950, 1, 1), "a")
    assert early != earlier
    assert max(early, earlier) < derived_id(date(1970, 1, 2), "a")


def test_parts_keep_their_bounds_and_kinds() -> None:
    assert stable_id("ab", "c") != stable_id("a", "bc")
    assert stable_id("a") != stable_id("a", "")
    assert stable_id(TENANT) != stable_id(str(TENANT))
    plain = UUID(bytes=b"sixteen letters!")
    assert stable_id(plain) != stable_id("sixteen letters!")


@given(days, parts)
def test_ids_are_of_version_8_and_repeat(day: date, named: tuple[str | UUID, ...]) -> None:
    for found in (derived_id(day, *named), stable_id(*named)):
        assert found.version == 8
        assert found.variant == RFC_4122
    assert derived_id(day, *named) == derived_id(day, *named)
    assert stable_id(*named) == stable_id(*named)


@given(days, parts, days, parts)
def test_different_facts_give_different_ids(
    day: date, named: tuple[str | UUID, ...], other_day: date, other: tuple[str | UUID, ...]
) -> None:
    same = named == other
    assert (derived_id(day, *named) == derived_id(other_day, *other)) == (same and day == other_day)
    assert (stable_id(*named) == stable_id(*other)) == same


@given(days, days, parts, parts)
def test_ids_sort_by_day(
    one: date, two: date, first: tuple[str | UUID, ...], second: tuple[str | UUID, ...]
) -> None:
    if one < two:
        assert derived_id(one, *first) < derived_id(two, *second)


SORTING_BITS = ((1 << 48) - 1) << 80 | 0xFFF << 64


@given(st.uuids(), st.uuids(), parts, parts)
def test_ids_beside_others_sort_as_those_do(
    one: UUID, two: UUID, first: tuple[str | UUID, ...], second: tuple[str | UUID, ...]
) -> None:
    found, other = id_beside(one, *first), id_beside(two, *second)
    assert (found.version, found.variant) == (8, RFC_4122)
    assert found.int & SORTING_BITS == one.int & SORTING_BITS
    if one.int & SORTING_BITS < two.int & SORTING_BITS:
        assert found < other
    same_place = one.int & SORTING_BITS == two.int & SORTING_BITS
    assert (found == other) == (first == second and same_place)
    assert found == id_beside(one, *first)
