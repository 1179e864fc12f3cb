"""What facts may take of their sources (ADR 0020): what they take already, and what the source has left as credit."""

from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

from ledger.invoice.state import MONEY, Imputation, Invoice


class Room(NamedTuple):
    """How much more money facts may take: what is left of the credit of each source, in minor units, or, below zero,
    what was spent of it before it was reversed.

    own_id  the source under which the invoice's own credit notes have given credit
    brings_minor  what a new fact, the last, brings along: other facts of its source leave that to it
    """

    credit: Mapping[UUID, int] = {}
    own_id: UUID | None = None
    brings_minor: int = 0

    def of(self, source_id: UUID) -> int:
        """What is left of the credit of a source, in minor units."""
        return max(0, self.credit.get(source_id, 0))


NO_ROOM = Room()


class Sources:
    """The money of each source, from fact to fact. Amounts are minor units.

    A fact takes what it took before, and what is free: what the source has left as credit, and what facts before it
    take no longer. So no fact takes what a later one of its source has.
    """

    def __init__(self, invoice: Invoice, room: Room) -> None:
        self._own_id = room.own_id
        self._new = invoice.imputations[-1] if room.brings_minor else None
        self._brings_minor = room.brings_minor
        self._free: dict[UUID, int] = dict(room.credit)
        for one in invoice.imputations:
            if (
                one.kind == "charge_back"
            ):  # what was reversed without having been taken was there until then
                untaken_minor = one.asked_minor + one.covered.money_minor
                self._free[one.source_id] = self._free.get(one.source_id, 0) + untaken_minor
        self._offered: dict[UUID, int] = {}  # charge-backs taken off
        self._taken: dict[UUID, int] = {}  # charge-backs taken off
        self._recovered: dict[UUID, int] = {}  # of what was written off

    def resume(self, invoice: Invoice, source_id: UUID) -> None:
        """Goes on after all facts of an invoice, which take what they do, with a source."""
        self._free[source_id] = max(0, self._free.get(source_id, 0))
        for one in invoice.imputations:
            if one.source_id != source_id or one.kind not in MONEY:
                continue
            if one.kind == "charge_back":
                self._offer(one, -one.asked_minor)
                untaken_minor = one.asked_minor + one.covered.money_minor
                self._free[source_id] = max(0, self._free[source_id] - untaken_minor)
            else:
                self._offer(one, one.asked_minor)
            self._take(one, one.covered.money_minor, one.covered.recovered.total)

    def offer(self, one: Imputation) -> int:
        """What a payment, or credit, offers and may take; what it took before is free meanwhile."""
        self._offer(one, one.asked_minor)
        untaken_minor = self._offered[one.source_id] - self._taken.get(one.source_id, 0)
        free_minor = self._release(one.source_id, one, one.covered.money_minor)
        return max(0, min(one.asked_minor, untaken_minor, free_minor))

    def take(self, one: Imputation, paid_minor: int, recovered_minor: int) -> None:
        """A payment, or credit, takes what it covers, and leaves the rest to others of its source."""
        minor = paid_minor + recovered_minor
        self._free[one.source_id] -= minor
        self._take(one, minor, recovered_minor)

    def give_back(self, one: Imputation) -> tuple[int, int]:
        """(what a charge-back reverses of what is paid, and of what is recovered): what the payment has taken beyond
        what it still offers."""
        source_id = one.source_id
        self._offer(one, -one.asked_minor)
        beyond_minor = self._taken.get(source_id, 0) - max(0, self._offered[source_id])
        back_minor = max(0, beyond_minor)
        recovered_minor = min(back_minor, self._recovered.get(source_id, 0))
        self._take(one, -back_minor, -recovered_minor)
        free_minor = max(0, self._free.get(source_id, 0))
        self._free[source_id] = max(0, free_minor + back_minor - one.asked_minor)
        return back_minor - recovered_minor, recovered_minor

    def give(self, one: Imputation) -> int:
        """What a credit note may cover: its total, less what was spent of the credit that it gave."""
        if self._own_id is None:
            return one.asked_minor
        took_minor = one.covered.forgiven.total + one.covered.paid.total
        return min(one.asked_minor, self._release(self._own_id, one, took_minor))

    def given(self, covered_minor: int) -> None:
        """A credit note covers so much."""
        if self._own_id is not None:
            self._free[self._own_id] -= covered_minor

    def _release(self, source_id: UUID, one: Imputation, took_minor: int) -> int:
        brings_minor = self._brings_minor if one is self._new else 0
        free_minor = max(0, self._free.get(source_id, 0)) + took_minor + brings_minor
        self._free[source_id] = free_minor
        return free_minor

    def _offer(self, one: Imputation, minor: int) -> None:
        self._offered[one.source_id] = self._offered.get(one.source_id, 0) + minor

    def _take(self, one: Imputation, minor: int, recovered_minor: int) -> None:
        source_id = one.source_id
        self._taken[source_id] = self._taken.get(source_id, 0) + minor
        if recovered_minor:
            self._recovered[source_id] = self._recovered.get(source_id, 0) + recovered_minor
