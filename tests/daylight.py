"""A time zone in which it is day now, for tests that read the system clock through the product.

Their tenants live in it, so that the business date does not change under them, whenever they are started: the suite
passes over every midnight. POSIX counts backwards: Etc/GMT-12 is 12 hours ahead of UTC.
"""

from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

_HOUR: Final = datetime.now(UTC).hour

ZONE: Final = "UTC" if 6 <= _HOUR < 18 else "Etc/GMT-12"
"""The local time is from 6:00 to 18:00 when the tests begin."""

TODAY: Final[date] = datetime.now(ZoneInfo(ZONE)).date()
"""The business date in that zone."""

ANOTHER_DAYS_ZONE: Final = "Etc/GMT+12" if _HOUR < 10 else "Etc/GMT-14"
"""The date there is not that of UTC, and does not change for two hours."""


def today_in(zone: str) -> date:
    """The date in a zone now."""
    return datetime.now(ZoneInfo(zone)).date()
