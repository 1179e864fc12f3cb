"""What `duebook doctor` looks at in messages: senders, the records of their domains, what waits, what is unknown."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import dns.exception
import dns.resolver
import psycopg

from adapters.cli.checks import Finding
from adapters.store import snapshots
from adapters.wiring import Books
from ledger.sender import MailSender

LOOKUP_SECONDS: Final = 3.0
WAITING_DAYS: Final = 2
"""The doctor reports messages that have waited longer."""

SELECT_SENDERS = """
SELECT tenant_id, stream_id, fold_version, state FROM snapshots WHERE stream = 'sender' ORDER BY 1, 2
"""
SELECT_WAITING = """
SELECT tenant_id, count(*), min(wakes_on)
  FROM snapshots
 WHERE stream = 'message' AND wakes_on < %s
 GROUP BY tenant_id
 ORDER BY tenant_id
"""
SELECT_BY_STATE = """
SELECT tenant_id, count(*) FROM messages WHERE state = %s GROUP BY tenant_id ORDER BY tenant_id
"""

Lookup = Callable[[str], list[str]]
"""The TXT records of a name; none, when there are none. Raises Unreachable."""


class Unreachable(Exception):
    """No name server answers."""


def text_records(resolver: dns.resolver.Resolver | None = None) -> Lookup:
    """Looks TXT records up through a resolver, or the system's."""

    def look_up(name: str) -> list[str]:
        try:
            chosen = resolver or dns.resolver.Resolver()
            answer = chosen.resolve(name, "TXT", lifetime=LOOKUP_SECONDS, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError) as error:
            raise Unreachable(type(error).__name__) from error
        return [b"".join(record.strings).decode("utf-8", "replace") for record in answer]

    return look_up


def check_messages(
    books: Books, connection: psycopg.Connection[Any], look_up: Lookup | None = None
) -> Iterator[Finding]:
    """Every finding about messages."""
    names = dict(books.tenants.all())
    senders = list(_senders(connection))
    yield _paused(senders, names)
    yield _links(books.links.public_url, bool(senders))
    yield from _records(senders, look_up or text_records())
    yield _waiting(connection, names)
    yield _counted(
        connection,
        names,
        "unknown",
        "find out whether they left, and say so: duebook messages settle MESSAGE_ID --as sent|not_sent",
    )
    yield _counted(connection, names, "dead_lettered", "")


def _senders(connection: psycopg.Connection[Any]) -> Iterator[tuple[UUID, MailSender]]:
    for tenant_id, stream_id, fold_version, data in connection.execute(SELECT_SENDERS).fetchall():
        yield (
            tenant_id,
            snapshots.state_of(
                connection, "sender", tenant_id, stream_id, fold_version, bytes(data)
            ),
        )


def _paused(senders: list[tuple[UUID, MailSender]], names: dict[UUID, str]) -> Finding:
    paused = [
        f"{sender.key} of {names.get(tenant_id, tenant_id)}: {sender.reason or 'by hand'}"
        for tenant_id, sender in senders
        if sender.state == "paused"
    ]
    return Finding(
        "senders",
        not paused,
        "; ".join(paused) or f"{len(senders)}, none is paused",
        "mend the cause, then run: duebook sender resume KEY --tenant T" if paused else "",
    )


def _links(public_url: str, sends: bool) -> Finding:
    """Links in messages that leave this machine must open elsewhere."""
    host = urlsplit(public_url).hostname or ""
    is_local = host == "localhost" or host.startswith("127.") or host == "::1"
    wrong = sends and is_local
    return Finding(
        "links",
        not wrong,
        f"links in messages begin with {public_url}" if public_url else "messages have no links",
        "set DUEBOOK_PUBLIC_URL to the address under which customers reach the service"
        if wrong
        else "",
    )


def _records(senders: list[tuple[UUID, MailSender]], look_up: Lookup) -> Iterator[Finding]:
    """SPF, DKIM and DMARC of each domain that mail is from or returns to."""
    asked: set[tuple[str, str]] = set()
    for _, sender in senders:
        smtp = sender.smtp
        domain = smtp.from_address.rpartition("@")[2].lower()
        wanted = [
            (smtp.return_domain or domain, "SPF", "v=spf1"),
            (f"_dmarc.{domain}", "DMARC", "v=DMARC1"),
        ]
        if smtp.dkim_selector:
            wanted.append((f"{smtp.dkim_selector}._domainkey.{domain}", "DKIM", "p="))
        for name, what, begins in wanted:
            if (name, what) in asked:
                continue
            asked.add((name, what))
            try:
                found = [one for one in look_up(name) if begins.lower() in one.lower()]
            except Unreachable as error:
                yield Finding("mail records", True, f"skipped: no name server answers ({error})")
                return
            yield _record(name, what, found)


def _record(name: str, what: str, found: list[str]) -> Finding:
    if len(found) == 1:
        return Finding("mail records", True, f"{what} of {name}")
    return Finding(
        "mail records",
        False,
        f"{what} of {name}: {f'{len(found)} records' if found else 'there is none'}",
        f"publish one TXT record for {name}; without it, providers refuse mail or take it for spam",
    )


def _waiting(connection: psycopg.Connection[Any], names: dict[UUID, str]) -> Finding:
    before = (datetime.now(UTC) - timedelta(days=WAITING_DAYS)).date()
    found = [
        f"{names.get(tenant_id, tenant_id)}: {count} since {oldest_on}"
        for tenant_id, count, oldest_on in connection.execute(SELECT_WAITING, (before,))
    ]
    return Finding(
        "messages that wait",
        not found,
        "; ".join(found) or f"none for longer than {WAITING_DAYS} days",
        "start: duebook worker (or up), and see that a sender is active: duebook sender list"
        if found
        else "",
    )


def _counted(
    connection: psycopg.Connection[Any], names: dict[UUID, str], state: str, what_to_do: str
) -> Finding:
    """How many messages are in a state. It is wrong when a person must look at them."""
    found = [
        f"{names.get(tenant_id, tenant_id)}: {count}"
        for tenant_id, count in connection.execute(SELECT_BY_STATE, (state,))
    ]
    is_wrong = bool(found) and bool(what_to_do)
    return Finding(
        f"{state.replace('_', '-')} messages",
        not is_wrong,
        "; ".join(found) or "none",
        what_to_do if is_wrong else "",
    )
