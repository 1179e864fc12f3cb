"""`duebook template list|show|add|preview`: what messages say."""

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import msgspec

from adapters.cli.parsing import add_command, add_family, add_json, add_tenant, identifier
from adapters.cli.printing import print_json, print_line, print_table
from adapters.cli.tenant_creation import ACTOR
from adapters.settings import Settings
from adapters.templates.mail import SHIPPED_LANGUAGES, compiled, shipped_text
from adapters.templates.preview import preview_template
from adapters.templates.stored import list_templates
from adapters.wiring import open_books
from commands.template_loading import UnknownTemplate
from commands.templates import (
    SaveTemplate,
    TemplateView,
    save_template,
    template_view,
)
from ledger.dunning.plan import Purpose
from ledger.errors import Rejected, quoted
from ledger.time_zones import business_date

SHIPPED = "shipped"


class MalformedTemplateFile(Rejected):
    """A file that should hold a template holds something else."""


def add(commands: Any) -> None:
    family = add_family(commands, "template", "what messages say, in which words and languages")
    listing = add_command(family, "list", _list, "list a tenant's templates")
    add_tenant(listing)
    add_json(listing)
    showing = add_command(
        family, "show", _show, "show a template as JSON, as `template add` takes it"
    )
    showing.add_argument("key", metavar="KEY", help="as listed; `shipped` for the shipped texts")
    add_tenant(showing)
    adding = add_command(
        family, "add", _add, "add a template from a JSON file, or the next version of one"
    )
    adding.add_argument(
        "file", type=Path, metavar="FILE.json", help="a template as `template show` shows it"
    )
    add_tenant(adding)
    add_json(adding)
    preview = add_command(
        family, "preview", _preview, "write what a template says today about a real invoice"
    )
    preview.add_argument("key", metavar="KEY", help="as listed; `shipped` for the shipped texts")
    preview.add_argument(
        "--invoice", type=identifier, required=True, metavar="ID", help="the invoice"
    )
    preview.add_argument(
        "--purpose", choices=get_args(Purpose), default="reminder", help="for what"
    )
    preview.add_argument("--language", metavar="L", help="another one than the customer's")
    preview.add_argument("--html", action="store_true", help="print the HTML instead of the text")
    add_tenant(preview)
    add_json(preview)


def _list(arguments: argparse.Namespace) -> int:
    views = _views(arguments)
    if arguments.json:
        print_json({"items": views})
        return 0
    print_table(
        ("key", "channel", "version", "languages"),
        [(view.key, view.channel, view.version, ", ".join(view.texts)) for view in views],
    )
    return 0


def _show(arguments: argparse.Namespace) -> int:
    if arguments.key == SHIPPED:
        texts = {language: shipped_text(language) for language in SHIPPED_LANGUAGES}
        print_json(TemplateView(SHIPPED, "email", 0, SHIPPED_LANGUAGES[0], texts))
        return 0
    for view in _views(arguments):
        if view.key == arguments.key:
            print_json(view)
            return 0
    raise UnknownTemplate(f"there is no template {quoted(arguments.key)}")


def _add(arguments: argparse.Namespace) -> int:
    command = _read(arguments.file)
    with open_books(Settings.from_environment()) as books:
        tenant_id = books.tenants.id_of(arguments.tenant)
        answer = books.run(tenant_id, ACTOR, lambda unit: save_template(unit, command, compiled))
    view = msgspec.json.decode(answer.body, type=TemplateView)
    if arguments.json:
        print_json(view)
    else:
        print_line(f"template {view.key} is at version {view.version}: {', '.join(view.texts)}")
    return 0


def _preview(arguments: argparse.Namespace) -> int:
    with open_books(Settings.from_environment()) as books:
        tenant_id = books.tenants.id_of(arguments.tenant)
        today = business_date(datetime.now(UTC), books.tenants.state(tenant_id).settings.timezone)
        with books.reading(tenant_id) as connection:
            mail = preview_template(
                connection,
                books.cipher,
                tenant_id,
                "" if arguments.key == SHIPPED else arguments.key,
                arguments.invoice,
                today,
                arguments.purpose,
                arguments.language,
            )
    if arguments.json:
        print_json(mail)
    elif arguments.html:
        print_line(mail.html)
    else:
        print_line(f"Subject: {mail.subject}\n\n{mail.text}")
    return 0


def _views(arguments: argparse.Namespace) -> list[TemplateView]:
    with open_books(Settings.from_environment()) as books:
        tenant_id = books.tenants.id_of(arguments.tenant)
        with books.reading(tenant_id) as connection:
            return [template_view(one) for one in list_templates(connection, tenant_id)]


def _read(path: Path) -> SaveTemplate:
    """A template as it is shown; its channel and version are passed over."""
    try:
        said = msgspec.json.decode(path.read_bytes())
        if isinstance(said, dict):
            for shown_only in ("version", "channel"):
                said.pop(shown_only, None)
        return msgspec.convert(said, SaveTemplate)
    except OSError as error:
        raise MalformedTemplateFile(f"{path} cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise MalformedTemplateFile(f"{path} holds no template: {error}") from error
