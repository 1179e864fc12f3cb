"""Pages for people without a key: their texts by language, in one frame."""

from functools import cache
from importlib.resources import files
from typing import Final, Literal

from liquid.template import BoundTemplate

from adapters.templates.liquid import HTML, parse, rendered
from adapters.templates.mail import shipped_language

Page = Literal["ask", "done", "no_such_link"]

VARIABLES: Final = ("language", "title", "text", "button")

_TEXTS: Final[dict[tuple[str, Page], tuple[str, str, str]]] = {
    ("en", "ask"): (
        "Stop reminders by e-mail?",
        "{} will send you no more reminders by e-mail. What you owe stays as it is, and invoices and legal notices "
        "still reach you.",
        "Stop reminders",
    ),
    ("en", "done"): (
        "No more reminders by e-mail",
        "{} sends you no more reminders by e-mail. To receive them again, write to {}.",
        "",
    ),
    ("en", "no_such_link"): (
        "This link does not work",
        "It is incomplete, or it is not valid any more. Open it again from the newest message that you have received.",
        "",
    ),
    ("pt", "ask"): (
        "Parar de receber lembretes por e-mail?",
        "{} não enviará mais lembretes por e-mail. O que está em aberto continua igual, e faturas e avisos legais "
        "ainda chegarão.",
        "Parar de receber lembretes",
    ),
    ("pt", "done"): (
        "Sem mais lembretes por e-mail",
        "{} não envia mais lembretes por e-mail. Para voltar a recebê-los, escreva para {}.",
        "",
    ),
    ("pt", "no_such_link"): (
        "Este link não funciona",
        "Ele está incompleto ou não é mais válido. Abra-o de novo a partir da mensagem mais recente que você recebeu.",
        "",
    ),
}


def unsubscribe_page(page: Page, language: str = "", creditor: str = "") -> bytes:
    """The page on which a customer stops reminders, in the customer's language or English."""
    shown = shipped_language(language)
    title, text, button = _TEXTS[shown, page]
    values = {
        "language": shown,
        "title": title,
        "text": text.replace("{}", creditor),
        "button": button or None,
    }
    return rendered(_frame(), values).encode()


@cache
def _frame() -> BoundTemplate:
    source = (files("adapters.http.pages") / "unsubscribe.html").read_text(encoding="utf-8")
    return parse(source, HTML, VARIABLES)
