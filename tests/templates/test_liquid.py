"""What tenants may write: nothing runs for ever, grows without end or reads what it must not."""

import contextlib
import time

import pytest

from adapters.templates.liquid import HTML, PLAIN, parse, rendered
from ledger.template import MalformedTemplate

VARIABLES = ("total", "customer.name", "invoices", "invoices[].number")
DATA = {
    "total": "EUR 1.00",
    "customer": {"name": "<b>Ann</b>"},
    "invoices": [{"number": "A-1"}, {"number": "A-2"}],
}


def said(source: str) -> str:
    return rendered(parse(source, PLAIN, VARIABLES), DATA)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ total }}", "EUR 1.00"),
        ("{% for one in invoices %}{{ one.number }} {% endfor %}", "A-1 A-2 "),
        ("{% for one in invoices %}{{ forloop.index }}{% endfor %}", "12"),
        ("{% if total == 'EUR 1.00' %}yes{% else %}no{% endif %}", "yes"),
        ("{% assign x = total | upcase %}{{ x }}", "EUR 1.00"),
        ("{{ invoices | size }}", "2"),
        ("{{ customer.name }}", "<b>Ann</b>"),
        ("{% comment %}{{ nothing {% endcomment %}a", "a"),
    ],
)
def test_what_a_template_says(source: str, expected: str) -> None:
    assert said(source) == expected


def test_what_comes_from_outside_is_no_markup() -> None:
    assert rendered(parse("{{ customer.name }}", HTML, VARIABLES), DATA) == "&lt;b&gt;Ann&lt;/b&gt;"


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("{{ secret }}", "no variable secret"),
        ("{{ customer.email }}", "no variable customer.email"),
        ("{{ customer.__class__ }}", "no variable customer.__class__"),
        ("{{ customer['__class__'] }}", "no variable customer.__class__"),
        ("{{ invoices[0].number }}", "no variable invoices"),
        ("{% for one in invoices %}{{ one.amount }}{% endfor %}", "no variable one.amount"),
        ("{% assign total = secret %}", "no variable secret"),
        ("{% include '/etc/passwd' %}", "include"),
        ("{% render 'x' %}", "render"),
        ("{% capture x %}{% endcapture %}", "capture"),
        ("{% liquid assign x = 1 %}", "liquid"),
        ("{{ total | replace: 'E', 'EE' }}", "replace"),
        ("{{ total | append: total }}", "append"),
        ("{{ total | safe }}", "safe"),
        ("{{ total | times: 9 }}", "times"),
        ("{{ total | base64_decode }}", "base64_decode"),
        ("{{ total", "line 1"),
        ("a\n{% if %}{% endif %}", "line 2"),
        ("{% if total %}", "endif"),
        ("{% if total %}" * 50 + "{% endif %}" * 50, "nesting"),
        ("{{ total }}" * 400, "more than 4000 characters"),
    ],
)
def test_what_is_refused_when_it_is_saved(source: str, what: str) -> None:
    with pytest.raises(MalformedTemplate, match=what):
        parse(source, PLAIN, VARIABLES)


REPEATED = 150
ENDLESS = {
    "loops for ever": "{% for n in (1..1000000000) %}x{% endfor %}",
    "loops in loops": "{% for n in (1..1000) %}{% for m in (1..1000) %}{% endfor %}{% endfor %}",
    "many loops": "{% for n in (1..1900) %}{% endfor %}" * 90,
    "prints a gigabyte": "{% for n in (1..1900) %}" + "x" * 60_000 + "{% endfor %}",
    "doubles a number": "{% assign x = 9 %}{% for n in (1..1900) %}{% assign x = x | plus: x %}{% endfor %}",
    "counts far": "{% for n in (1..1900) offset:100000000 %}x{% endfor %}",
    "prints nothing often": f"{{% for n in (1..{REPEATED}) %}}" + "{{ '' }}" * 480 + "{% endfor %}",
    "filters often": f"{{% for n in (1..{REPEATED}) %}}{{{{ 'abc' "
    + "|upcase " * 480
    + "}}{% endfor %}",
    "asks often": f"{{% for n in (1..{REPEATED}) %}}{{% if "
    + " and ".join(["total"] * 380)
    + " %}{% endif %}{% endfor %}",
    "asks in vain": "{% for n in (1..1900) %}" + "{% if total %}{% endif %}" * 150 + "{% endfor %}",
}


@pytest.mark.parametrize("what", ENDLESS)
def test_nothing_takes_long(what: str) -> None:
    """Refused or cut off; the processor's time tells, for the machine may be busy with other things."""
    began = time.process_time()
    with contextlib.suppress(MalformedTemplate):
        assert len(said(ENDLESS[what])) < 1_000_000
    assert time.process_time() - began < 1.0
