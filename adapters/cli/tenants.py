"""`duebook tenant create|configure|list`."""

import argparse
from datetime import date
from typing import Any

import msgspec

from adapters.cli.opening import open_tenant
from adapters.cli.parsing import add_command, add_family, add_json, day
from adapters.cli.printing import print_fields, print_json, print_table
from adapters.settings import Settings
from adapters.wiring import Books, open_books
from commands.tenants import (
    AddFeePolicy,
    ConfigureTenant,
    CreateTenant,
    FeePolicyView,
    TenantView,
    add_fee_policy,
    configure_tenant,
    fee_policy_view,
    tenant_view,
)
from commands.unit import Unit, load
from ledger.errors import Rejected
from ledger.money import Money
from ledger.rates import format_rate, parse_rate
from ledger.tenant import Settings as TenantSettings
from ledger.tenant import Tenant

ACTOR = "cli"

SETTINGS_FLAGS: dict[str, dict[str, Any]] = {
    "currency": {"metavar": "CODE", "help": "usual currency of documents, ISO 4217"},
    "timezone": {"metavar": "ZONE", "help": "IANA zone of its business days"},
    "calendar": {
        "metavar": "BR|weekends|none",
        "help": "business days: a country or subdivision, weekends, or none",
    },
    "tax_rounding": {"choices": ("line", "document"), "help": "where tax is rounded"},
    "tax_rounding_mode": {
        "choices": ("half_even", "half_up", "truncate"),
        "help": "how tax is rounded",
    },
    "series": {"metavar": "NAME", "help": "series its invoice numbers are taken from"},
    "number_format": {"metavar": "FORMAT", "help": "how a number is written: {series}-{n:06}"},
    "clock_starts_on": {"type": day, "metavar": "DATE", "help": "its business days begin here"},
}
"""Flags of `tenant configure` that are settings. `--rounding` is the fee policy's, as people ask for it."""

POLICY_FLAGS: dict[str, dict[str, Any]] = {
    "late_fee": {"metavar": "2%", "help": "once, a part of the base"},
    "late_fee_minimum": {
        "metavar": "AMOUNT",
        "help": "at least this much, such as '40.00 EUR', or none",
    },
    "mora": {"metavar": "1%/month", "help": "simple interest, per month or per year"},
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
    "waterfall": {
        "metavar": "A,B,C,D",
        "help": "order in which a payment covers other_fees, late_fee, mora and principal",
    },
}
"""Flags of `tenant configure` that make a new version of the fee policy."""


class MalformedMinimum(Rejected):
    """The least late fee is not an amount and a currency."""


class Change(msgspec.Struct, frozen=True):
    """A setting that was changed, before and after, as texts."""

    setting: str
    before: str
    after: str


def add(commands: Any) -> None:
    family = add_family(commands, "tenant", "create, configure and list tenants")
    create = add_command(
        family, "create", _create, "create a tenant and print its id and its first API key, once"
    )
    create.add_argument("name", metavar="NAME", help="a name no other tenant has")
    create.add_argument("--currency", required=True, metavar="CODE", help="ISO 4217, such as BRL")
    create.add_argument(
        "--timezone", required=True, metavar="ZONE", help="IANA zone, such as America/Sao_Paulo"
    )
    create.add_argument(
        "--calendar",
        default="weekends",
        metavar="BR|weekends|none",
        help="business days: a country or subdivision, weekends (the default), or none",
    )
    add_json(create)
    configure = add_command(
        family,
        "configure",
        _configure,
        "change a tenant's settings and fee policy; what is not said stays, "
        "and invoices sent before keep their terms",
    )
    configure.add_argument("tenant", metavar="T", help="the tenant's id or name")
    for name, options in {**SETTINGS_FLAGS, **POLICY_FLAGS}.items():
        configure.add_argument(_flag(name), dest=name, default=None, **options)
    configure.set_defaults(wrong_use=configure.error)
    add_json(configure)
    listing = add_command(family, "list", _list, "list every tenant with its settings")
    add_json(listing)


def _create(arguments: argparse.Namespace) -> int:
    command = CreateTenant(
        name=arguments.name.strip(),
        currency=arguments.currency,
        timezone=arguments.timezone,
        calendar=arguments.calendar,
    )
    with open_books(Settings.from_environment()) as books:
        opened = open_tenant(books, command)
    if arguments.json:
        print_json(opened)
    else:
        print_fields([("tenant_id", opened.tenant_id), ("api_key", opened.api_key)])
    return 0


def _configure(arguments: argparse.Namespace) -> int:
    settings = {
        {"tax_rounding_mode": "rounding"}.get(name, name): value
        for name in SETTINGS_FLAGS
        if (value := getattr(arguments, name)) is not None
    }
    policy = {
        {"mora_base": "base"}.get(name, name): value
        for name in POLICY_FLAGS
        if (value := getattr(arguments, name)) is not None
    }
    if not settings and not policy:
        arguments.wrong_use("say what to change")
    with open_books(Settings.from_environment()) as books:
        tenant_id = books.tenant_called(arguments.tenant)
        before = tenant_view(tenant_id, books.tenant(tenant_id))
        books.run(tenant_id, ACTOR, lambda unit: _configured(unit, settings, policy))
        after = tenant_view(tenant_id, books.tenant(tenant_id))
    changes = changes_between(before, after)
    if arguments.json:
        print_json({"tenant_id": tenant_id, "changed": changes})
    elif not changes:
        print("nothing changed")
    else:
        for change in changes:
            print(f"{change.setting}: {change.before} -> {change.after}")
    return 0


def _configured(unit: Unit, settings: dict[str, Any], policy: dict[str, Any]) -> TenantView:
    """Settings and fee policy in one command: both change, or neither."""
    if settings:
        configure_tenant(unit, ConfigureTenant(**settings))
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    if policy:
        wanted = _wanted_policy(fee_policy_view(tenant.policy), policy)
        if wanted != _as_asked(fee_policy_view(tenant.policy)):
            add_fee_policy(unit, wanted)
    return tenant_view(unit.tenant_id, load(unit, "tenant", unit.tenant_id))


def _wanted_policy(in_force: FeePolicyView, policy: dict[str, Any]) -> AddFeePolicy:
    """The policy in force with what was said changed, rates in the one spelling they are answered in."""
    changes = dict(policy)
    if "late_fee" in changes:
        changes["late_fee"] = format_rate(parse_rate(changes["late_fee"], field="late_fee"))
    if "mora" in changes:
        changes["mora"] = format_rate(parse_rate(changes["mora"], "month", field="mora"))
    if "late_fee_minimum" in changes:
        changes["late_fee_minimum"] = _minimum(changes["late_fee_minimum"])
    if "waterfall" in changes:
        changes["waterfall"] = tuple(part.strip() for part in changes["waterfall"].split(","))
    return msgspec.structs.replace(_as_asked(in_force), **changes)


def _as_asked(view: FeePolicyView) -> AddFeePolicy:
    said = msgspec.structs.asdict(view)
    del said["version"]
    return AddFeePolicy(**said)


def _minimum(text: str) -> Money | None:
    if text == "none":
        return None
    amount, _, currency = text.partition(" ")
    if not currency.strip():
        raise MalformedMinimum("--late-fee-minimum is an amount and a currency: '40.00 EUR'")
    return Money(amount, currency.strip())


def changes_between(before: TenantView, after: TenantView) -> list[Change]:
    """Every setting whose text differs."""
    old, new = _flat(before), _flat(after)
    return [Change(name, old[name], new[name]) for name in new if old[name] != new[name]]


def _flat(view: TenantView) -> dict[str, str]:
    settings = msgspec.structs.asdict(view.settings)
    policy = msgspec.structs.asdict(view.fee_policy)
    flat = {name: _text(value) for name, value in settings.items()}
    return flat | {f"fee_policy.{name}": _text(value) for name, value in policy.items()}


def _text(value: object) -> str:
    match value:
        case None:
            return "none"
        case Money():
            return f"{value.amount} {value.currency}"
        case tuple():
            return ",".join(value)
        case date():
            return value.isoformat()
    return str(value)


def _list(arguments: argparse.Namespace) -> int:
    with open_books(Settings.from_environment()) as books:
        rows = [_listed(books, tenant_id, name) for tenant_id, name in books.tenants()]
    if arguments.json:
        print_json({"items": rows})
        return 0
    headers = ("id", "name", "currency", "timezone", "calendar", "clock starts")
    print_table(headers, [msgspec.structs.astuple(row) for row in rows])
    return 0


class TenantRow(msgspec.Struct, frozen=True):
    id: str
    name: str
    currency: str
    timezone: str
    calendar: str
    clock_starts_on: date


def _listed(books: Books, tenant_id: Any, name: str) -> TenantRow:
    settings: TenantSettings = books.tenant(tenant_id).settings
    return TenantRow(
        id=str(tenant_id),
        name=name,
        currency=settings.currency,
        timezone=settings.timezone,
        calendar=settings.calendar,
        clock_starts_on=settings.clock_starts_on,
    )


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
