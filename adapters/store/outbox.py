"""The outbox over PostgreSQL: what waits is read from snapshots, attempts and outcomes go through the writer like any
command, and leases and rates are rows beside the log.

A claim and an outcome are appended at the version they were decided on: of two workers, one gets the claim. Leases only
keep workers from trying the same. Rates are counted by the database's clock, so that workers' clocks may differ.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec

from adapters.links import Links
from adapters.messages.mail import MailLinks, write_mail
from adapters.postgres.connection import Pool
from adapters.store import snapshots
from adapters.store.encryption import PersonalDataCipher, pseudonym
from adapters.store.requests import Answer, Request
from adapters.store.writer import Writer
from adapters.templates.stored import Templates
from commands.messages import (
    AttemptBegun,
    Letter,
    begin_sending,
    message_deferred,
    message_failed,
    message_sent,
    message_unknown,
)
from commands.senders import pause_faulty_sender
from commands.unit_of_work import Unit
from ledger.customer import Customer
from ledger.dunning.plan import stream_id as plan_stream_id
from ledger.message import STOPPED_BY_OPT_OUT, Message, MessageNotDue
from schedulers.delivery import (
    Faulty,
    MaybeTaken,
    NotRenderable,
    NotTaken,
    Outcome,
    Outgoing,
    Sender,
    Taken,
    Throttled,
)
from schedulers.outbox_ports import LEASE_SECONDS, Attempt, Claimed, Ended, Slot, Waiting

ACTOR = "outbox"
LOOKED_AT_AGAIN: Final = timedelta(minutes=5)
"""What is not due is looked at after so long at the latest: a person may have changed when it is."""

SLOWED_FIRST_SECONDS: Final = 2.0
SLOWED_LONGEST_SECONDS: Final = 900.0
SLACK: Final = 1.1
"""A message leaves up to a tenth of a second after its moment. Moments that are a tenth further apart leave no second
with more than its messages."""

# The index snapshots_outbox holds nothing but messages that wait. Each step finds the next tenant in it.
SELECT_TENANTS = """
WITH RECURSIVE waiting AS (
    (SELECT tenant_id FROM snapshots
      WHERE stream = 'message' AND wakes_on IS NOT NULL
      ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT next.tenant_id FROM snapshots AS next
             WHERE next.stream = 'message' AND next.wakes_on IS NOT NULL AND next.tenant_id > waiting.tenant_id
             ORDER BY next.tenant_id LIMIT 1)
      FROM waiting
     WHERE waiting.tenant_id IS NOT NULL
)
SELECT tenant_id FROM waiting WHERE tenant_id IS NOT NULL
"""
# Workers lease one after another: one that waited for another's rows would find nothing free, and think that nothing
# waits.
QUEUE_UP = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
LEASE = """
INSERT INTO message_leases AS lease (tenant_id, message_id, holder, until)
SELECT waiting.tenant_id, waiting.stream_id, %(holder)s, %(until)s
  FROM snapshots AS waiting
 WHERE waiting.stream = 'message' AND waiting.wakes_on IS NOT NULL AND waiting.tenant_id = %(tenant)s
   AND NOT EXISTS (SELECT FROM message_leases AS held
                    WHERE held.tenant_id = waiting.tenant_id
                      AND held.message_id = waiting.stream_id
                      AND held.until > %(now)s)
 ORDER BY waiting.wakes_on, waiting.stream_id
 LIMIT %(limit)s
ON CONFLICT (tenant_id, message_id) DO UPDATE
   SET holder = excluded.holder, until = excluded.until
 WHERE lease.until <= %(now)s
RETURNING message_id
"""
POSTPONE = """
UPDATE message_leases SET until = later.until
  FROM unnest(%s::uuid[], %s::timestamptz[]) AS later (message_id, until)
 WHERE message_leases.tenant_id = %s AND message_leases.message_id = later.message_id
"""
RELEASE = """
DELETE FROM message_leases
 WHERE tenant_id = %s AND message_id = ANY(%s) AND holder = %s
"""
# One row per sender, and one for the tenant: the generic cell rate algorithm, with no burst. A message takes one moment
# in all rates that hold for it. They are locked in the order of their names, so that no two workers deadlock.
LOCK_RATES = """
INSERT INTO sending_rates AS rate (tenant_id, name, next_at, interval_seconds)
SELECT %(tenant)s, name, clock_timestamp(), seconds
  FROM unnest(%(names)s::text[], %(intervals)s::float8[]) AS wanted (name, seconds)
 ORDER BY name
ON CONFLICT (tenant_id, name) DO UPDATE SET interval_seconds = excluded.interval_seconds
"""
TAKE_MOMENT = """
WITH moment AS (
    SELECT greatest(max(next_at), clock_timestamp()) AS at FROM sending_rates
     WHERE tenant_id = %(tenant)s AND name = ANY(%(names)s))
UPDATE sending_rates AS rate
   SET next_at = moment.at + make_interval(secs => rate.interval_seconds)
  FROM moment
 WHERE rate.tenant_id = %(tenant)s AND rate.name = ANY(%(names)s)
RETURNING extract(epoch FROM moment.at - clock_timestamp())::float8
"""
SLOW_DOWN = """
INSERT INTO sending_rates AS rate (tenant_id, name, next_at, interval_seconds)
VALUES (%(tenant)s, %(name)s, clock_timestamp() + make_interval(secs => %(first)s), %(first)s)
ON CONFLICT (tenant_id, name) DO UPDATE
   SET interval_seconds = least(rate.interval_seconds * 2, %(longest)s),
       next_at = clock_timestamp() + make_interval(secs => least(rate.interval_seconds * 2, %(longest)s))
RETURNING interval_seconds
"""
# A domain that takes messages again is asked twice as often each time, until it is not slowed any more.
SPEED_UP = """
UPDATE sending_rates SET interval_seconds = interval_seconds / 2 WHERE tenant_id = %(tenant)s AND name = %(name)s
"""
FORGET = """
DELETE FROM sending_rates
 WHERE tenant_id = %(tenant)s AND name = %(name)s AND interval_seconds < %(first)s
"""
# Takes the moment of each domain that has come; answers when those come that have not.
TAKE_DOMAINS = """
UPDATE sending_rates AS rate
   SET next_at = CASE WHEN before.next_at <= clock_timestamp()
                      THEN clock_timestamp() + make_interval(secs => rate.interval_seconds)
                      ELSE rate.next_at END
  FROM (SELECT tenant_id, name, next_at FROM sending_rates
         WHERE tenant_id = %s AND name = ANY(%s)
         ORDER BY name
           FOR UPDATE) AS before
 WHERE rate.tenant_id = before.tenant_id AND rate.name = before.name
RETURNING rate.name, greatest(extract(epoch FROM before.next_at - clock_timestamp()), 0)::float8,
          rate.interval_seconds
"""


class PostgresOutbox:
    """Messages that wait, and what becomes of them (`schedulers.outbox.OutboxStore`)."""

    def __init__(
        self,
        pool: Pool,
        writer: Writer,
        cipher: PersonalDataCipher,
        links: Links,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._pool = pool
        self._writer = writer
        self._cipher = cipher
        self._links = links
        self._now = now
        self._templates = Templates(pool)
        self._holder = uuid4()
        self._finished: dict[UUID, list[UUID]] = {}

    def tenants(self) -> list[UUID]:
        with self._pool.connection() as connection:
            return [tenant_id for (tenant_id,) in connection.execute(SELECT_TENANTS).fetchall()]

    def lease(self, tenant_id: UUID, limit: int) -> list[Waiting]:
        """Leases until some are due or none is left: those that are not are postponed."""
        self.release(tenant_id, ())
        while found := self._lease(tenant_id, limit):
            due = self._due(tenant_id, found)
            if due:
                return due
        return []

    def release(self, tenant_id: UUID, message_ids: Sequence[UUID]) -> None:
        """Those of messages that were dealt with end too: they are looked at again like any other that waits."""
        ended = [*self._finished.pop(tenant_id, ()), *message_ids]
        if not ended:
            return
        with self._pool.connection() as connection:
            connection.execute(RELEASE, (tenant_id, ended, self._holder))

    def exchange(
        self,
        tenant_id: UUID,
        outcomes: Sequence[tuple[Attempt, Outcome]],
        claims: Sequence[tuple[Waiting, Sender]],
    ) -> tuple[list[Exception | None], list[Claimed]]:
        futures = self._writer.submit_all(
            [
                self._request(tenant_id, attempt.waiting, self._recording(attempt, outcome))
                for attempt, outcome in outcomes
            ]
            + [self._claim(tenant_id, waiting, sender) for waiting, sender in claims]
        )
        recorded = [_error_of(future) for future in futures[: len(outcomes)]]
        claimed = [
            self._claimed(waiting, sender, future)
            for (waiting, sender), future in zip(claims, futures[len(outcomes) :], strict=True)
        ]
        finished = self._finished.setdefault(tenant_id, [])
        finished += [attempt.waiting.message_id for attempt, _ in outcomes]
        finished += [
            waiting.message_id
            for (waiting, _), answer in zip(claims, claimed, strict=True)
            if not isinstance(answer, Attempt)
        ]
        return recorded, claimed

    def limit(self, tenant_id: UUID) -> int:
        with self._pool.connection() as connection:
            return snapshots.tenant(connection, tenant_id).settings.max_messages_per_second

    def slot(self, tenant_id: UUID, sender: Sender, limit: int) -> Slot:
        limits = {
            f"sender {sender.sender_id or sender.key}": sender.max_per_second,
            "tenant": limit,
        }
        rates = {name: SLACK / per_second for name, per_second in limits.items() if per_second}
        values = {"tenant": tenant_id, "names": list(rates), "intervals": list(rates.values())}
        with self._pool.connection() as connection:
            connection.execute(LOCK_RATES, values)
            before = time.monotonic()
            row = connection.execute(TAKE_MOMENT, values).fetchone()
            after = time.monotonic()
        assert row is not None
        return Slot(before + row[0], after + row[0])

    def pause(self, tenant_id: UUID, sender: Sender, reason: str) -> None:
        sender_id = sender.sender_id
        assert sender_id is not None, "an installation's own sender has nothing that can be wrong"
        request = Request(
            tenant_id=tenant_id,
            actor=ACTOR,
            handler=lambda unit: pause_faulty_sender(unit, sender_id, reason),
            correlation_id=f"sender-{sender_id}",
            prefetch_streams=(sender_id,),
            now=self._now(),
        )
        self._writer.run(request)

    def _lease(self, tenant_id: UUID, limit: int) -> list[UUID]:
        now = self._now()
        values = {
            "tenant": tenant_id,
            "holder": self._holder,
            "now": now,
            "until": now + timedelta(seconds=LEASE_SECONDS),
            "limit": limit,
        }
        with self._pool.connection() as connection:
            connection.execute(QUEUE_UP, (f"duebook outbox {tenant_id}",))
            return [message_id for (message_id,) in connection.execute(LEASE, values).fetchall()]

    def _due(self, tenant_id: UUID, message_ids: list[UUID]) -> list[Waiting]:
        """Those of the leased messages that are due, and whose domains take one now."""
        now = self._now()
        with self._pool.connection() as connection:
            messages: dict[UUID, Message] = snapshots.read_many(
                connection, tenant_id, "message", message_ids
            )
            customers: dict[UUID, Customer] = snapshots.read_many(
                connection,
                tenant_id,
                "customer",
                list({message.customer_id for message in messages.values()}),
            )
            domains = self._domains(connection, tenant_id, customers)
            names = sorted({_domain_name(domain) for domain in domains.values() if domain})
            slowed: dict[str, list[float]] = {
                name: [wait_seconds, interval_seconds]
                for name, wait_seconds, interval_seconds in connection.execute(
                    TAKE_DOMAINS, (tenant_id, names)
                ).fetchall()
            }
            due: list[Waiting] = []
            postponed: dict[UUID, datetime] = {}
            for message_id in message_ids:
                message = messages.get(message_id)
                if message is None or not message.due(now):
                    postponed[message_id] = now + LOOKED_AT_AGAIN
                    if message is not None and message.next_at is not None:
                        postponed[message_id] = min(message.next_at, now + LOOKED_AT_AGAIN)
                    continue
                domain = domains.get(message.customer_id, "")
                pace = slowed.get(_domain_name(domain))
                if pace is not None and pace[0] > 0:
                    postponed[message_id] = now + timedelta(seconds=pace[0])
                    continue
                if pace is not None:
                    pace[0] = pace[1]  # its moment is taken by this one
                due.append(
                    Waiting(
                        tenant_id,
                        message_id,
                        message.customer_id,
                        domain,
                        pace is not None,
                        message.plan,
                    )
                )
            if postponed:
                connection.execute(POSTPONE, (list(postponed), list(postponed.values()), tenant_id))
        return due

    def _domains(
        self, connection: Any, tenant_id: UUID, customers: dict[UUID, Customer]
    ) -> dict[UUID, str]:
        """The domain of each customer's address, in lower case."""
        self._cipher.keys(connection, [(tenant_id, customer_id) for customer_id in customers])
        return {
            customer_id: self._cipher.opened_text(tenant_id, customer.person.email)
            .rpartition("@")[2]
            .strip()
            .lower()
            for customer_id, customer in customers.items()
            if customer.person.email
        }

    def _claim(self, tenant_id: UUID, waiting: Waiting, sender: Sender) -> Request:
        return self._request(
            tenant_id,
            waiting,
            lambda unit: begin_sending(
                unit,
                waiting.message_id,
                sender.key,
                sender.sender_id,
                recognises_repeats=sender.recognises_repeats,
                has_links=bool(self._links.public_url),
            ),
            *(() if sender.sender_id is None else (sender.sender_id,)),
            *((plan_stream_id(tenant_id, waiting.plan),) if waiting.plan else ()),
            claims=True,
        )

    def _claimed(self, waiting: Waiting, sender: Sender, future: Future[Answer]) -> Claimed:
        try:
            begun = msgspec.json.decode(future.result().body, type=AttemptBegun)
        except Exception as error:
            return error
        if begun.state == "queued":
            return MessageNotDue("the customer may not be contacted at this hour")
        if begun.letter is None or begun.next_at is None:
            return Ended()
        attempt = Attempt(waiting, begun.attempt, begun.next_at, begun.letter.recipient, None)
        try:
            outgoing = self._written(waiting.tenant_id, begun.letter, sender)
        except NotRenderable as error:
            return msgspec.structs.replace(attempt, reason=str(error))
        except Exception as error:
            # The text of an unforeseen error may quote the message.
            reason = f"writing it failed with {type(error).__name__}"
            return msgspec.structs.replace(attempt, reason=reason)
        return msgspec.structs.replace(attempt, outgoing=outgoing)

    def _written(self, tenant_id: UUID, letter: Letter, sender: Sender) -> Outgoing:
        texts = {
            field: self._cipher.opened_text(tenant_id, getattr(letter, field))
            for field in ("recipient", "name")
        }
        if _is_erased(tenant_id, letter, texts["recipient"]):
            raise NotRenderable("the customer's data was erased, and with it the address")
        template, language = self._templates.of(
            tenant_id, letter.kind, letter.template, letter.template_version, letter.language
        )
        opened = msgspec.structs.replace(letter, **texts)
        links = self._links_of(tenant_id, letter, sender)
        return write_mail(opened, template, language, self._now(), sender.sent_from, links)

    def _links_of(self, tenant_id: UUID, letter: Letter, sender: Sender) -> MailLinks:
        named = (tenant_id, letter.message_id)
        domain = sender.return_domain
        linked = bool(self._links.public_url)
        stops = linked and letter.kind in STOPPED_BY_OPT_OUT
        return MailLinks(
            self._links.unsubscribe_url(*named, letter.links) if stops else "",
            self._links.picture_url(*named, letter.links) if linked and letter.tracked else "",
            self._links.return_address(*named, domain) if domain else "",
        )

    def _recording(self, attempt: Attempt, outcome: Outcome) -> Callable[[Unit], Any]:
        message_id, number = attempt.waiting.message_id, attempt.number
        match outcome:
            case Taken(reference, content_hash):
                if attempt.waiting.slowed:
                    self._speed_up(attempt.waiting)
                return lambda unit: message_sent(unit, message_id, number, reference, content_hash)
            case NotTaken(reason, for_good, address_is_unknown):
                refused_address = attempt.address if address_is_unknown else ""
                return lambda unit: message_failed(
                    unit,
                    message_id,
                    number,
                    reason,
                    for_good=for_good,
                    refused_address=refused_address,
                )
            case MaybeTaken(reason):
                return lambda unit: message_unknown(unit, message_id, number, reason)
            case Throttled(reason, by):
                wait = self._slow_down(attempt.waiting) if by == "domain" else None
                return lambda unit: message_deferred(unit, message_id, number, reason, wait)
            case Faulty(reason):
                return lambda unit: message_deferred(unit, message_id, number, reason, None)

    def _slow_down(self, waiting: Waiting) -> timedelta:
        values = {
            "tenant": waiting.tenant_id,
            "name": _domain_name(waiting.domain),
            "first": SLOWED_FIRST_SECONDS,
            "longest": SLOWED_LONGEST_SECONDS,
        }
        with self._pool.connection() as connection:
            row = connection.execute(SLOW_DOWN, values).fetchone()
        assert row is not None
        return timedelta(seconds=row[0])

    def _speed_up(self, waiting: Waiting) -> None:
        values = {
            "tenant": waiting.tenant_id,
            "name": _domain_name(waiting.domain),
            "first": SLOWED_FIRST_SECONDS,
        }
        with self._pool.connection() as connection:
            connection.execute(SPEED_UP, values)
            connection.execute(FORGET, values)

    def _request(
        self,
        tenant_id: UUID,
        waiting: Waiting,
        handler: Callable[[Unit], Any],
        *more: UUID,
        claims: bool = False,
    ) -> Request:
        return Request(
            tenant_id=tenant_id,
            actor=ACTOR,
            handler=handler,
            correlation_id=f"message-{waiting.message_id}",
            prefetch_streams=(waiting.message_id, waiting.customer_id, *more),
            prefetch_payers=(waiting.customer_id,) if claims else (),
            now=self._now(),
        )


def _error_of(future: Future[Answer]) -> Exception | None:
    try:
        future.result()
    except Exception as error:
        return error
    return None


def _domain_name(domain: str) -> str:
    return f"domain {domain}"


def _is_erased(tenant_id: UUID, letter: Letter, recipient: str) -> bool:
    # An encrypted text names its owner: `encrypted:1:<customer id>:...`.
    owner = UUID(hex=letter.recipient.split(":")[2])
    return recipient == pseudonym((tenant_id, owner))
