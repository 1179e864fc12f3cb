"""The errors of the domain.

    LedgerError
    ├── NotFound    the thing named does not exist for this tenant
    ├── Conflict    the thing exists, but in another version or under the same key
    └── Rejected    a rule of the trade, or the form of an input, refuses

A concrete error is named by its condition (`UnknownCurrency`), stands beside the code that
raises it and derives from one of the three. It is raised with a message for a person that says
what is wrong and what to do; `str(error)` is that message.
"""

import re
from typing import ClassVar

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_QUOTED_LENGTH = 40


class LedgerError(Exception):
    """The domain refuses.

    `code` is the class's name in snake case: stable, for programs. `field` is the path of the
    input field at fault, such as `lines[2].quantity`, or None where no single field is.
    """

    code: ClassVar[str] = "ledger_error"
    field: str | None

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.code = _WORD_START.sub("_", cls.__name__).lower()


class NotFound(LedgerError):
    """There is no such thing, or it belongs to another tenant."""


class Conflict(LedgerError):
    """Somebody else was first: load again and decide again."""


class Rejected(LedgerError):
    """A rule refuses the command; the same command will be refused again."""


def quoted(text: str) -> str:
    """An input as an error message shows it: quoted, escaped, and cut when it is long."""
    if len(text) > _QUOTED_LENGTH:
        text = text[:_QUOTED_LENGTH] + "…"
    return repr(text)
