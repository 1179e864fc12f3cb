"""Sealed text: personal data as it stands in events and heads.

A sealed text is `sealed:1:<customer id>:<base64url of nonce, ciphertext and tag>`. The ledger only carries it;
whoever shows it opens it with the customer's key, and shows a stable pseudonym once that key is destroyed.
Text that is stored in the clear may not look like it.
"""

import re

from ledger.errors import Rejected

PREFIX = "sealed:"
TOKEN = re.compile(r"sealed:1:([0-9a-f]{32}):([A-Za-z0-9_-]+={0,2})")


class LooksSealed(Rejected):
    """A text from outside begins like a sealed one."""


def plain(text: str, field: str) -> str:
    """The text itself, for a field that is stored in the clear. Raises LooksSealed."""
    if PREFIX in text:
        raise LooksSealed(f"{field} may not contain {PREFIX!r}; choose another text", field=field)
    return text
