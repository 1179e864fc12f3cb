"""Contact windows: what can be written, and when they open, over changes of clocks too."""

from datetime import UTC, datetime, time

import pytest

from ledger.dunning.window import PRESETS, Hours, MalformedWindow, opens_at, parse_window


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_how_a_window_is_written() -> None:
    assert parse_window("mon 08:00-20:00") == (Hours(0, time(8), time(20)),)
    assert parse_window("sat 08:00-14:00, fri 09:00-10:00") == (
        Hours(4, time(9), time(10)),
        Hours(5, time(8), time(14)),
    )
    assert len(parse_window("mon-sun 00:00-00:00")) == 7
    for preset in PRESETS:
        assert parse_window(preset)
        assert all(one.weekday != 6 for one in parse_window(preset))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "always",
        "mon",
        "mon 8:00-20:00",
        "mon 08:00-25:00",
        "mon 20:00-08:00",
        "mon 08:00-08:00",
        "fri-mon 08:00-20:00",
        "mon-xyz 08:00-20:00",
        "mon 08:00-12:00, mon 11:00-20:00",
        "mon 08:00-00:00, mon 20:00-21:00",
        "mon 08:00-20:00,",
        "mon 08:00-20:00, " * 40,
    ],
)
def test_what_is_no_window(text: str) -> None:
    with pytest.raises(MalformedWindow):
        parse_window(text)


@pytest.mark.parametrize(
    ("window", "zone", "moment", "opens"),
    [
        # 2026-03-11 is a Wednesday. Inside, at the opening, at the closing, before and after.
        ("mon-fri 08:00-20:00", "Etc/UTC", "2026-03-11T12:00", "2026-03-11T12:00"),
        ("mon-fri 08:00-20:00", "Etc/UTC", "2026-03-11T08:00", "2026-03-11T08:00"),
        ("mon-fri 08:00-20:00", "Etc/UTC", "2026-03-11T20:00", "2026-03-12T08:00"),
        ("mon-fri 08:00-20:00", "Etc/UTC", "2026-03-11T06:00", "2026-03-11T08:00"),
        ("mon-fri 08:00-20:00", "Etc/UTC", "2026-03-13T21:00", "2026-03-16T08:00"),
        ("BR-SP", "America/Sao_Paulo", "2026-03-14T18:00", "2026-03-16T11:00"),
        ("wed 08:00-12:00, wed 14:00-18:00", "Etc/UTC", "2026-03-11T12:30", "2026-03-11T14:00"),
        ("mon 08:00-09:00", "Etc/UTC", "2026-03-09T09:00", "2026-03-16T08:00"),
        ("tue 00:00-00:00", "Etc/UTC", "2026-03-10T23:59", "2026-03-10T23:59"),
        ("tue 00:00-00:00", "Etc/UTC", "2026-03-11T00:00", "2026-03-17T00:00"),
        # A customer five hours away, and one a day ahead.
        ("mon-fri 08:00-20:00", "America/New_York", "2026-03-11T09:00", "2026-03-11T12:00"),
        ("mon-fri 08:00-20:00", "Pacific/Kiritimati", "2026-03-13T12:00", "2026-03-15T18:00"),
        ("mon-fri 08:00-20:00", "Pacific/Kiritimati", "2026-03-10T19:00", "2026-03-10T19:00"),
        ("mon-fri 08:00-20:00", "Pacific/Niue", "2026-03-11T06:00", "2026-03-11T06:00"),
        # Spring forward in New York on Sunday 2026-03-08: 2:00 to 3:00 is not there; offsets differ around it.
        ("sun 02:00-04:00", "America/New_York", "2026-03-08T06:30", "2026-03-08T07:00"),
        ("sun 02:15-02:45", "America/New_York", "2026-03-08T05:00", "2026-03-15T06:15"),
        ("mon-fri 08:00-20:00", "America/New_York", "2026-03-06T12:59", "2026-03-06T13:00"),
        ("mon-fri 08:00-20:00", "America/New_York", "2026-03-09T11:59", "2026-03-09T12:00"),
        # Autumn back on Sunday 2026-11-01: 1:00 to 2:00 is there twice.
        ("sun 01:00-02:00", "America/New_York", "2026-11-01T05:30", "2026-11-01T05:30"),
        ("sun 01:00-03:00", "America/New_York", "2026-11-01T06:30", "2026-11-01T06:30"),
        # A day that is not there: Samoa skipped Friday 2011-12-30.
        ("fri 08:00-20:00", "Pacific/Apia", "2011-12-29T22:00", "2012-01-05T18:00"),
    ],
)
def test_when_a_window_opens(window: str, zone: str, moment: str, opens: str) -> None:
    assert opens_at(window, zone, at(moment)) == at(opens)
