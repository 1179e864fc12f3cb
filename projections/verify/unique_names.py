"""Verifying unique names: each is held by the stream whose event gave it out, and none without one.

A payment's fingerprint and day are the name of the first payment that has them.
"""

from typing import Final
from uuid import UUID

from ledger.numbering import DOCUMENT_NUMBER
from projections.engine.tracking import Connection
from projections.verify.claims import (
    NOBODY,
    PAGE,
    Claim,
    Given,
    claim_of,
    holders_of,
    readable,
)
from projections.verify.digests import Differences

TABLE: Final = "unique_names"

CREDITED = """
SELECT tag, data FROM events
 WHERE tenant_id = %s AND tag >= 'invoice.credited.' AND tag < 'invoice.credited/'
"""
NAMES = """
SELECT tenant_id, kind, name, stream_id FROM unique_names
 WHERE (tenant_id, kind, name) > (%s, %s, %s)
 ORDER BY tenant_id, kind, name
 LIMIT %s
"""
GIVEN_BY = """
SELECT tenant_seq, tag, data FROM events
 WHERE tenant_id = %s AND stream_id = %s
   AND (tag >= 'customer.registered.' AND tag < 'customer.registered/'
     OR tag >= 'invoice.credited.' AND tag < 'invoice.credited/'
     OR tag >= 'invoice.sent.' AND tag < 'invoice.sent/'
     OR tag >= 'payment.received.' AND tag < 'payment.received/')
 ORDER BY version
"""
COUNT_NAMES = "SELECT count(*) FROM unique_names"


class UniqueNames:
    """Compares what is held with what was given out, page by page."""

    def __init__(self, connection: Connection, differences: Differences) -> None:
        self._connection = connection
        self._differences = differences
        self.given = 0
        self._held = 0

    def take(self, page: list[Given]) -> None:
        """Looks up who holds what events have given out."""
        claims = [
            (claim, given.tenant_seq)
            for given in page
            if (claim := claim_of(given.tenant_id, given.stream_id, given.event)) is not None
        ]
        holders = holders_of(self._connection, [claim for claim, _ in claims])
        for claim, tenant_seq in claims:
            holder = holders.get(claim[:3])
            if holder == claim.stream_id:
                self._held += 1
            elif holder is not None and self._was_first(claim, holder, tenant_seq):
                continue
            else:
                live = None if holder is None else str(holder)
                self._differences.add(TABLE, _key(claim), "stream_id", live, claim.stream_id)
            self.given += 1

    def find_without_event(self) -> None:
        """When more names are held than events account for, finds which."""
        row = self._connection.execute(COUNT_NAMES).fetchone()
        if row is None or row[0] <= self._held:
            return
        after: tuple[UUID, str, str] = (NOBODY, "", "")
        while rows := self._connection.execute(NAMES, (*after, PAGE)).fetchall():
            page = list(map(Claim._make, rows))
            unexplained = [held for held in page if not self._was_given(held)]
            by_credit_notes = self._by_credit_notes(unexplained)
            for held in unexplained:
                if held not in by_credit_notes:
                    self._differences.add(TABLE, _key(held), "", str(held.stream_id), None)
            after = rows[-1][:3]

    def _was_given(self, held: Claim, before: int = 2**62) -> bool:
        """Whether an event of the stream that holds a name, earlier than a `tenant_seq`, gave it the name."""
        rows = self._connection.execute(GIVEN_BY, (held.tenant_id, held.stream_id)).fetchall()
        for tenant_seq, tag, data in rows:
            event = readable(tag, data) if tenant_seq < before else None
            if event is not None and claim_of(held.tenant_id, held.stream_id, event) == held:
                return True
        return False

    def _was_first(self, claim: Claim, holder: UUID, tenant_seq: int) -> bool:
        """Whether a payment that looks the same came before, and so holds the name."""
        if claim.kind != "payment_fingerprint":
            return False
        return self._was_given(claim._replace(stream_id=holder), before=tenant_seq)

    def _by_credit_notes(self, held: list[Claim]) -> set[Claim]:
        """Those of the names that events gave to credit notes, which have no stream of their own."""
        wanted = {claim for claim in held if claim.kind == DOCUMENT_NUMBER}
        found: set[Claim] = set()
        for tenant_id in {claim.tenant_id for claim in wanted}:
            for tag, data in self._connection.execute(CREDITED, (tenant_id,)):
                event = readable(tag, data)
                claim = None if event is None else claim_of(tenant_id, NOBODY, event)
                if claim in wanted:
                    found.add(claim)
        return found


def _key(claim: Claim) -> dict[str, str]:
    return {"tenant_id": str(claim.tenant_id), "kind": claim.kind, "name": claim.name}
