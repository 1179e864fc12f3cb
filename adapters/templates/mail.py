"""What a mail says: the variables of its templates, the shipped ones, and those of a tenant, compiled."""

from functools import cache
from importlib.resources import files
from typing import Any, Final

import mrml
from liquid.template import BoundTemplate
from msgspec import Struct

from adapters.templates.liquid import HTML, PLAIN, parse, rendered
from adapters.templates.locales import shown_date, shown_money
from commands.messages import Letter
from ledger.message import Kind
from ledger.template import MailText, MalformedTemplate

SHIPPED_LANGUAGES: Final = ("en", "pt")
MAX_LISTED: Final = 300
VARIABLES: Final = (
    "kind",
    "purpose",
    "today",
    "creditor.name",
    "creditor.address",
    "creditor.tax_number",
    "customer.name",
    "invoices",
    "invoices[].number",
    "invoices[].due_on",
    "invoices[].open",
    "invoices[].days_late",
    "not_listed",
    "total",
    "credit",
    "currency",
    "payment",
    "payment.amount",
    "payment.received_on",
    "unsubscribe_url",
)
"""What a template may read. `credit`, `not_listed`, `payment`, `unsubscribe_url` and the creditor's address and tax
number may be nil."""


class MailTemplate(Struct, frozen=True):
    """A mail's templates in one language, ready to be rendered."""

    subject: BoundTemplate
    text: BoundTemplate
    html: BoundTemplate | None


class WrittenMail(Struct, frozen=True):
    """What a mail says. `html` is empty for one that is plain text alone."""

    subject: str
    text: str
    html: str


def compiled(text: MailText) -> MailTemplate:
    """Templates that can be rendered. Raises MalformedTemplate, naming the part."""
    return MailTemplate(
        _part("subject", text.subject.strip()),
        _part("text", text.text),
        _html(text.html) if text.html.strip() else None,
    )


def write(
    template: MailTemplate, letter: Letter, language: str, unsubscribe_url: str = ""
) -> WrittenMail:
    """What a mail says about a letter whose personal texts are decrypted. Raises MalformedTemplate."""
    data = data_of(letter, language) | {"unsubscribe_url": unsubscribe_url or None}
    return WrittenMail(
        " ".join(rendered(template.subject, data).split()),
        rendered(template.text, data).strip() + "\n",
        rendered(template.html, data) if template.html is not None else "",
    )


def data_of(letter: Letter, language: str) -> dict[str, Any]:
    """The values of VARIABLES but the link: texts, numbers and lists of them."""
    listed = letter.invoices[:MAX_LISTED]
    paid = letter.payment
    return {
        "kind": letter.kind,
        "purpose": letter.purpose,
        "today": shown_date(language, letter.today),
        "creditor": {
            "name": letter.creditor,
            "address": letter.creditor_address or None,
            "tax_number": letter.creditor_tax_number or None,
        },
        "customer": {"name": letter.name},
        "invoices": [
            {
                "number": one.number,
                "due_on": shown_date(language, one.due_on),
                "open": shown_money(language, one.open),
                "days_late": max(0, (letter.today - one.due_on).days),
            }
            for one in listed
        ],
        "not_listed": len(letter.invoices) - len(listed) or None,
        "total": shown_money(language, letter.total),
        "credit": shown_money(language, letter.credit) if letter.credit is not None else None,
        "currency": letter.total.currency,
        "payment": {
            "amount": shown_money(language, paid.amount),
            "received_on": shown_date(language, paid.received_on),
        }
        if paid is not None
        else None,
    }


@cache
def shipped(language: str, kind: Kind = "dunning") -> MailTemplate:
    """The shipped templates of a kind of message in one of SHIPPED_LANGUAGES."""
    return compiled(shipped_text(language, kind))


def shipped_text(language: str, kind: Kind = "dunning") -> MailText:
    """What is shipped, as a tenant may begin its own template with. Nothing is shipped for generic mails."""
    folder = files("adapters.templates") / "shipped"

    def read(part: str) -> str:
        return (folder / f"{kind}.{language}.{part}").read_text(encoding="utf-8")

    return MailText(read("subject.liquid").strip(), read("text.liquid"), read("html.mjml"))


def shipped_language(language: str) -> str:
    """The shipped language for a customer's: the same without its country, or English."""
    base = language.lower().partition("-")[0]
    return base if base in SHIPPED_LANGUAGES else SHIPPED_LANGUAGES[0]


def _part(name: str, source: str) -> BoundTemplate:
    try:
        return parse(source, PLAIN, VARIABLES)
    except MalformedTemplate as error:
        raise MalformedTemplate(f"{name}: {error}", field=name) from error


def _html(source: str) -> BoundTemplate:
    """MJML becomes HTML when it is saved; Liquid passes through, so that loops stand inside its tables and texts."""
    if "<mj-include" in source:
        raise MalformedTemplate(
            "html: mj-include reads files; write its content here", field="html"
        )
    try:
        made = mrml.to_html(source)
    except OSError as error:
        raise MalformedTemplate(
            f"html: it is no MJML: {error}. Loops and conditions stand inside mj-table, mj-text or mj-raw",
            field="html",
        ) from error
    try:
        return parse(made.content, HTML, VARIABLES)
    except MalformedTemplate as error:
        raise MalformedTemplate(f"html: {error}", field="html") from error
