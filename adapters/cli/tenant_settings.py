"""The flags of `duebook tenant configure`: one for each setting and each field of the fee policy, and how their texts
are read."""

import argparse
import csv
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from adapters.cli.parsing import day
from commands.fee_policies import AddFeePolicy, FeePolicyView
from commands.tenants import ConfigureTenant
from ledger.additional_holidays import AdditionalHoliday
from ledger.errors import Rejected
from ledger.money import Money
from ledger.rates import format_rate, parse_rate
from ledger.tenant import Settings, TagPlan


class NoSuchHoliday(Rejected):
    """A date that is to be removed is none of the tenant's additional holidays."""


class AmountWithoutCurrency(Rejected):
    """An amount on the command line is written with its currency."""


CALENDAR_HELP = (
    "business days: a country or subdivision, BR-banking, JP-banking or TARGET where terms follow banks, weekends, "
    "or none"
)


def _truth(text: str) -> bool:
    truths = {"yes": True, "no": False}
    if text not in truths:
        raise argparse.ArgumentTypeError(f"{text!r} is neither yes nor no")
    return truths[text]


def _account(text: str) -> tuple[str, str]:
    """(key, name) of an account of the chart."""
    key, equals, name = text.partition("=")
    if not key.strip() or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=NAME, such as cash=Assets:Bank:Main")
    return key.strip(), name.strip()


def _tag_plan(text: str) -> TagPlan:
    """A tag, and the plan that debts of customers with it follow; without a plan, the rule is taken away."""
    tag, equals, plan = text.partition("=")
    if not tag.strip() or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not TAG=KEY, such as private=gentle")
    return TagPlan(tag.strip(), plan.strip())


def _holiday(text: str) -> AdditionalHoliday:
    """A date with or without a label."""
    on, _, label = text.partition("=")
    return AdditionalHoliday(day(on.strip()), label.strip())


def _holidays(path: str) -> list[AdditionalHoliday]:
    """The additional holidays of a CSV file: on each line a date and, where there is one, a label."""
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            return [
                _row(path, number, row) for number, row in enumerate(csv.reader(file), 1) if row
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise argparse.ArgumentTypeError(f"{path} cannot be read: {error}") from error


def _row(path: str, number: int, row: list[str]) -> AdditionalHoliday:
    try:
        on, *label = row
        return AdditionalHoliday(day(on.strip()), ",".join(label).strip())
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{path}, line {number}: {error}") from error


SETTINGS_FLAGS: Mapping[str, dict[str, Any]] = {
    "currency": {"metavar": "CODE", "help": "usual currency of documents, ISO 4217"},
    "timezone": {"metavar": "ZONE", "help": "IANA zone of its business days"},
    "calendar": {
        "metavar": "BR|weekends|none",
        "help": CALENDAR_HELP,
    },
    "holidays": {
        "type": _holidays,
        "metavar": "FILE",
        "help": "additional holidays: the dates of a CSV file (date, label) and no others",
    },
    "add_holiday": {
        "type": _holiday,
        "action": "append",
        "metavar": "DATE[=LABEL]",
        "help": "add an additional holiday, such as '2026-01-25=City of São Paulo'; may be repeated",
    },
    "remove_holiday": {
        "type": day,
        "action": "append",
        "metavar": "DATE",
        "help": "remove an additional holiday; may be repeated",
    },
    "tax_rounding": {"choices": ("line", "document"), "help": "where tax is rounded"},
    "tax_rounding_mode": {
        "choices": ("half_even", "half_up", "truncate"),
        "help": "how tax is rounded",
    },
    "series": {"metavar": "NAME", "help": "series its invoice numbers are taken from"},
    "credit_note_series": {
        "metavar": "NAME",
        "help": "series its credit notes' numbers are taken from",
    },
    "number_format": {"metavar": "FORMAT", "help": "how a number is written: {series}-{n:06}"},
    "number_restarts": {
        "choices": ("never", "yearly"),
        "help": "whether numbers begin again at 1 in each year of issue",
    },
    "clock_starts_on": {"type": day, "metavar": "DATE", "help": "its business days begin here"},
    "apply_credit": {
        "choices": ("by_hand", "automatic"),
        "help": "whether credit is applied automatically to what falls due first",
    },
    "refund_excess_above": {
        "metavar": "AMOUNT",
        "help": "refund an excess payment above this automatically, such as '20.00 BRL', or none",
    },
    "dispute_holds_interest": {
        "type": _truth,
        "metavar": "yes|no",
        "help": "whether what is disputed bears no interest until the dispute is resolved",
    },
    "early_pay_off": {
        "choices": ("actuarial", "none"),
        "help": "whether an agreement that is paid off early gives back interest of the time to come",
    },
    "dunning_plan": {
        "metavar": "KEY",
        "help": "the dunning plan that its debts follow",
    },
    "dunning_plan_by_tag": {
        "type": _tag_plan,
        "action": "append",
        "metavar": "TAG=KEY",
        "help": "the dunning plan that the debts of customers with a tag follow instead (nothing: none); may be "
        "repeated, the first that applies counts",
    },
    "max_messages_per_second": {
        "type": int,
        "metavar": "N",
        "help": "send at most so many messages in a second, over all senders (0: as many as they can)",
    },
    "creditor_name": {
        "metavar": "NAME",
        "help": "who the debts are owed to, as messages name it (nothing: the tenant's name)",
    },
    "creditor_address": {"metavar": "TEXT", "help": "the creditor's address, on one line"},
    "creditor_tax_number": {
        "metavar": "NUMBER",
        "help": "the creditor's tax number, in Brazil CNPJ or CPF",
    },
    "receipts": {
        "type": _truth,
        "metavar": "yes|no",
        "help": "whether customers get a mail for each payment that is received",
    },
    "invoice_template": {
        "metavar": "KEY",
        "help": "the template of the mail with an invoice (nothing: the shipped one)",
    },
    "receipt_template": {
        "metavar": "KEY",
        "help": "the template of the mail for a payment (nothing: the shipped one)",
    },
    "duplicate_window_days": {
        "type": int,
        "metavar": "N",
        "help": "flag payments alike in amount and reference within so many days",
    },
    "close_books_through": {
        "type": day,
        "metavar": "DATE",
        "help": "close the months up to this month end: what takes effect in them is posted later",
    },
    "chart": {
        "type": _account,
        "action": "append",
        "metavar": "KEY=NAME",
        "help": "call an account of the journal's chart NAME (nothing: as in the default chart); "
        "may be repeated",
    },
}
"""Flags that are settings. `--rounding` is the fee policy's, as people ask for it."""

POLICY_FLAGS: Mapping[str, dict[str, Any]] = {
    "late_fee": {"metavar": "2%", "help": "once, a part of the base"},
    "late_fee_minimum": {
        "metavar": "AMOUNT",
        "help": "at least this much, such as '40.00 EUR', or none",
    },
    "late_fee_cap": {
        "metavar": "2%",
        "help": "the late fee is at most this part of the invoice's total, or none",
    },
    "mora": {
        "metavar": "1%/month",
        "help": "simple interest, per day, month or year; beside --mora-reference, its margin",
    },
    "mora_reference": {
        "metavar": "NAME",
        "help": "reference rate on which interest is --mora more, or none",
    },
    "mora_base": {
        "choices": ("outstanding", "original"),
        "help": "what fee and interest are counted on",
    },
    "grace_days": {"type": int, "metavar": "N", "help": "days before anything is charged"},
    "interest_from": {
        "choices": ("due_date", "shifted"),
        "help": "interest counts from the due date as written, or as moved by the calendar",
    },
    "day_count": {"choices": ("30", "360", "365", "actual"), "help": "days a rate is divided by"},
    "accrual": {"choices": ("daily", "month_end"), "help": "when interest is posted"},
    "rounding": {
        "choices": ("half_even", "half_up", "truncate"),
        "help": "how fee and interest are rounded",
    },
    "small_balance_tolerance": {
        "metavar": "AMOUNT",
        "help": "waive what a payment leaves open when it is at most this, such as '0.05 BRL', or none",
    },
    "waterfall": {
        "metavar": "A,B,C,D",
        "help": "order in which a payment covers other_fees, late_fee, mora and principal",
    },
}
"""Flags that make a new version of the fee policy."""

_SETTING_OF = {
    "tax_rounding_mode": "rounding",
    "close_books_through": "books_closed_through",
    "dunning_plan_by_tag": "dunning_plans_by_tag",
}
_HOLIDAY_FLAGS = ("holidays", "add_holiday", "remove_holiday")


def said_of(arguments: argparse.Namespace, flags: Mapping[str, Any]) -> dict[str, Any]:
    """What was said, by flag."""
    return {name: said for name in flags if (said := getattr(arguments, name)) is not None}


def wanted_settings(settings: Settings, said: Mapping[str, Any]) -> ConfigureTenant:
    """The change that was asked for of a tenant's settings. Raises AmountWithoutCurrency, NoSuchHoliday."""
    changes = {
        _SETTING_OF.get(name, name): value
        for name, value in said.items()
        if name not in _HOLIDAY_FLAGS
    }
    if any(name in said for name in _HOLIDAY_FLAGS):
        changes["additional_holidays"] = _wanted_holidays(
            said.get("holidays", settings.additional_holidays),
            removed=said.get("remove_holiday", ()),
            added=said.get("add_holiday", ()),
        )
    if "refund_excess_above" in changes:
        changes["refund_excess_above"] = _amount(
            changes["refund_excess_above"], "--refund-excess-above"
        )
    if "dunning_plans_by_tag" in changes:
        plans = {rule.tag: rule for rule in settings.dunning_plans_by_tag}
        plans.update({rule.tag: rule for rule in changes["dunning_plans_by_tag"]})
        changes["dunning_plans_by_tag"] = tuple(rule for rule in plans.values() if rule.plan)
    if "chart" in changes:
        named = {**settings.chart, **dict(changes["chart"])}
        changes["chart"] = {key: name for key, name in named.items() if name}
    return ConfigureTenant(**changes)


def _wanted_holidays(
    before: Iterable[AdditionalHoliday],
    removed: Iterable[date],
    added: Iterable[AdditionalHoliday],
) -> tuple[AdditionalHoliday, ...]:
    kept = {holiday.on: holiday for holiday in before}
    for on in removed:
        if kept.pop(on, None) is None:
            raise NoSuchHoliday(f"{on} is no additional holiday of the tenant")
    return (*kept.values(), *added)


def wanted_policy(in_force: FeePolicyView, said: Mapping[str, Any]) -> AddFeePolicy:
    """The policy in force with what was said changed, rates in the one spelling they are answered in.

    Raises AmountWithoutCurrency, and what a malformed rate refuses.
    """
    changes = dict(said)
    if "late_fee" in changes:
        changes["late_fee"] = format_rate(parse_rate(changes["late_fee"], field="late_fee"))
    if "mora" in changes:
        changes["mora"] = format_rate(parse_rate(changes["mora"], field="mora"))
    if "late_fee_cap" in changes:
        changes["late_fee_cap"] = _cap(changes["late_fee_cap"])
    if changes.get("mora_reference") == "none":
        changes["mora_reference"] = ""
    for amount in ("late_fee_minimum", "small_balance_tolerance"):
        if amount in changes:
            changes[amount] = _amount(changes[amount], "--" + amount.replace("_", "-"))
    if "waterfall" in changes:
        changes["waterfall"] = tuple(part.strip() for part in changes["waterfall"].split(","))
    return msgspec.structs.replace(as_asked(in_force), **changes)


def as_asked(view: FeePolicyView) -> AddFeePolicy:
    """The command that would add this policy."""
    said = msgspec.structs.asdict(view)
    del said["version"]
    return AddFeePolicy(**said)


def _cap(text: str) -> str | None:
    return None if text == "none" else format_rate(parse_rate(text, field="late_fee_cap"))


def _amount(text: str, flag: str) -> Money | None:
    if text == "none":
        return None
    amount, _, currency = text.partition(" ")
    if not currency.strip():
        raise AmountWithoutCurrency(f"{flag} is an amount and a currency: '40.00 EUR'")
    return Money(amount, currency.strip())
