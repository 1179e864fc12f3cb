"""Test mode: the mails that a day would send, as files that any mail program opens, in a folder of their own.

They hold no links: there is no message that one could name. Nothing is written but these files.
"""

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec

from adapters.durable_files import make_folder
from adapters.messages.files import FileSender
from adapters.messages.mail import write_mail
from adapters.store.debtors import open_cases
from adapters.templates.stored import Templates
from adapters.wiring import Books
from commands.messages import Letter
from schedulers.delivery import NotRenderable
from schedulers.rehearsal import rehearse

FOLDER: Final = "test-mode"


class Captured(msgspec.Struct, frozen=True):
    """A message that would have been sent.

    file   the mail, below the folder; none when it could not be written
    error  why not; it holds no personal data
    """

    message_id: UUID
    customer_id: UUID
    invoice_ids: tuple[UUID, ...]
    step: str
    file: str | None
    error: str | None


def capture(
    books: Books, tenant_id: UUID, day: date, folder: Path, now: datetime
) -> Iterator[Captured]:
    """Writes each mail of a day to `<folder>/<day>/<message_id>.eml`. What fails with one halts that one alone."""
    plans = books.clock.dunning_plans(tenant_id)
    versions = books.clock.templates(tenant_id, plans.templates)
    tenant = books.tenants.state(tenant_id)
    templates = Templates(books.database.writer)
    into = make_folder(folder / day.isoformat())
    cases = open_cases(books.database.writer, tenant_id)
    for found in rehearse(cases, tenant_id, tenant, plans, versions, day):
        file = error = None
        try:
            content = _written(books, tenant_id, templates, found.letter, now)
            (into / f"{found.message_id}.eml").write_bytes(content)
            file = f"{day.isoformat()}/{found.message_id}.eml"
        except NotRenderable as refused:
            error = str(refused)
        message = found.message
        yield Captured(
            found.message_id, message.customer_id, message.invoice_ids, message.step, file, error
        )


def _written(
    books: Books, tenant_id: UUID, templates: Templates, letter: Letter, now: datetime
) -> bytes:
    opened = msgspec.structs.replace(
        letter,
        recipient=books.cipher.opened_text(tenant_id, letter.recipient),
        name=books.cipher.opened_text(tenant_id, letter.name),
    )
    template, language = templates.of(
        tenant_id, letter.kind, letter.template, letter.template_version, letter.language
    )
    return write_mail(opened, template, language, now, FileSender.sent_from).content
