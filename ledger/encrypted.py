"""Encrypted text: personal data as it stands in events and snapshots.

An encrypted text is `encrypted:1:<customer id>:<base64url of nonce, ciphertext and tag>`. The ledger only carries it;
the adapter that shows it opens it with the customer's key, and shows a stable pseudonym once that key is destroyed.
Text that is stored unencrypted may not look like it.
"""

import re

from ledger.errors import Rejected

PREFIX = "encrypted:"
TOKEN = re.compile(r"encrypted:1:([0-9a-f]{32}):([A-Za-z0-9_-]+={0,2})")


class LooksEncrypted(Rejected):
    """A text from outside begins like an encrypted one."""


class TextTooLong(Rejected):
    """A text that is stored unencrypted is longer than a code or a name needs to be."""


class ControlCharacter(Rejected):
    """A text that is stored unencrypted holds a control character, such as the end of a line."""


def plain(text: str, field: str, most: int = 200) -> str:
    """The text itself, for a field that is stored unencrypted. Raises LooksEncrypted, TextTooLong, ControlCharacter."""
    if len(text) > most:
        raise TextTooLong(f"{field} is longer than {most} characters; shorten it", field=field)
    if any(character < " " or character == "\x7f" for character in text):
        raise ControlCharacter(f"{field} may not hold control characters; remove them", field=field)
    if PREFIX in text:
        raise LooksEncrypted(
            f"{field} may not contain {PREFIX!r}; choose another text", field=field
        )
    return text
