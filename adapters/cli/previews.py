"""Printing what a night would do, for people."""

from adapters.cli.printing import print_line, print_table
from ledger.money import Money
from schedulers.preview import PreviewItem


def print_items(items: list[PreviewItem], title: str) -> None:
    """A preview for people: a line for each item, and the totals by kind and currency."""
    print_table(
        ("date", "what", "plan", "step", "invoices", "amount", "currency", "to", "reason"),
        [
            (
                item.date,
                item.kind,
                item.plan or "",
                item.step or "",
                ", ".join(item.invoice_numbers),
                item.amount.amount,
                item.amount.currency,
                item.recipient or "",
                item.reason or "",
            )
            for item in items
        ],
        title=title,
    )
    totals: dict[tuple[str, str], tuple[int, int]] = {}
    for item in items:
        known = (item.kind, item.amount.currency)
        count, minor = totals.get(known, (0, 0))
        totals[known] = (count + 1, minor + item.amount.minor)
    for (kind, currency), (count, minor) in sorted(totals.items()):
        print_line(f"{count} {kind}: {Money.of(minor, currency).amount} {currency}")
