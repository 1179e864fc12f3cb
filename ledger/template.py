"""A template of messages: what they say, by language, versioned. Each change is the next version.

A message is written by the version that was the last when it was queued. A customer whose language a template does not
have gets its fallback language, so that no translation is ever missing when a message is sent.
"""

import re
from datetime import date
from typing import Final
from uuid import UUID

import msgspec
from msgspec.structs import replace

from ledger.dunning.plan import Channel
from ledger.errors import Rejected, quoted
from ledger.event_registry import Event, stored
from ledger.ids import stable_id

FOLD_VERSION = 1

KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z]{2})?")
MAX_LANGUAGES: Final = 40
MAX_SOURCE_LENGTH: Final = 64_000


class MalformedTemplateKey(Rejected):
    """A template's key is 1 to 40 small letters, digits, hyphens and underscores."""


class MalformedTemplate(Rejected):
    """A template cannot be used; the message says what is wrong with it, and where."""


class TranslationMissing(Rejected):
    """A template has a text in its fallback language, and in each language that it had before."""


class MailText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a mail says in one language, each part in Liquid.

    subject  one line
    text     the plain text
    html     the same as MJML; empty, when the mail is plain text alone
    """

    subject: str
    text: str
    html: str = ""


class TemplateVersion(msgspec.Struct, frozen=True):
    """A template as it was from one change to the next. `texts` are by language, such as `en` or `pt-BR`."""

    fallback: str
    texts: dict[str, MailText]


@stored("template.saved.v1")
class Saved(Event, frozen=True):
    """The template as it is from now on; the first makes it."""

    key: str
    channel: Channel
    version: TemplateVersion


class Template(msgspec.Struct, frozen=True, array_like=True):
    """A template as folded: every version, the first one first."""

    key: str
    channel: Channel
    versions: tuple[TemplateVersion, ...]


def stream_id(tenant_id: UUID, key: str, channel: Channel = "email") -> UUID:
    """The id of a template."""
    return stable_id("template", tenant_id, key, channel)


def check_key(key: str) -> str:
    """Raises MalformedTemplateKey."""
    if not KEY.fullmatch(key):
        raise MalformedTemplateKey(
            f"{quoted(key)} is no template's key: use 1 to 40 of a to z, 0 to 9, - and _",
            field="key",
        )
    return key


def check_version(said: TemplateVersion, before: TemplateVersion | None) -> TemplateVersion:
    """Raises MalformedTemplate, TranslationMissing."""
    if not 0 < len(said.texts) <= MAX_LANGUAGES:
        raise MalformedTemplate(f"give texts in 1 to {MAX_LANGUAGES} languages", field="texts")
    for language, text in said.texts.items():
        if not LANGUAGE.fullmatch(language):
            raise MalformedTemplate(
                f"{quoted(language)} is no language such as en or pt-BR", field="texts"
            )
        if max(len(text.subject), len(text.text), len(text.html)) > MAX_SOURCE_LENGTH:
            raise MalformedTemplate(
                f"a part of {language} is longer than {MAX_SOURCE_LENGTH} characters", field="texts"
            )
        if not text.subject.strip() or not text.text.strip():
            raise MalformedTemplate(f"{language} needs a subject and a text", field="texts")
    wanted = {said.fallback, *(before.texts if before is not None else ())}
    for language in sorted(wanted - said.texts.keys()):
        raise TranslationMissing(
            f"there is no text in {quoted(language)}, which is the fallback or was there before",
            field="texts",
        )
    return said


def chosen_language(version: TemplateVersion, language: str) -> str:
    """The language of a template for a customer's: the same, the same without its country, or the fallback."""
    base = language.partition("-")[0].lower()
    if language in version.texts:
        return language
    found = [one for one in version.texts if one.partition("-")[0] == base]
    return min(found, default=version.fallback)


def evolve(template: Template | None, event: Event, effective_on: date) -> Template:
    assert isinstance(event, Saved), f"a template does not know {event.TAG}"
    if template is None:
        return Template(event.key, event.channel, (event.version,))
    return replace(template, versions=(*template.versions, event.version))
