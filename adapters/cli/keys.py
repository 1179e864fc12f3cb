"""`duebook key create|list|revoke`."""

import argparse
from typing import Any, get_args
from uuid import UUID

import msgspec

from adapters.cli.parsing import add_command, add_family, add_json, add_tenant
from adapters.cli.printing import print_fields, print_json, print_line, print_table
from adapters.cli.tenant_creation import ACTOR, add_key
from adapters.settings import Settings
from adapters.wiring import open_books
from commands.tenants import KeyView, revoke_key
from ledger.tenant import Role


def add(commands: Any) -> None:
    family = add_family(commands, "key", "create, list and revoke API keys")
    create = add_command(family, "create", _create, "create an API key and print it, once")
    add_tenant(create)
    create.add_argument("--name", required=True, metavar="NAME", help="what the key is for")
    create.add_argument(
        "--role",
        choices=get_args(Role),
        default="administrator",
        help="what the key may do (default: administrator)",
    )
    add_json(create)
    listing = add_command(family, "list", _list, "list a tenant's API keys, without their texts")
    add_tenant(listing)
    add_json(listing)
    revoke = add_command(family, "revoke", _revoke, "revoke an API key, for good")
    revoke.add_argument("key_id", type=_key_id, metavar="KEY_ID", help="as `key list` shows it")
    add_tenant(revoke)
    add_json(revoke)


def _create(arguments: argparse.Namespace) -> int:
    with open_books(Settings.from_environment()) as books:
        tenant_id = books.tenants.id_of(arguments.tenant)
        view, key = add_key(books, tenant_id, arguments.name, arguments.role)
    if arguments.json:
        print_json({"key_id": view.key_id, "api_key": key})
    else:
        print_fields([("key_id", view.key_id), ("api_key", key)])
    return 0


def _list(arguments: argparse.Namespace) -> int:
    with open_books(Settings.from_environment()) as books:
        tenant = books.tenants.state(books.tenants.id_of(arguments.tenant))
    views = [KeyView(key.key_id, key.name, key.role, key.revoked) for key in tenant.keys]
    if arguments.json:
        print_json({"items": views})
        return 0
    rows = [(view.key_id, view.name, view.role, "yes" if view.revoked else "") for view in views]
    print_table(("key_id", "name", "role", "revoked"), rows)
    return 0


def _revoke(arguments: argparse.Namespace) -> int:
    with open_books(Settings.from_environment()) as books:
        tenant_id = books.tenants.id_of(arguments.tenant)
        answer = books.run(tenant_id, ACTOR, lambda unit: revoke_key(unit, arguments.key_id))
    view = msgspec.json.decode(answer.body, type=KeyView)
    if arguments.json:
        print_json(view)
    else:
        print_line(f"revoked {view.key_id} ({view.name})")
    return 0


def _key_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a key's id") from None
