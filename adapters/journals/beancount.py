"""The journal for beancount: an account is opened before all dates, a transaction is posted on its day of posting."""

import re
from collections.abc import Iterator, Mapping

from ledger.chart_of_accounts import Account
from ledger.money import format_minor
from projections.journal.entries import PostedEntry

BEGINNING = "1900-01-01"
"""The day before which nothing takes effect."""
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def opening(title: str, names: Mapping[Account, str]) -> Iterator[str]:
    """The lines before all entries: the title, and every account of the chart."""
    yield f'option "title" {_string(title)}\n'
    for name in names.values():
        yield f"{BEGINNING} open {name}\n"


def commodity(currency: str) -> str:
    """The line before the first entry in a currency."""
    return f"{BEGINNING} commodity {currency}\n"


def transaction(posted: PostedEntry, names: Mapping[Account, str]) -> str:
    """An entry."""
    entry = posted.entry
    lines = [
        "",
        f"{posted.posted_on} * {_string(posted.narration)}",
        f"  effective: {entry.on}",
        f'  event: "{posted.tag}"',
        f'  stream: "{posted.stream_id}"',
        f"  seq: {posted.tenant_seq}",
    ]
    for posting in entry.postings:
        amount = format_minor(posting.minor, entry.currency)
        lines.append(f"  {names[posting.account]}  {amount} {entry.currency}")
    return "\n".join(lines) + "\n"


def _string(text: str) -> str:
    """A string as beancount reads it: on one line, with its quotes and backslashes escaped."""
    text = _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
