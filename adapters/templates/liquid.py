"""Liquid that tenants may write: what it may use, and bounds that no template can pass.

A template reads the data it is given and nothing else: the data are texts, numbers and lists, never objects. Its tags
and filters are those listed here; none makes a text longer than what it is given. The code inside its tags is short,
all its loops together are short, and so is what it writes: a template that loops for ever or prints a gigabyte is cut
off in a fraction of a second.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from liquid import Environment, Mode, RenderContext, StrictUndefined
from liquid.exceptions import LiquidError, LoopIterationLimitError
from liquid.template import BoundTemplate

from ledger.template import MalformedTemplate

TAGS: Final = frozenset(
    (
        "if",
        "unless",
        "case",
        "for",
        "break",
        "continue",
        "assign",
        "comment",
        "#",
        "content",
        "output",
        "illegal",
    )
)
FILTERS: Final = frozenset(
    (
        "abs",
        "at_least",
        "at_most",
        "capitalize",
        "ceil",
        "default",
        "divided_by",
        "downcase",
        "first",
        "floor",
        "last",
        "minus",
        "modulo",
        "plus",
        "round",
        "size",
        "strip",
        "truncate",
        "upcase",
    )
)
MAX_CODE_LENGTH: Final = 4_000
MAX_WORK: Final = 600_000
"""Characters of code times iterations: a template with more code loops less often. The worst takes 0.2 seconds."""
MAX_ITERATIONS: Final = 2_000
MAX_OUTPUT_BYTES: Final = 500_000
MAX_LOCAL_BYTES: Final = 50_000
MAX_NESTING: Final = 8

_CODE = re.compile(r"\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)


class BoundedContext(RenderContext):
    """Counts the iterations of all loops, not only of those inside each other."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.iterations = 0

    def raise_for_loop_limit(self, length: int = 1) -> None:
        self.iterations += length
        assert isinstance(self.template, BoundedTemplate)
        if self.iterations > self.template.max_iterations:
            raise LoopIterationLimitError("its loops run too often", token=None)


class BoundedTemplate(BoundTemplate):
    """A template that knows how often its loops may run."""

    context_class = BoundedContext
    max_iterations = MAX_ITERATIONS


class BoundedEnvironment(Environment):
    """Liquid with the tags, the filters and the bounds of this module."""

    template_class = BoundedTemplate
    loop_iteration_limit = MAX_ITERATIONS
    output_stream_limit = MAX_OUTPUT_BYTES
    local_namespace_limit = MAX_LOCAL_BYTES
    block_nesting_limit = MAX_NESTING
    context_depth_limit = MAX_NESTING + 2

    def __init__(self, *, autoescape: bool) -> None:
        super().__init__(
            undefined=StrictUndefined,
            tolerance=Mode.STRICT,
            strict_filters=True,
            autoescape=autoescape,
        )
        for name in self.tags.keys() - TAGS:
            del self.tags[name]
        for name in self.filters.keys() - FILTERS:
            del self.filters[name]


PLAIN: Final = BoundedEnvironment(autoescape=False)
HTML: Final = BoundedEnvironment(autoescape=True)


def parse(source: str, environment: BoundedEnvironment, variables: Iterable[str]) -> BoundTemplate:
    """A template that can be rendered. Raises MalformedTemplate.

    variables  what it may read, such as `total`, `customer.name` or `invoices[].number`
    """
    code_length = sum(len(code) for code in _CODE.findall(source))
    if code_length > MAX_CODE_LENGTH:
        raise MalformedTemplate(f"its tags hold more than {MAX_CODE_LENGTH} characters of code")
    try:
        template = environment.from_string(source)
        used = template.analyze()
    except LiquidError as error:
        raise MalformedTemplate(said(error)) from error
    except RecursionError as error:
        raise MalformedTemplate("it is nested too deeply") from error
    for name in used.filters.keys() - FILTERS:
        raise MalformedTemplate(f"there is no filter {name}")
    _require_known(used.globals, used.variables, frozenset(variables))
    assert isinstance(template, BoundedTemplate)
    template.max_iterations = min(MAX_ITERATIONS, MAX_WORK // max(1, code_length))
    return template


def rendered(template: BoundTemplate, data: Mapping[str, Any]) -> str:
    """What a template says with these data. Raises MalformedTemplate."""
    try:
        return template.render(**data)
    except LiquidError as error:
        raise MalformedTemplate(said(error)) from error
    except (RecursionError, ArithmeticError, ValueError, TypeError) as error:
        raise MalformedTemplate(f"it fails with {type(error).__name__}") from error


def said(error: LiquidError) -> str:
    """An error on one line, with where it is, and without the source."""
    first = str(error).splitlines()[0].strip() or "it cannot be read"
    where = re.search(
        r"(\d+):(\d+)\s*$", (str(error).splitlines() or [""])[1] if "\n" in str(error) else ""
    )
    return f"line {where[1]}, column {where[2]}: {first}" if where else first


def _require_known(
    given: Mapping[str, list[Any]], used: Mapping[str, list[Any]], known: frozenset[str]
) -> None:
    """Whether everything that is read is there: of the data by its path, of a loop by its last part."""
    roots = {name.partition(".")[0].partition("[")[0] for name in known}
    fields = {name.partition("[].")[2] for name in known if "[]." in name}
    for root, places in given.items():
        if root not in roots:
            raise MalformedTemplate(f"there is no variable {root}")
        for place in places:
            path = str(place)
            if path not in known and path not in roots:
                raise MalformedTemplate(f"there is no variable {path}")
    for root, places in used.items():
        if root in given or root == "forloop":
            continue
        for place in places:
            _, dot, field = str(place).partition(".")
            if dot and field not in fields:
                raise MalformedTemplate(f"there is no variable {place}")
