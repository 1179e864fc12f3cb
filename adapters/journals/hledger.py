"""The journal for hledger: accounts and commodities are declared, so that `hledger check --strict` holds as well."""

import re
from collections.abc import Iterator, Mapping

from ledger.chart_of_accounts import Account
from ledger.money import exponent, format_minor
from projections.journal.entries import PostedEntry

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_OTHERWISE = str.maketrans({";": ",", "|": "/"})
"""What would begin a comment, or part a payee from a note: hledger knows no escapes."""


def opening(title: str, names: Mapping[Account, str]) -> Iterator[str]:
    """The lines before all entries: the title, and every account of the chart."""
    yield f"; {_text(title)}\n"
    yield "decimal-mark .\n"
    for name in names.values():
        yield f"account {name}\n"


def commodity(currency: str) -> str:
    """The line before the first entry in a currency: how its amounts are written."""
    return f"commodity 1000.{'0' * exponent(currency)} {currency}\n"


def transaction(posted: PostedEntry, names: Mapping[Account, str]) -> str:
    """An entry."""
    entry = posted.entry
    lines = [
        "",
        f"{posted.posted_on} * {_text(posted.narration)}",
        f"    ; effective:{entry.on}, event:{posted.tag}, stream:{posted.stream_id}, seq:{posted.tenant_seq}",
    ]
    for posting in entry.postings:
        amount = format_minor(posting.minor, entry.currency)
        lines.append(f"    {names[posting.account]}  {amount} {entry.currency}")
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    """Text as a description or a comment: on one line, and with nothing in it that hledger reads otherwise."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text).translate(_OTHERWISE)
