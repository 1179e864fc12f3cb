"""A late payment: decided on an invoice with many facts, all of which come after it and are decided again."""

from collections.abc import Mapping
from datetime import date, timedelta
from uuid import UUID

from adapters.settings import Settings
from ledger.calendars import Calendar
from ledger.event_registry import encode
from ledger.invoice import issuing, settling
from ledger.invoice.evolve import evolve
from ledger.invoice.state import Invoice
from ledger.policy import FeePolicy
from ledger.rates import parse_rate
from ledger.streams import decode_state, encode_state
from ledger.tax import Line, price_lines
from tests.bench.measuring import rate, seconds
from tests.bench.sizes import Size

DUE_ON = date(2023, 1, 31)
ROUNDS = 9


def measure(settings: Settings, size: Size) -> Mapping[str, float | str]:
    """The state is read from its snapshot, the events and the snapshot after them are encoded; nothing is stored."""
    invoice = paid_daily(size.facts)
    snapshot = encode_state(invoice)
    today = DUE_ON + timedelta(days=size.facts)

    def pay_late() -> None:
        known: Invoice = decode_state("invoice", snapshot)
        decision, _ = settling.receive(known, UUID(int=1), 700_00, DUE_ON, today)
        for new in decision.new:
            encode(new.event)
        encode_state(decision.invoice)

    return {
        "late.facts": size.facts,
        "late.payments_per_s": rate(1, [seconds(pay_late) for _ in range(ROUNDS)]),
    }


def paid_daily(facts: int) -> Invoice:
    """An overdue invoice that a payment a day has come in for since the day after it was due."""
    policy = FeePolicy(version=1, late_fee=parse_rate("2%"), mora=parse_rate("1%/month"))
    lines = [Line("work", "1", "10000000.00")]
    drafted = issuing.draft(UUID(int=1), "BRL", DUE_ON, lines, price_lines(lines, "BRL"), notes="")
    invoice = evolve(None, drafted, DUE_ON)
    invoice = evolve(invoice, *issuing.send(invoice, "1", DUE_ON, policy, Calendar("none", "1")))
    for days in range(1, facts + 1):
        on = DUE_ON + timedelta(days=days)
        invoice = settling.receive(invoice, UUID(int=100 + days), 5_000_00, on, on)[0].invoice
    return invoice
