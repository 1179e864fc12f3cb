"""Examples of templates, in the story of `adapters.http.openapi.examples.invoices`."""

from typing import Final

from adapters.templates.mail import WrittenMail
from commands.templates import SaveTemplate, TemplateView
from ledger.template import MailText

TEXT: Final = MailText(
    subject="A message from {{ creditor.name }}",
    text="Dear {{ customer.name }},\n\nplease pay {{ total }}.\n",
    html="<mjml><mj-body><mj-section><mj-column><mj-text>Dear {{ customer.name }}, please pay {{ total }}.</mj-text>"
    "</mj-column></mj-section></mj-body></mjml>",
)
SAVE_TEMPLATE: Final = SaveTemplate(key="soft", texts={"en": TEXT})
TEMPLATE: Final = TemplateView("soft", "email", 1, "en", {"en": TEXT})
WRITTEN: Final = WrittenMail(
    subject="A message from Demo Ltda",
    text="Dear Maria Souza,\n\nplease pay BRL 102.23.\n",
    html="<!doctype html><html><body>Dear Maria Souza, please pay BRL 102.23.</body></html>",
)
