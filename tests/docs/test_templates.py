"""Each variable, tag and filter of templates is documented."""

from pathlib import Path

from adapters.templates.liquid import FILTERS, TAGS
from adapters.templates.mail import VARIABLES

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "write-templates.md"
UNNAMED = {"#", "content", "output", "illegal"}


def test_what_a_template_may_use_is_documented() -> None:
    text = PAGE.read_text()
    for name in {*VARIABLES, *FILTERS, *(TAGS - UNNAMED)}:
        assert f"`{name}`" in text, name
