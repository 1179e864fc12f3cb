"""What a mail server's answer means, row by row of the table in `docs/reference/mail-answers.md`."""

import pytest

from adapters.messages.smtp.classification import Command, classify, lost
from schedulers.delivery import Faulty, MaybeTaken, NotTaken, Outcome, Throttled


def kind(outcome: Outcome) -> str:
    match outcome:
        case Throttled(by=by):
            return f"{by} slowed"
        case Faulty():
            return "sender at fault"
        case MaybeTaken():
            return "unknown"
        case NotTaken(for_good=False):
            return "again"
        case NotTaken(address_is_unknown=True):
            return "for good, no such address"
    return "for good"


@pytest.mark.parametrize(
    ("command", "code", "text", "means"),
    [
        ("rcpt", 421, "4.7.0 too much", "domain slowed"),
        ("data", 454, "", "domain slowed"),
        ("data", 421, "closing", "domain slowed"),
        ("connect", 421, "busy", "sender slowed"),
        ("mail", 421, "4.7.0 slow down", "sender slowed"),
        ("auth", 454, "4.7.0 temporary failure", "sender slowed"),
        ("rcpt", 450, "4.7.1 greylisted", "again"),
        ("rcpt", 451, "4.3.0 try later", "again"),
        ("rcpt", 452, "4.2.2 mailbox full", "again"),
        ("rcpt", 552, "5.2.2 mailbox full", "again"),
        ("data", 552, "5.2.2 over quota", "again"),
        ("data", 451, "", "again"),
        ("mail", 451, "4.3.0 later", "again"),
        *(
            ("rcpt", 550, f"{code} no such user", "for good, no such address")
            for code in ("5.1.1", "5.1.2", "5.1.3", "5.1.10", "5.2.1")
        ),
        ("data", 550, "5.1.1 no such user", "for good, no such address"),
        ("rcpt", 550, "5.1.11 something", "for good"),
        ("rcpt", 550, "5.7.1 policy", "for good"),
        ("data", 554, "5.7.1 spam", "for good"),
        ("data", 552, "5.3.4 too big", "for good"),
        ("mail", 552, "5.3.4 too big", "for good"),
        ("data", 554, "5.6.0 content", "for good"),
        ("rcpt", 550, "no enhanced code", "for good"),
        ("rcpt", 550, "4.1.1 of another class", "for good"),
        ("rcpt", 550, "5.1.1.1 no code", "for good"),
        ("auth", 535, "5.7.8 wrong password", "sender at fault"),
        ("auth", 534, "5.7.9 too weak", "sender at fault"),
        ("mail", 530, "5.7.0 log in first", "sender at fault"),
        ("rcpt", 530, "5.7.0 log in first", "sender at fault"),
        ("mail", 550, "5.7.1 not yours", "sender at fault"),
        ("mail", 553, "5.1.7 bad address", "sender at fault"),
        ("rcpt", 550, "5.1.8 sender refused", "sender at fault"),
        ("connect", 554, "no service", "sender at fault"),
        ("data", 250, "not an error", "unknown"),
        ("data", -1, "garbled", "unknown"),
        ("rcpt", -1, "garbled", "again"),
    ],
)
def test_an_answer(command: Command, code: int, text: str, means: str) -> None:
    assert kind(classify(command, code, text)) == means


@pytest.mark.parametrize("command", ["connect", "auth", "mail", "rcpt"])
def test_a_loss_before_the_text_is_no_submission(command: Command) -> None:
    assert kind(lost(command, "the connection was lost")) == "again"


def test_a_loss_while_the_text_is_written_is_unknown() -> None:
    assert kind(lost("data", "the connection was lost")) == "unknown"


def test_a_reason_quotes_no_recipient() -> None:
    outcome = classify("rcpt", 550, "5.1.1 <ann@example.com>: unknown")
    assert isinstance(outcome, NotTaken)
    assert outcome.reason == "the server answered 550 5.1.1 to RCPT"
