from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
import pytest

from commands.tenants import (
    ClockStartsTooEarly,
    ConfigureTenant,
    CreateKey,
    CreateTenant,
    KeyView,
    MonthClosed,
    NameMissing,
    NotAMonthEnd,
    TenantView,
    WindowTooLong,
    configure_tenant,
    create_key,
    create_tenant,
    revoke_key,
)
from commands.unit_of_work import AlreadyExists, Unknown
from ledger.additional_holidays import AdditionalHoliday, HolidayTwice
from ledger.calendars import NoBusinessDay, UnknownCalendar
from ledger.encrypted import ControlCharacter, LooksEncrypted
from ledger.money import Money, UnknownCurrency, ZeroAmount
from ledger.numbering import MalformedNumberFormat, MalformedSeries, YearNotInFormat
from ledger.time_zones import UnknownZone
from tests.commands.books import Books
from tests.commands.memory_unit import MemoryUnit

CITY, FAIR = AdditionalHoliday(date(2024, 1, 25), "City"), AdditionalHoliday(date(2024, 2, 3))
HOLIDAYS_FOR_EVER = tuple(
    AdditionalHoliday(date(2024, 1, 1) + timedelta(days=number)) for number in range(61)
)


@pytest.fixture
def books() -> Books:
    return Books()


def create(unit: MemoryUnit, **fields: Any) -> TenantView:
    asked = {"name": "Acme", "currency": "BRL", "timezone": "America/Sao_Paulo", **fields}
    view: TenantView = unit.run(create_tenant, CreateTenant(**asked))
    return view


class TestCreate:
    def test_begins_its_days_today_in_its_own_zone(self) -> None:
        unit = MemoryUnit(datetime(2024, 3, 1, 2, tzinfo=UTC))
        view = create(unit)
        assert view.settings.clock_starts_on == date(2024, 2, 29)
        assert (view.settings.calendar, view.fee_policy.version) == ("weekends", 0)
        assert unit.tenants == {"Acme"}

    def test_or_when_it_says(self) -> None:
        view = create(MemoryUnit(), clock_starts_on=date(2012, 1, 3))
        assert view.settings.clock_starts_on == date(2012, 1, 3)

    def test_happens_once(self) -> None:
        unit = MemoryUnit()
        create(unit)
        with pytest.raises(AlreadyExists):
            create(unit, name="Other")
        other = MemoryUnit()
        other.tenants = {"Acme"}
        with pytest.raises(AlreadyExists):
            create(other)

    @pytest.mark.parametrize(
        ("fields", "error"),
        [
            ({"name": " "}, NameMissing),
            ({"name": "encrypted:1:x"}, LooksEncrypted),
            ({"currency": "XXX"}, UnknownCurrency),
            ({"timezone": "Mars/Base"}, UnknownZone),
            ({"calendar": "ZZ"}, UnknownCalendar),
            ({"clock_starts_on": date(1, 1, 1)}, ClockStartsTooEarly),
        ],
    )
    def test_is_refused(self, fields: dict[str, Any], error: type[Exception]) -> None:
        unit = MemoryUnit()
        with pytest.raises(error):
            create(unit, **fields)
        assert (unit.log, unit.tenants) == ([], set())


class TestConfigure:
    def test_changes_what_is_said_and_keeps_the_rest(self, books: Books) -> None:
        command = ConfigureTenant(calendar="BR-SP", tax_rounding="document", rounding="half_up")
        view: TenantView = books.run(configure_tenant, command)
        settings = view.settings
        assert (settings.calendar, settings.tax_rounding) == ("BR-SP", "document")
        assert (settings.currency, settings.series) == ("BRL", "INV")

    def test_of_nothing_new_is_no_event(self, books: Books) -> None:
        before = len(books.log)
        books.run(configure_tenant, ConfigureTenant())
        books.run(configure_tenant, ConfigureTenant(currency="BRL", series="INV"))
        assert len(books.log) == before

    @pytest.mark.parametrize(
        "number_format", ["{n}", "{series}-{n:06}", "{year}/{n}", "Nº{n:04}/{year}-{series}"]
    )
    def test_takes_a_number_format(self, books: Books, number_format: str) -> None:
        view: TenantView = books.run(configure_tenant, ConfigureTenant(number_format=number_format))
        assert view.settings.number_format == number_format

    @pytest.mark.parametrize(
        "number_format",
        [
            "",
            "INV",
            "{series}",
            "{year}",
            "{n",
            "n}",
            "{}",
            "{0}",
            "{x}{n}",
            "{n.__class__}",
            "{n!r}",
            "{n:999999999}",
            "{n:99}",
            "{n:f}",
            "{n:4}",
            "{n:0}",
            "{n:00}",
            "{n}{n:03}",
            "{n}/{n}",
            "INV {n}",
            " {n}",
            "{n} ",
            "{{n}}",
            "{n}" + "x" * 64,
            "{n}\n",
            "encrypted:{n}",
        ],
    )
    def test_refuses_what_is_no_number_format(self, books: Books, number_format: str) -> None:
        with pytest.raises(MalformedNumberFormat) as refused:
            books.run(configure_tenant, ConfigureTenant(number_format=number_format))
        assert refused.value.field == "number_format"

    @pytest.mark.parametrize(
        ("command", "error"),
        [
            (ConfigureTenant(currency="XAU"), UnknownCurrency),
            (ConfigureTenant(timezone="GMT+25"), UnknownZone),
            (ConfigureTenant(calendar="weekdays"), UnknownCalendar),
            (ConfigureTenant(series=""), MalformedSeries),
            (ConfigureTenant(series="x" * 33), MalformedSeries),
            (ConfigureTenant(series="A\tB"), ControlCharacter),
            (ConfigureTenant(series="A B"), MalformedSeries),
            (ConfigureTenant(series="A\u00a0B"), MalformedSeries),
            (ConfigureTenant(credit_note_series="C N"), MalformedSeries),
            (ConfigureTenant(number_restarts="yearly"), YearNotInFormat),
            (ConfigureTenant(series="encrypted:"), LooksEncrypted),
            (ConfigureTenant(clock_starts_on=date(1969, 12, 31)), ClockStartsTooEarly),
            (ConfigureTenant(credit_note_series=""), MalformedSeries),
            (ConfigureTenant(credit_note_series="x" * 33), MalformedSeries),
            (ConfigureTenant(credit_note_series="A\tB"), ControlCharacter),
            (ConfigureTenant(credit_note_series="INV"), MalformedSeries),
            (ConfigureTenant(series="CN"), MalformedSeries),
            (ConfigureTenant(credit_note_series="encrypted:"), LooksEncrypted),
            (ConfigureTenant(refund_excess_above=Money("0.00", "BRL")), ZeroAmount),
            (ConfigureTenant(refund_excess_above=Money("1.00", "XAU")), UnknownCurrency),
            (ConfigureTenant(duplicate_window_days=-1), WindowTooLong),
            (ConfigureTenant(duplicate_window_days=32), WindowTooLong),
            (ConfigureTenant(additional_holidays=(CITY, CITY)), HolidayTwice),
            (ConfigureTenant(additional_holidays=HOLIDAYS_FOR_EVER), NoBusinessDay),
            (ConfigureTenant(books_closed_through=date(2024, 2, 28)), NotAMonthEnd),
            (ConfigureTenant(books_closed_through=date(2024, 3, 31)), NotAMonthEnd),
            (ConfigureTenant(books_closed_through=date.max), NotAMonthEnd),
        ],
    )
    def test_refuses_by_name(
        self, books: Books, command: ConfigureTenant, error: type[Exception]
    ) -> None:
        before = len(books.log)
        with pytest.raises(error):
            books.run(configure_tenant, command)
        assert len(books.log) == before

    def test_counts_the_changes_of_additional_holidays(self, books: Books) -> None:
        versions = []
        for holidays in ((FAIR, CITY), (CITY, FAIR), (CITY,), ()):
            command = ConfigureTenant(additional_holidays=holidays)
            settings = books.run(configure_tenant, command).settings
            versions.append(settings.additional_holidays_version)
            assert settings.additional_holidays == tuple(sorted(holidays, key=lambda one: one.on))
        assert versions == [1, 1, 2, 3]  # the same ones in another order are no change
        view: TenantView = books.run(configure_tenant, ConfigureTenant(series="R"))
        assert view.settings.additional_holidays_version == 3

    def test_sets_and_unsets_the_threshold_of_refunds(self, books: Books) -> None:
        for threshold in (Money("100.00", "BRL"), None):
            command = ConfigureTenant(refund_excess_above=threshold)
            view: TenantView = books.run(configure_tenant, command)
            assert view.settings.refund_excess_above == threshold

    def test_closes_months_and_never_opens_them_again(self, books: Books) -> None:
        for closed in (date(2024, 1, 31), date(2024, 2, 29)):
            books.run(configure_tenant, ConfigureTenant(books_closed_through=closed))
        for earlier in (date(2024, 1, 31), None):
            with pytest.raises(MonthClosed):
                books.run(configure_tenant, ConfigureTenant(books_closed_through=earlier))  # type: ignore[arg-type]
        view: TenantView = books.run(configure_tenant, ConfigureTenant(calendar="none"))
        assert view.settings.books_closed_through == date(2024, 2, 29)

    @pytest.mark.parametrize("setting", ["tax_rounding", "rounding", "apply_credit"])
    def test_takes_only_the_choices_there_are(self, setting: str) -> None:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({setting: "sideways"}, ConfigureTenant)


class TestKeys:
    def test_a_key_is_known_by_its_hash_and_never_stored_in_an_event(self, books: Books) -> None:
        view: KeyView = books.run(create_key, CreateKey("till 4", "operator"), b"hash of it")
        assert (view.name, view.role, view.revoked) == ("till 4", "operator", False)
        assert books.keys == {view.key_id: b"hash of it"}
        assert "hash of it" not in repr(books.log)

    def test_a_revoked_key_opens_no_door_and_may_be_revoked_again(self, books: Books) -> None:
        view: KeyView = books.run(create_key, CreateKey("till 4"), b"hash")
        assert books.run(revoke_key, view.key_id).revoked
        assert books.keys == {}
        before = len(books.log)
        assert books.run(revoke_key, view.key_id).revoked
        assert len(books.log) == before

    def test_an_unknown_key_is_not_revoked(self, books: Books) -> None:
        with pytest.raises(Unknown):
            books.run(revoke_key, UUID(int=404))

    def test_a_key_has_a_plain_name(self, books: Books) -> None:
        with pytest.raises(LooksEncrypted):
            books.run(create_key, CreateKey("encrypted:1:x"), b"hash")
        assert books.keys == {}


def test_over_http_the_clock_starts_no_longer_ago_than_is_allowed() -> None:
    unit = MemoryUnit()
    create(unit)
    today_on = unit.now.date()
    for days, refused in ((400, False), (401, True)):
        command = ConfigureTenant(clock_starts_on=today_on - timedelta(days))
        if refused:
            with pytest.raises(ClockStartsTooEarly, match="an operator may"):
                unit.run(partial(configure_tenant, max_clock_days_back=400), command)
        else:
            unit.run(partial(configure_tenant, max_clock_days_back=400), command)
    unit.run(configure_tenant, ConfigureTenant(clock_starts_on=date(2000, 1, 1)))
