from datetime import date

import pytest

from commands.reference_rates import (
    FailedLine,
    ImportedReferenceRates,
    ReferenceRateLine,
    ReferenceRateView,
    SetReferenceRate,
    import_reference_rates,
    reference_rate_views,
    set_reference_rate,
)
from ledger.rates import MalformedRate
from ledger.reference_rates import EarlierReferenceRate, ReferenceRateDiffers
from ledger.tenant import ReferenceRateSet
from tests.commands.books import Books

FIRST = SetReferenceRate("ecb", date(2024, 1, 1), "4.50%/year")
SECOND = SetReferenceRate("ecb", date(2024, 7, 1), "4.25%/year")
NEGATIVE = SetReferenceRate("basiszinssatz", date(2021, 1, 1), "-0.88%/year")


@pytest.fixture
def books() -> Books:
    return Books()


def recorded(books: Books) -> list[tuple[str, date, str]]:
    table = books.state("tenant", books.tenant_id).reference_rates
    return [(view.name, view.from_on, view.rate) for view in reference_rate_views(table)]


def lines(*commands: SetReferenceRate) -> list[ReferenceRateLine]:
    return [ReferenceRateLine(number, command) for number, command in enumerate(commands, start=2)]


def events(books: Books) -> list[ReferenceRateSet]:
    return [event for event in books.events("tenant") if isinstance(event, ReferenceRateSet)]


def test_a_rate_is_recorded_once(books: Books) -> None:
    for _ in range(2):
        view = books.run(set_reference_rate, FIRST)
        assert view == ReferenceRateView("ecb", date(2024, 1, 1), "4.5%/year")
    books.run(set_reference_rate, NEGATIVE)
    assert recorded(books) == [
        ("basiszinssatz", date(2021, 1, 1), "-0.88%/year"),
        ("ecb", date(2024, 1, 1), "4.5%/year"),
    ]
    assert len(events(books)) == 2


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (SetReferenceRate("ecb", date(2024, 1, 1), "4.25%/year"), ReferenceRateDiffers),
        (SetReferenceRate("ecb", date(2023, 7, 1), "4.00%/year"), EarlierReferenceRate),
        (SetReferenceRate("ecb", date(2024, 7, 1), "4.25%"), MalformedRate),
    ],
)
def test_what_is_not_recorded(
    books: Books, command: SetReferenceRate, error: type[Exception]
) -> None:
    books.run(set_reference_rate, FIRST)
    with pytest.raises(error):
        books.run(set_reference_rate, command)
    assert len(events(books)) == 1


def test_lines_are_recorded_in_the_order_of_their_days(books: Books) -> None:
    asked = lines(SECOND, NEGATIVE, FIRST, SECOND)
    assert books.run(import_reference_rates, asked) == ImportedReferenceRates(3, 1, [])
    assert [event.from_on.year for event in events(books)] == [2021, 2024, 2024]
    assert books.run(import_reference_rates, asked) == ImportedReferenceRates(0, 4, [])
    assert len(events(books)) == 3


def test_nothing_is_recorded_when_a_line_cannot_go_in(books: Books) -> None:
    wrong = SetReferenceRate("ecb", date(2024, 7, 1), "4.26%/year")
    unreadable = [FailedLine(9, "a quote is malformed")]
    outcome = books.run(
        import_reference_rates,
        lines(SECOND, wrong, FIRST, SetReferenceRate("x", FIRST.from_on, "4")),
    )
    assert (outcome.added, outcome.unchanged) == (0, 0)
    assert [failed.line for failed in outcome.failed] == [3, 5]
    assert "4.25%/year from 2024-07-01 on" in outcome.failed[0].reason
    assert books.run(import_reference_rates, lines(FIRST), unreadable).failed == unreadable
    assert events(books) == []
