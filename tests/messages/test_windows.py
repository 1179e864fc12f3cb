"""Nights and windows where calendars and clocks are awkward: steps on their days, messages in their hours."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapters.wiring import Books
from commands.dunning_plans import SavePlan, save_plan
from commands.messages import retry_message
from commands.tenants import ConfigureTenant, CreateTenant, configure_tenant, create_tenant
from ledger.additional_holidays import AdditionalHoliday
from ledger.dunning.plan import DEFAULT_KEY, Caps, Step
from schedulers.catch_up import tick
from schedulers.sending import Round
from tests.messages.conftest import Shop

HOURS = "mon-fri 08:00-20:00"


def follow(shop: Shop, *steps: Step, **more: Any) -> None:
    """The shop follows a plan of these steps, with no limit between contacts."""
    caps = Caps(day=9, week=9, min_gap_days=0)
    plan = SavePlan("own", "Own", steps, caps=caps, **more)
    shop.ask(lambda unit: save_plan(unit, plan))
    shop.ask(lambda unit: configure_tenant(unit, ConfigureTenant(dunning_plan="own")))
    shop.activate("own")


class Turned(Shop):
    """A shop whose time is the instant that a test turns it to."""

    moment = datetime(2026, 3, 2, 12, tzinfo=UTC)

    @property
    def now(self) -> datetime:
        return self.moment

    def until(self, moment: datetime) -> None:
        """Lets the clock run, minute by minute as its alarm does, up to a moment."""
        while self.moment < moment:
            self.moment = min(moment, self.moment + timedelta(minutes=30))
            tick(self.books.clock, "test", self.moment)


def turned(books: Books, home: Path, zone: str, starts_on: date, begins: datetime) -> Turned:
    shop = Turned(books, home)
    shop.moment = begins
    create = CreateTenant("Corner Shop", "EUR", zone, clock_starts_on=starts_on)
    shop.ask(lambda unit: create_tenant(unit, create))
    return shop


def test_a_message_waits_for_its_hours(shop: Shop) -> None:
    follow(shop, Step("due", 0, window=HOURS))
    shop.invoice(shop.customer(timezone="America/New_York"), date(2026, 3, 11))
    shop.nights(date(2026, 3, 11))
    # Noon in UTC is 8:00 in New York, which is on summer time since Sunday.
    shop.minutes = -1
    assert shop.send() == Round()
    ((_, message),) = shop.messages()
    assert (message.state, message.begun, message.zone) == ("queued", 0, "America/New_York")
    shop.minutes = 0
    assert shop.send() == Round(taken=1)


def test_the_tenants_hours_where_the_plan_says_so(shop: Shop) -> None:
    follow(shop, Step("due", 0, window=HOURS), timezone="tenant")
    shop.invoice(shop.customer(timezone="America/New_York"), date(2026, 3, 11))
    shop.nights(date(2026, 3, 11))
    shop.minutes = -3 * 60
    assert shop.send() == Round(taken=1)


def test_a_message_that_is_tried_again_at_night_waits_for_the_morning(shop: Shop) -> None:
    follow(shop, Step("due", 0, window=HOURS))
    shop.invoice(shop.customer(email="ann"), date(2026, 3, 11))
    shop.nights(date(2026, 3, 11))
    assert shop.send() == Round(not_taken=1)
    ((message_id, _),) = shop.messages()
    shop.minutes = 9 * 60
    shop.ask(lambda unit: retry_message(unit, message_id))
    assert shop.send() == Round()
    ((_, message),) = shop.messages()
    assert message.next_at == datetime(2026, 3, 12, 8, tzinfo=UTC)
    assert (message.state, message.attempts) == ("queued", 0)


def test_a_message_expires(shop: Shop) -> None:
    follow(shop, Step("due", 0, valid_hours=24))
    shop.invoice(shop.customer(), date(2026, 3, 11))
    shop.nights(date(2026, 3, 11))
    shop.minutes = 18 * 60
    assert shop.send() == Round(ended=1)
    assert [state for _, _, state in shop.told()] == ["expired"]
    assert shop.mails() == []


def test_a_message_whose_hours_come_too_late_expires(shop: Shop) -> None:
    follow(shop, Step("due", 0, window="mon 08:00-09:00", valid_hours=24))
    shop.invoice(shop.customer(), date(2026, 3, 11))
    shop.nights(date(2026, 3, 11))
    shop.today = date(2026, 3, 16)
    shop.minutes = -3 * 60
    assert shop.send() == Round(ended=1)
    assert [state for _, _, state in shop.told()] == ["expired"]


@pytest.mark.parametrize(
    ("zone", "due_on"),
    [
        ("America/New_York", date(2026, 3, 8)),  # clocks go forward at 2:00, a Sunday
        ("America/New_York", date(2026, 11, 1)),  # clocks go back at 2:00, a Sunday
        ("Pacific/Kiritimati", date(2026, 1, 1)),  # fourteen hours ahead, year end
        ("Pacific/Niue", date(2026, 1, 31)),  # eleven behind, month end
        ("Atlantic/Azores", date(2026, 3, 29)),  # clocks go forward at midnight
        ("Europe/Lisbon", date(2026, 4, 3)),  # Good Friday
    ],
)
def test_each_step_is_taken_on_its_local_day(
    books: Books, tmp_path: Path, zone: str, due_on: date
) -> None:
    place = ZoneInfo(zone)
    begins = datetime.combine(due_on - timedelta(days=9), datetime.min.time(), place)
    shop = turned(books, tmp_path, zone, due_on - timedelta(days=9), begins.astimezone(UTC))
    follow(shop, Step("before", -3), Step("due", 0), Step("d3", 3), calendar="none")
    shop.invoice(shop.customer(), due_on)
    shop.until(begins.astimezone(UTC) + timedelta(days=14))
    expected = [
        ("before", due_on - timedelta(days=3)),
        ("due", due_on),
        ("d3", due_on + timedelta(days=3)),
    ]
    assert [(step, day) for day, step, _ in shop.told()] == expected
    queued = [event.recorded_at for event in shop.events("message.queued.v1")]
    assert len(queued) == 3


def test_a_holiday_on_monday_moves_a_step_to_tuesday(books: Books, tmp_path: Path) -> None:
    # Easter Monday 2026-04-06 in Germany; the step of Saturday waits for Tuesday, after Good Friday too.
    begins = datetime(2026, 3, 30, tzinfo=UTC)
    shop = turned(books, tmp_path, "Europe/Berlin", date(2026, 3, 30), begins)
    shop.ask(lambda unit: configure_tenant(unit, ConfigureTenant(calendar="DE")))
    follow(shop, Step("due", 0), Step("d1", 1))
    shop.invoice(shop.customer(), date(2026, 4, 3))
    shop.until(begins + timedelta(days=12))
    assert [(step, day) for day, step, _ in shop.told()] == [("d1", date(2026, 4, 7))]


def test_nobody_is_contacted_before_six_whatever_the_clocks_do(
    books: Books, tmp_path: Path
) -> None:
    """On the night on which clocks go forward, six o'clock comes an hour sooner; a customer's window is its own."""
    begins = datetime(2026, 3, 7, tzinfo=UTC)
    shop = turned(books, tmp_path, "America/New_York", date(2026, 3, 6), begins)
    follow(shop, Step("due", 0), calendar="none")
    shop.invoice(shop.customer(), date(2026, 3, 8))
    shop.until(datetime(2026, 3, 8, 9, 59, tzinfo=UTC))
    assert shop.messages() == []
    shop.until(datetime(2026, 3, 8, 10, 0, tzinfo=UTC))
    assert len(shop.messages()) == 1


def test_a_debtor_a_day_ahead(books: Books, tmp_path: Path) -> None:
    """Friday morning in Lisbon is Friday night in Kiritimati: the message waits for Monday there, Sunday here."""
    begins = datetime(2026, 3, 9, tzinfo=UTC)
    shop = turned(books, tmp_path, "Europe/Lisbon", date(2026, 3, 9), begins)
    follow(shop, Step("due", 0, window=HOURS))
    shop.invoice(shop.customer(timezone="Pacific/Kiritimati"), date(2026, 3, 13))
    shop.until(datetime(2026, 3, 13, 12, tzinfo=UTC))
    ((_, message),) = shop.messages()
    assert message.next_at == datetime(2026, 3, 15, 18, tzinfo=UTC)
    assert shop.send() == Round()
    shop.moment = datetime(2026, 3, 15, 18, tzinfo=UTC)
    assert shop.send() == Round(taken=1)


def test_a_reminder_that_waits_into_a_weekend_or_holiday_waits_on(shop: Shop) -> None:
    friday, monday = date(2026, 3, 13), date(2026, 3, 16)
    shop.activate()
    shop.invoice(shop.customer(), friday)
    shop.today = friday
    shop.night()
    holiday = ConfigureTenant(additional_holidays=(AdditionalHoliday(monday, "City"),))
    shop.ask(lambda unit: configure_tenant(unit, holiday))
    for day in (friday + timedelta(days=1), friday + timedelta(days=2), monday):
        shop.today = day
        assert shop.send().taken == 0
    message = shop.messages()[-1][1]
    assert (message.state, message.attempts) == ("queued", 0)
    assert message.next_at == datetime(2026, 3, 17, 6, tzinfo=UTC)
    shop.today = monday + timedelta(days=1)
    assert shop.send().taken == 1


def test_an_invoice_is_mailed_on_a_weekend(shop: Shop) -> None:
    shop.today = date(2026, 3, 14)
    shop.invoice(shop.customer(), date(2026, 4, 1), notify=True)
    assert shop.send().taken == 1


def test_one_that_is_worth_nothing_after_the_weekend_expires(shop: Shop) -> None:
    friday = date(2026, 3, 13)
    plan = SavePlan(DEFAULT_KEY, "Own", (Step("due", 0, valid_hours=48),))
    shop.ask(lambda unit: save_plan(unit, plan))
    shop.activate()
    shop.invoice(shop.customer(), friday)
    shop.nights(friday)
    shop.today = friday + timedelta(days=1)
    assert shop.send().ended == 1
    assert shop.messages()[-1][1].state == "expired"
