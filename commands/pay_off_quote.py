"""What settles an invoice on a day: a quote, by component, with what each later day adds. Nothing is written.

It is calculated as a payment of that day would be: the invoice is first brought up to date through the day itself.
"""

from datetime import date, timedelta
from uuid import UUID

import msgspec

from commands.invoices import ComponentsView, components_view
from ledger.errors import Rejected
from ledger.invoice import charges
from ledger.invoice.accrual import bring_up_to_date
from ledger.invoice.state import Invoice, Status
from ledger.money import Money
from ledger.rounding import divide

DAY = timedelta(days=1)
DAYS_AHEAD = 3_660
"""As far as a dry run of the clock looks."""
AVERAGED_DAYS = 360


class PayOffInPast(Rejected):
    """A quote is for today or a later day: on an earlier one nothing can be paid any more."""


class PayOffTooFar(Rejected):
    """A quote looks ten years ahead at the most."""


class LaterDays(msgspec.Struct, frozen=True):
    """What is added when the invoice is paid later than quoted, and nothing else happens meanwhile.

    from_on         the first later day that bears a charge
    first_day_adds  what is owed more on that day: on the first late day the late fee, and interest from the due date on
    each_day_adds   a day's interest from then on, rounded. Interest is rounded once over all its days, so that a single
                    day may add one minor unit more or less: the amount of a day is what a quote for that day says
    """

    from_on: date
    first_day_adds: Money
    each_day_adds: Money


class PayOff(msgspec.Struct, frozen=True):
    """What has to be paid on a day to settle an invoice; nothing for a draft, and for one that is closed.

    on          the day that was asked for, today when none was
    status      as the invoice stands on that day
    components  what is open on it, fee and interest of that day included
    total       what to pay
    valid_on    the day on which that amount settles it; an earlier or later payment needs a quote of its own
    later       what later days add; null where they add nothing
    """

    invoice_id: UUID
    number: str
    on: date
    status: Status
    components: ComponentsView
    total: Money
    valid_on: date
    later: LaterDays | None


def pay_off(invoice_id: UUID, invoice: Invoice, today: date, on: date | None = None) -> PayOff:
    """The quote for a day, today when left out. Raises PayOffInPast, PayOffTooFar."""
    day = on or today
    _require_quotable(day, today)
    settled = bring_up_to_date(invoice, day, settle=True).invoice
    return PayOff(
        invoice_id=invoice_id,
        number=invoice.number,
        on=day,
        status=settled.status,
        components=components_view(settled.open, invoice.currency),
        total=Money.of(settled.open.total, invoice.currency),
        valid_on=day,
        later=_later(settled, day),
    )


def _require_quotable(day: date, today: date) -> None:
    if day < today:
        raise PayOffInPast(
            f"{day} is over; today is {today}. Ask for today or a later day; "
            "what was owed on an earlier one is in the invoice's explanation, by as_of",
            field="on",
        )
    if (day - today).days > DAYS_AHEAD:
        raise PayOffTooFar(f"a quote looks ten years ahead at the most; {day} is later", field="on")


def _later(settled: Invoice, day: date) -> LaterDays | None:
    """What days after `day` add to an invoice that was brought up to it."""
    terms = settled.terms
    if terms is None or not settled.open.principal:
        return None
    late_on = charges.first_late_day(settled, date.max)
    if late_on is None:
        return None
    from_on = max(day + DAY, late_on)
    first = bring_up_to_date(settled, from_on, settle=True).invoice
    first_minor = first.open.total - settled.open.total
    averaged_minor = charges.cumulative_mora(
        first, from_on + AVERAGED_DAYS * DAY
    ) - charges.cumulative_mora(first, from_on)
    if not (first_minor or averaged_minor):
        return None
    each_minor = divide(averaged_minor, AVERAGED_DAYS, terms.policy.rounding)
    return LaterDays(
        from_on=from_on,
        first_day_adds=Money.of(first_minor, settled.currency),
        each_day_adds=Money.of(each_minor, settled.currency),
    )
