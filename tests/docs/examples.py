"""Code blocks of a page, and running them: `python` in this process, `sh` in a shell.

A block whose info string ends in `output` is what the one before it prints. A block preceded by the comment
`<!-- not run: why -->` is left alone. `sh status=1` says that a block ends with that exit status.
"""

import re
from pathlib import Path
from typing import NamedTuple

_FENCE = re.compile(
    r"(?P<skip><!-- not run: [^>]+ -->\n+)?^```(?P<info>[^\n]*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


class Example(NamedTuple):
    """A block to run, with what it is said to print; None when nothing is said."""

    page: Path
    line: int
    language: str
    text: str
    output: str | None
    status: int


def examples(page: Path) -> list[Example]:
    """The `python` and `sh` blocks of a page, in order. Raises ValueError for an output of nothing."""
    found: list[Example] = []
    text = page.read_text()
    expects_output = False
    for match in _FENCE.finditer(text):
        language, _, rest = match["info"].partition(" ")
        line = text.count("\n", 0, match.start("text")) + 1
        if rest == "output":
            if not expects_output:
                raise ValueError(f"{page}:{line}: nothing is run before this output")
            found[-1] = found[-1]._replace(output=match["text"])
            expects_output = False
            continue
        expects_output = language in ("python", "sh") and not match["skip"]
        if expects_output:
            status = int(rest.removeprefix("status=") or 0)
            found.append(Example(page, line, language, match["text"], None, status))
    return found
