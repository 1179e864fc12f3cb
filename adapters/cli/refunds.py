"""`duebook refunds list|retry|run`: refunds whose instructions are not handed over."""

import argparse
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from adapters.cli.parsing import add_command, add_family, add_json, add_tenant
from adapters.cli.printing import print_fields, print_json, print_line, print_table
from adapters.cli.tenant_creation import ACTOR
from adapters.payouts.chosen import chosen_payout
from adapters.settings import Settings
from adapters.wiring import Books, open_books
from commands.refunds import RefundView, release_refund
from ledger.money import Money
from ledger.refund import WaitsFor, waits_for
from schedulers.refund_payouts import Waiting, every_waiting, pay_out


class WaitingRow(msgspec.Struct, frozen=True):
    """A refund that is not handed over. `in_doubt`: the provider may have its instruction all the same."""

    id: UUID
    customer_id: UUID
    requested_on: str
    amount: Money
    waits_for: WaitsFor
    attempts: int
    in_doubt: bool
    next_at: datetime | None
    last_error: str


def add(commands: Any) -> None:
    family = add_family(commands, "refunds", "list refunds that wait, try them again, hand over")
    listing = add_command(
        family, "list", _list, "list a tenant's refunds whose instructions are not handed over"
    )
    add_tenant(listing)
    add_json(listing)
    retry = add_command(
        family, "retry", _retry, "have a refund that waits for a person handed over again"
    )
    retry.add_argument("refund_id", type=_refund_id, metavar="REFUND_ID", help="as listed")
    add_tenant(retry)
    add_json(retry)
    run = add_command(
        family, "run", _run, "hand over, now, every refund that is due, as the worker does"
    )
    add_json(run)


def _list(arguments: argparse.Namespace) -> int:
    with open_books(Settings.from_environment()) as books:
        tenant_id = books.tenants.id_of(arguments.tenant)
        rows = [_row(one) for one in every_waiting(books.payouts) if one.tenant_id == tenant_id]
    if arguments.json:
        print_json({"items": rows})
        return 0
    print_table(
        (
            "refund_id",
            "requested",
            "amount",
            "currency",
            "waits for",
            "attempts",
            "in doubt",
            "error",
        ),
        [
            (
                row.id,
                row.requested_on,
                row.amount.amount,
                row.amount.currency,
                row.waits_for,
                row.attempts,
                "yes" if row.in_doubt else "",
                row.last_error,
            )
            for row in rows
        ],
    )
    return 0


def _retry(arguments: argparse.Namespace) -> int:
    with open_books(Settings.from_environment()) as books:
        view = _released(books, books.tenants.id_of(arguments.tenant), arguments.refund_id)
    if arguments.json:
        print_json(view)
    else:
        print_line(
            f"refund {view.id} is handed over again by the worker, or by: duebook refunds run"
        )
    return 0


def _run(arguments: argparse.Namespace) -> int:
    settings = Settings.from_environment()
    with (
        open_books(settings) as books,
        chosen_payout(settings, books.tenants.is_test) as payout,
    ):
        done = pay_out(books.payouts, payout, lambda: datetime.now(UTC))
    if arguments.json:
        print_json(done)
    else:
        print_fields(
            [
                ("handed over", done.handed_over),
                ("not handed over", done.not_handed_over),
                ("refused", done.refused),
            ]
        )
    return 1 if done.not_handed_over or done.refused else 0


def _released(books: Books, tenant_id: UUID, refund_id: UUID) -> RefundView:
    answer = books.run(tenant_id, ACTOR, lambda unit: release_refund(unit, refund_id))
    return msgspec.json.decode(answer.body, type=RefundView)


def _row(waiting: Waiting) -> WaitingRow:
    refund = waiting.refund
    return WaitingRow(
        id=waiting.refund_id,
        customer_id=refund.customer_id,
        requested_on=str(refund.requested_on),
        amount=Money.of(refund.amount_minor, refund.currency),
        waits_for=waits_for(refund.status, refund.attempts),
        attempts=refund.attempts,
        in_doubt=refund.unknown or refund.under_way,
        next_at=refund.next_at,
        last_error=refund.last_error,
    )


def _refund_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a refund's id") from None
