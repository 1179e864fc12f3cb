"""The Python examples of the documentation run, and print what the page says."""

import contextlib
import io
from pathlib import Path

import pytest

from tests.docs.blocks import DOCS, ROOT
from tests.docs.examples import examples

PAGES = [page for page in sorted(DOCS.rglob("*.md")) if "```python" in page.read_text()]


def test_there_are_examples() -> None:
    assert PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_python_examples_print_what_the_page_says(page: Path) -> None:
    """The blocks of a page follow one another, as if typed into one session."""
    names: dict[str, object] = {"__name__": "example"}
    for example in examples(page):
        if example.language != "python":
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(example.text, f"{page.name}:{example.line}", "exec"), names)
        assert printed.getvalue() == (example.output or ""), f"{page.name}:{example.line}"
