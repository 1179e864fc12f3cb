"""Refunds whose process is killed at a step, again and again, until they are through; and what must then be true."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from adapters.store import snapshots
from ledger.refund import Refund
from tests.payouts.conftest import Dispatcher
from tests.payouts.peer import Peer, Put, keep_slowly
from tests.soak.conftest import Nursery
from tests.soak.doom import IN_FLIGHT_SECONDS, Place

KEYS = ("confirm", "fail", "refuse")
"""The ends of the refunds of one run: one each."""

MAX_RUNS = 10

SELECT_TAGS = """
SELECT stream_id, tag FROM events
 WHERE tenant_id = %s AND tag LIKE 'refund.%%' ORDER BY tenant_seq
"""


class Doomed(NamedTuple):
    """Where a process is killed: at the n-th passing of a place."""

    place: Place
    n: int


def keep_or_refuse(peer: Peer, put: Put) -> int:
    """Refuses what is to be refused, keeps the rest; slow enough to be killed in the middle."""
    if b"account to refuse" in put.body:
        return 422
    return keep_slowly(2 * IN_FLIGHT_SECONDS)(peer, put) or 500


class Killing:
    """Sagas of one tenant over a provider, either files or a peer."""

    def __init__(
        self, desk: Dispatcher, nursery: Nursery, folder: Path | None, peer: Peer | None
    ) -> None:
        self.desk = desk
        self.nursery = nursery
        self.folder = folder
        self.peer = peer
        self.begun = 0
        self.kills = 0

    def passed(self) -> dict[str, int]:
        """How often an undisturbed run passes each kind of place."""
        said: dict[str, int] = self._run(self._wanted(), None)["said"]
        return said

    def at(self, dooms: Iterable[Doomed], times: int = 2) -> None:
        """For each doom: new refunds, killed so many times there, then run until they are through, and checked."""
        for doom in dooms:
            self.at_each([doom] * times)

    def at_each(self, dooms: Sequence[Doomed]) -> None:
        """New refunds, killed at one place after another, then run until they are through, and checked."""
        wanted = self._wanted()
        for doom in dooms:
            ended = self._run(wanted, doom)["ended"]
            assert ended in ("killed", "done"), doom
            self.kills += ended == "killed"
        for _ in range(MAX_RUNS):
            assert self._run(wanted, None)["ended"] == "done", dooms
            if self._are_through():
                break
        self.check(dooms)

    def check(self, where: object) -> None:
        """Exactly one instruction for each refund that has one, none for those that never may, and all credit."""
        refunds, tags_of = self._refunds()
        assert len(refunds) == self.begun, where
        instructions = dict(self._instructions())
        kept = 0
        for refund_id, refund in refunds.items():
            tags = tags_of[refund_id]
            end = self.desk.books.cipher.opened_text(self.desk.tenant_id, refund.destination)
            assert tags.count("requested") == 1
            assert tags.count("sent") + tags.count("failed") <= 2
            for tag in ("sent", "failed", "compensated", "confirmed"):
                assert tags.count(tag) <= 1, (where, tags)
            if end == "account to confirm":
                assert refund.status == "confirmed", (where, tags)
            if end == "account to fail":
                assert refund.status == "compensated", (where, tags)
            if refund.status == "confirmed" or "sent" in tags:
                assert refund_id in instructions, (where, tags)
            elif refund.status == "compensated":
                assert refund_id not in instructions, (where, tags)
            else:
                # Refused after an attempt that was killed: nobody knows, so nothing is given back.
                assert (end, refund.unknown) == ("account to refuse", True), (where, tags)
            kept += refund.amount_minor if refund.status != "compensated" else 0
        assert self.desk.credit() == 100_000 - kept, where
        assert set(instructions) <= set(refunds), where

    def _are_through(self) -> bool:
        waiting = self.desk.payouts.waiting(None, 1_000)
        return all(one.refund.unknown and one.refund.last_error for one in waiting)

    def _run(self, wanted: dict[str, str], doom: Doomed | None) -> dict[str, Any]:
        self.desk.later(1_000)
        where = {"place": doom.place, "n": doom.n} if doom else {}
        return self.nursery.run(
            "refunds",
            url=self.desk.books.database.writer_url,
            tenant_id=str(self.desk.tenant_id),
            customer_id=str(self.desk.customer_id),
            wanted=wanted,
            now=self.desk.now.isoformat(),
            folder=str(self.folder or ""),
            peer=self.peer.url if self.peer else "",
            **where,
        )

    def _wanted(self) -> dict[str, str]:
        ends = [end for end in KEYS if end != "refuse" or self.peer]
        found = {f"{self.begun + number}": end for number, end in enumerate(ends)}
        self.begun += len(found)
        return found

    def _refunds(self) -> tuple[dict[UUID, Refund], dict[UUID, list[str]]]:
        """Every refund, and what happened to each in its order."""
        tags: dict[UUID, list[str]] = {}
        tenant_id = self.desk.tenant_id
        with self.desk.books.database.writer.connection() as connection:
            for stream_id, tag in connection.execute(SELECT_TAGS, (tenant_id,)).fetchall():
                tags.setdefault(stream_id, []).append(tag.split(".")[1])
            return snapshots.read_many(connection, tenant_id, "refund", list(tags)), tags

    def _instructions(self) -> Iterator[tuple[UUID, bytes]]:
        """(refund, instruction) of all there are. Each was always the same, and names its refund."""
        if self.folder is not None:
            found = {path.stem: path.read_bytes() for path in self.folder.rglob("*.json")}
            left = [path for path in self.folder.rglob("*") if path.is_file()]
            assert len(left) == len(found), "something was left aside"
        else:
            assert self.peer is not None
            found = self.peer.instructions
            for put in self.peer.puts:
                refund_id = put.path.rpartition("/")[2]
                assert found.get(refund_id, put.body) == put.body
        for name, content in found.items():
            assert msgspec.json.decode(content)["refund_id"] == name
            yield UUID(name), content
