"""What messages say, in each language. A text that is missing in a language fails a test, never a night."""

from collections.abc import Mapping
from datetime import date
from typing import Final, NamedTuple

from ledger.dunning.plan import Purpose
from ledger.money import Money


class Phrases(NamedTuple):
    """The phrases of a language. Subjects name no debt: others may see them.

    opening  the first sentence, by purpose
    columns  the heads of number, due date and open amount
    """

    subject: str
    greeting: str
    opening: Mapping[Purpose, str]
    columns: tuple[str, str, str]
    total: str
    credit: str
    paid_already: str
    tax_number: str
    date_format: str
    thousands: str
    decimal: str


ENGLISH: Final = Phrases(
    subject="A message from {creditor}",
    greeting="Dear {name},",
    opening={
        "courtesy": "This is a friendly notice of what is due soon.",
        "reminder": "The following is open. Please pay what is due.",
        "final_notice": "This is our last notice before we take further steps. Please pay what is due now.",
    },
    columns=("Invoice", "Due", "Open"),
    total="Open in all: {total}",
    credit="You have a credit of {credit} with us.",
    paid_already="If you have paid in the last few days, please disregard this message.",
    tax_number="Tax number {number}",
    date_format="%Y-%m-%d",
    thousands=",",
    decimal=".",
)
PORTUGUESE: Final = Phrases(
    subject="Mensagem de {creditor}",
    greeting="Prezado(a) {name},",
    opening={
        "courtesy": "Este \u00e9 um lembrete cordial do que vence em breve.",
        "reminder": "Consta em aberto o que segue. Por favor, pague o que estiver vencido.",
        "final_notice": "Este \u00e9 o \u00faltimo aviso antes de outras medidas. "
        "Por favor, pague o que estiver vencido.",
    },
    columns=("Fatura", "Vencimento", "Em aberto"),
    total="Total em aberto: {total}",
    credit="Voc\u00ea tem um cr\u00e9dito de {credit} conosco.",
    paid_already="Se voc\u00ea pagou nos \u00faltimos dias, desconsidere esta mensagem.",
    tax_number="CNPJ/CPF {number}",
    date_format="%d/%m/%Y",
    thousands=".",
    decimal=",",
)


def phrases_of(language: str) -> Phrases:
    """The phrases of a language tag: Portuguese for `pt` and its variants, English for any other."""
    return PORTUGUESE if language.lower().partition("-")[0] == "pt" else ENGLISH


def shown_date(phrases: Phrases, day: date) -> str:
    return day.strftime(phrases.date_format)


def shown_money(phrases: Phrases, money: Money) -> str:
    """An amount with exactly its currency's digits, such as `BRL 1,234.50`."""
    whole, _, digits = money.amount.lstrip("-").partition(".")
    grouped = f"{int(whole):,}".replace(",", phrases.thousands)
    sign = "-" if money.amount.startswith("-") else ""
    return f"{money.currency} {sign}{grouped}" + (phrases.decimal + digits if digits else "")
