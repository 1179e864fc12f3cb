"""The journal of a log, and what its accounts must hold: worked out from the folded states alone."""

from collections import Counter
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from ledger.event_registry import New
from ledger.journal.entry import JournalEntry
from ledger.journal.facts import Facts, evolve
from ledger.journal.posting import STREAMS, entries

Balances = Counter[tuple[str, str]]
"""Minor units by currency and account, debits above zero."""

_WAYS = {
    "waived": "waivers",
    "small_balance": "waivers",
    "cancelled": "cancellations",
    "written_off": "bad_debt",
}


class Bookkeeper:
    """Posts the events of many streams, each in its order."""

    def __init__(self) -> None:
        self._facts: dict[UUID, Facts] = {}
        self.balances: Balances = Counter()
        self.entries: list[JournalEntry] = []

    def post(self, kind: str, stream_id: UUID, new: New) -> None:
        """One event of a stream. Every entry must add up to zero."""
        if kind not in STREAMS:
            return
        facts = self._facts.get(stream_id, Facts())
        for entry in entries(facts, new.event, new.effective_on):
            assert sum(posting.minor for posting in entry.postings) == 0
            assert all(posting.minor for posting in entry.postings)
            assert len({posting.account for posting in entry.postings}) == len(entry.postings) > 1
            assert entry.currency
            self.entries.append(entry)
            for posting in entry.postings:
                self.balances[entry.currency, posting.account] += posting.minor
        self._facts[stream_id] = evolve(facts, new.event)


def journal(log: Iterable[tuple[str, UUID, New]]) -> Bookkeeper:
    """The journal of a log of (kind, stream, event)."""
    books = Bookkeeper()
    for kind, stream_id, new in log:
        books.post(kind, stream_id, new)
    return books


def expected(states: Iterable[tuple[str, Any]]) -> Balances:
    """What the accounts of assets and liabilities hold, by the states (kind, state) of all streams.

    Of `cash` without what was lent, and of `loans_receivable` all that instalments have open.
    """
    found: Balances = Counter()
    for kind, state in states:
        if kind == "invoice":
            _invoice(found, state)
        elif kind == "payment":
            found[state.currency, "cash"] += state.left_minor
        elif kind == "refund":
            if state.status == "confirmed":
                found[state.currency, "cash"] -= state.amount_minor
            elif state.status != "compensated":
                found[state.currency, "refunds_payable"] -= state.amount_minor
        elif kind == "customer":
            for lot in state.lots:
                found[lot.currency, "customer_credit"] -= lot.minor
    return found


def _invoice(found: Balances, invoice: Any) -> None:
    currency, opened = invoice.currency, invoice.open
    principal = "loans_receivable" if invoice.instalment else "receivable_principal"
    found[currency, principal] += opened.principal
    found[currency, "receivable_late_fee"] += opened.late_fee
    found[currency, "receivable_mora"] += opened.mora
    found[currency, "receivable_other_fees"] += opened.other_fees
    for way, account in _WAYS.items():
        given = invoice.forgiven_of.get(way)
        found[currency, account] += given.total if given is not None else 0


def assert_agree(balances: Balances, states: Iterable[tuple[str, Any]]) -> None:
    """The accounts hold what the states say; income and what is left balance them by themselves.

    A void invoice's waivers are gone from the books with it, so they are compared where nothing was voided.
    """
    states = list(states)
    wanted = expected(states)
    checked = {account for _, account in wanted} | {"customer_credit", "cash", "refunds_payable"}
    if any(kind == "invoice" and state.status == "void" for kind, state in states):
        checked -= set(_WAYS.values())
        wanted = Counter({key: minor for key, minor in wanted.items() if key[1] in checked})
    held = {key: minor for key, minor in balances.items() if minor and key[1] in checked}
    assert held == {key: minor for key, minor in wanted.items() if minor}
