"""`duebook tenant create|configure|list`."""

import argparse
from datetime import date
from typing import Any

import msgspec

from adapters.cli.parsing import add_command, add_family, add_json
from adapters.cli.printing import print_fields, print_json, print_line, print_table
from adapters.cli.tenant_creation import open_tenant
from adapters.cli.tenant_settings import (
    CALENDAR_HELP,
    POLICY_FLAGS,
    SETTINGS_FLAGS,
    as_asked,
    said_of,
    wanted_policy,
    wanted_settings,
)
from adapters.settings import Settings
from adapters.wiring import Books, open_books
from commands.fee_policies import add_fee_policy, fee_policy_view
from commands.tenants import CreateTenant, TenantView, configure_tenant, tenant_view
from commands.unit_of_work import Unit, load
from ledger.additional_holidays import AdditionalHoliday
from ledger.money import Money
from ledger.tenant import Settings as TenantSettings
from ledger.tenant import TagPlan, Tenant

ACTOR = "cli"


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
        help=f"{CALENDAR_HELP}; default: weekends",
    )
    create.add_argument(
        "--test-mode",
        action="store_true",
        help="nothing of it ever leaves: its messages and refunds become files",
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
        test_mode=arguments.test_mode,
    )
    with open_books(Settings.from_environment()) as books:
        opened = open_tenant(books, command)
    if arguments.json:
        print_json(opened)
    else:
        print_fields([("tenant_id", opened.tenant_id), ("api_key", opened.api_key)])
    return 0


def _configure(arguments: argparse.Namespace) -> int:
    settings = said_of(arguments, SETTINGS_FLAGS)
    policy = said_of(arguments, POLICY_FLAGS)
    if not settings and not policy:
        arguments.wrong_use("say what to change")
    with open_books(Settings.from_environment()) as books:
        tenant_id = books.tenants.id_of(arguments.tenant)
        before = tenant_view(tenant_id, books.tenants.state(tenant_id))
        books.run(tenant_id, ACTOR, lambda unit: _configured(unit, settings, policy))
        after = tenant_view(tenant_id, books.tenants.state(tenant_id))
    changes = changes_between(before, after)
    if arguments.json:
        print_json({"tenant_id": tenant_id, "changed": changes})
    elif not changes:
        print_line("nothing changed")
    else:
        for change in changes:
            print_line(f"{change.setting}: {change.before} -> {change.after}")
    return 0


def _configured(unit: Unit, settings: dict[str, Any], policy: dict[str, Any]) -> TenantView:
    """Settings and fee policy in one command: both change, or neither."""
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    if settings:
        configure_tenant(unit, wanted_settings(tenant.settings, settings))
    if policy:
        in_force = fee_policy_view(tenant.policy)
        wanted = wanted_policy(in_force, policy)
        if wanted != as_asked(in_force):
            add_fee_policy(unit, wanted)
    return tenant_view(unit.tenant_id, load(unit, "tenant", unit.tenant_id))


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
        case None | "":
            return "none"
        case Money():
            return f"{value.amount} {value.currency}"
        case tuple():
            return ",".join(map(_text, value)) or "none"
        case AdditionalHoliday():
            return f"{value.on}={value.label}" if value.label else str(value.on)
        case TagPlan():
            return f"{value.tag}={value.plan}"
        case dict():
            return ",".join(f"{key}={name}" for key, name in value.items()) or "none"
        case bool():
            return "yes" if value else "no"
        case date():
            return value.isoformat()
    return str(value)


def _list(arguments: argparse.Namespace) -> int:
    with open_books(Settings.from_environment()) as books:
        rows = [_listed(books, tenant_id, name) for tenant_id, name in books.tenants.all()]
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
    settings: TenantSettings = books.tenants.state(tenant_id).settings
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
