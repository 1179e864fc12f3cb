"""What code says about itself: docstrings, their lists of names, and the types of fields, in words."""

import inspect
import re
import types
from datetime import date, datetime
from fractions import Fraction
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

import msgspec

_WORDS: dict[Any, str] = {
    str: "text",
    int: "integer",
    bool: "true or false",
    UUID: "UUID",
    date: "date",
    datetime: "instant",
    Fraction: "fraction",
    types.NoneType: "null",
    msgspec.Raw: "JSON",
}
_NAMED = re.compile(r"([a-z_]+(?:, [a-z_]+)*) {2,}(\S.*)")


def sentences(thing: Any) -> str:
    """A docstring without its list of names, on one line."""
    lines: list[str] = []
    for line in inspect.cleandoc(thing.__doc__ or "").splitlines():
        if _NAMED.fullmatch(line):
            break
        lines.append(line)
    return code(" ".join(" ".join(lines).split()))


def first_sentence(thing: Any) -> str:
    return re.split(r"(?<=[.])\s", sentences(thing), maxsplit=1)[0]


def first_comment(sql: str) -> str:
    """The first sentence of the comment at the head of a SQL file."""
    lines = [line.removeprefix("--").strip() for line in sql.splitlines() if line.startswith("--")]
    return re.split(r"(?<=[.])\s", code(" ".join(lines)), maxsplit=1)[0]


def named(thing: Any) -> dict[str, str]:
    """The list of names in a docstring: `name  what it means`, continued on indented lines."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in inspect.cleandoc(thing.__doc__ or "").splitlines():
        match = _NAMED.fullmatch(line)
        if match:
            names = match[1].split(", ")
            found.update(dict.fromkeys(names, match[2]))
        elif line.startswith("    ") and names:
            found.update({name: f"{found[name]} {line.strip()}" for name in names})
        else:
            names = []
    return {name: code(text) for name, text in found.items()}


def code(text: str) -> str:
    """Text of a docstring as Markdown: asterisks and underscores outside backticks are no markup."""
    parts = text.split("`")
    parts[::2] = [part.replace("*", "\\*").replace("<", "&lt;") for part in parts[::2]]
    return "`".join(parts)


def type_words(kind: Any, link: Any = lambda struct: f"`{struct.__name__}`") -> str:
    """A field's type in words; `link` shows a struct."""
    if kind in _WORDS:
        return _WORDS[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return type_words(arguments[0], link)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        shown = [type_words(one, link) for one in arguments if one is not msgspec.UnsetType]
        return " or ".join(dict.fromkeys(shown))
    if origin in (tuple, list):
        inner = [one for one in arguments if one is not Ellipsis]
        return "list of " + type_words(inner[0], link)
    if origin is dict:
        return f"{type_words(arguments[1], link)} by {type_words(arguments[0], link)}"
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return str(link(kind))
    raise AssertionError(f"no words for the type {kind!r}; add them to tests/docs/described.py")


def structs_in(kind: Any) -> list[type[msgspec.Struct]]:
    """The structs a type holds."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return [kind]
    return [struct for inner in get_args(kind) for struct in structs_in(inner)]


def default_words(field: msgspec.structs.FieldInfo) -> str:
    """What a field holds when it is left out; `required` where it may not be."""
    if field.required:
        return "required"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    match value:
        case msgspec.UNSET:
            return "stays"
        case None | "" | () | []:
            return ""
        case msgspec.Struct() | dict():
            return ""
        case tuple():
            return f"`{','.join(map(str, value))}`"
        case bool():
            return str(value).lower()
    return f"`{value}`"
