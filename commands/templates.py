"""Templates of messages: save a version. What a template may say is checked by whoever renders it."""

from collections.abc import Callable

import msgspec

from commands.template_loading import find_template
from commands.tenants import today
from commands.unit_of_work import Unit
from ledger.event_registry import New
from ledger.template import (
    MailText,
    Saved,
    Template,
    TemplateVersion,
    check_key,
    check_version,
    stream_id,
)

CheckText = Callable[[MailText], object]
"""Raises MalformedTemplate for a text that could not be rendered."""


class SaveTemplate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A template under its key: a new one, or the next version of one that is there.

    texts     by language, such as `en` or `pt-BR`
    fallback  the language for customers whose own is not there
    """

    key: str
    texts: dict[str, MailText]
    fallback: str = "en"


class TemplateView(msgspec.Struct, frozen=True):
    """The last version of a template."""

    key: str
    channel: str
    version: int
    fallback: str
    texts: dict[str, MailText]


def save_template(unit: Unit, command: SaveTemplate, check: CheckText) -> TemplateView:
    """Makes a template, or its next version; messages that wait keep the version they were queued with.

    Raises MalformedTemplateKey, MalformedTemplate, TranslationMissing.
    """
    key = check_key(command.key)
    before = find_template(unit, key)
    said = TemplateVersion(command.fallback, command.texts)
    check_version(said, before.versions[-1] if before is not None else None)
    for text in said.texts.values():
        check(text)
    if before is not None and before.versions[-1] == said:
        return template_view(before)
    state: Template = unit.append(
        "template", stream_id(unit.tenant_id, key), [New(Saved(key, "email", said), today(unit))]
    )
    return template_view(state)


def template_view(template: Template) -> TemplateView:
    last = template.versions[-1]
    return TemplateView(
        template.key, template.channel, len(template.versions), last.fallback, last.texts
    )
