"""`duebook export events`: a tenant's whole log, one JSON object per line. Here the family of exports is made."""

import argparse
import sys
from typing import Any
from uuid import UUID

import msgspec

from adapters.cli import journals
from adapters.cli.parsing import add_command, add_family, add_tenant
from adapters.cli.progress import Progress
from adapters.settings import Settings
from adapters.store.reading import every_event, tenant_seq
from adapters.wiring import Books, open_books

LINES_AT_ONCE = 500


def add(commands: Any) -> None:
    family = add_family(commands, "export", "write a tenant's data out")
    export = add_command(
        family,
        "events",
        _export_events,
        "write every event of a tenant to stdout, one JSON object per line, in their order",
    )
    export.add_argument("--format", choices=("jsonl",), default="jsonl", help="the only one")
    export.add_argument(
        "--decrypt", action="store_true", help="personal texts in the clear, not as they are stored"
    )
    add_tenant(export)
    journals.add(family)


def _export_events(arguments: argparse.Namespace) -> int:
    with open_books(Settings.from_environment()) as books, Progress() as progress:
        tenant_id = books.tenants.id_of(arguments.tenant)
        _write_events(books, tenant_id, arguments.decrypt, progress)
    return 0


def _write_events(books: Books, tenant_id: UUID, decrypt: bool, progress: Progress) -> None:
    lines: list[bytes] = []

    def write() -> None:
        block = b"".join(lines)
        lines.clear()
        sys.stdout.buffer.write(books.cipher.decrypted(tenant_id, block) if decrypt else block)

    sys.stdout.flush()
    encoder = msgspec.json.Encoder()
    with books.reading(tenant_id) as connection:
        last = tenant_seq(connection, tenant_id)
        for one in every_event(connection, tenant_id):
            lines.append(encoder.encode(one) + b"\n")
            if len(lines) == LINES_AT_ONCE:
                write()
                progress("exporting", one.tenant_seq, last)
    write()
    sys.stdout.buffer.flush()
