"""The stored form of events: every tag ever written decodes, folds, and is written again byte for byte."""

from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledger import event_registry
from ledger.event_registry import (
    Event,
    UnknownEventType,
    decode,
    encode,
    stored,
    stream_of,
    tags,
    upcast,
)
from ledger.invoice.state import Invoice, given_back_minor
from ledger.streams import STREAMS, decode_state, encode_state, fold

GOLDEN = Path(__file__).parent / "golden"
ON = date(2024, 3, 31)

STORIES: dict[str, list[str]] = {
    "invoice": [
        "drafted.v1",
        "redrafted.v1",
        "sent.v1",
        "reference_rate_applied.v1",
        "became_overdue.v1",
        "late_fee_charged.v1",
        "mora_posted.v1",
        "payment_received.v1",
        "payment_reversed.v1",
        "payment_reallocated.v1",
        "small_balance_waived.v1",
        "due_date_moved.v1",
        "fee_charged.v1",
        "recalculated.v1",
        "waived.v1",
        "credited.v1",
        "credit_applied.v1",
        "payment_charged_back.v1",
        "interest_returned.v1",
        "disputed.v1",
        "dispute_resolved.v1",
        "promised.v1",
        "promise_kept.v1",
        "promise_broken.v1",
        "held.v1",
        "released.v1",
        "dunning_plan_chosen.v1",
        "dunning_step_taken.v1",
        "written_off.v1",
        "renegotiated.v1",
        "cancelled.v1",
        "voided.v1",
    ],
    "payment": [
        "received.v1",
        "applied.v1",
        "allocations_changed.v1",
        "reallocated.v1",
        "reversed.v1",
        "charged_back.v1",
    ],
    "refund": [
        "requested.v1",
        "attempted.v1",
        "attempt_failed.v1",
        "released.v1",
        "sent.v1",
        "confirmed.v1",
        "failed.v1",
        "compensated.v1",
    ],
    "agreement": [
        "requested.v1",
        "rejected.v1",
        "approved.v1",
        "activated.v1",
        "paid.v1",
        "reopened.v1",
        "renegotiated.v1",
        "lost.v1",
    ],
    "customer": [
        "registered.v1",
        "credit_added.v1",
        "credit_withdrawn.v1",
        "credit_applied.v1",
        "credit_reserved.v1",
        "credit_returned.v1",
        "changed.v1",
        "opted_out.v1",
        "opted_in.v1",
        "address_refused.v1",
        "tracking_allowed.v1",
        "tracking_refused.v1",
        "links_revoked.v1",
    ],
    "tenant": [
        "created.v1",
        "fee_policy_added.v1",
        "reference_rate_set.v1",
        "key_created.v1",
        "key_revoked.v1",
        "configured.v1",
        "numbers_skipped.v1",
    ],
    "business_day": ["opened.v1", "step_completed.v1", "closed.v1"],
    "dunning_plan": ["created.v1", "changed.v1", "activated.v1", "deactivated.v1"],
    "collection": ["contacted.v1", "worked.v1", "opened.v1", "action_taken.v1"],
    "activity": ["recorded.v1"],
    "message": [
        "queued.v1",
        "approved.v1",
        "attempted.v1",
        "attempt_failed.v1",
        "deferred.v1",
        "postponed.v1",
        "became_unknown.v1",
        "settled.v1",
        "dead_lettered.v1",
        "retried.v1",
        "expired.v1",
        "cancelled.v1",
        "discarded.v1",
        "sent.v1",
        "delivered.v1",
        "opened.v1",
        "complained.v1",
        "bounced.v1",
    ],
    "sender": ["configured.v1", "paused.v1", "resumed.v1"],
    "task": ["opened.v1", "done.v1"],
    "template": ["saved.v1"],
}
"""Each kind of stream with all its tags, in an order in which they may come."""


def golden(tag: str) -> bytes:
    return (GOLDEN / f"{tag}.json").read_bytes()


def test_every_tag_has_a_golden_file_and_a_place_in_a_story() -> None:
    assert sorted(path.stem for path in GOLDEN.glob("*.json")) == tags()
    told = sorted(f"{kind}.{name}" for kind, names in STORIES.items() for name in names)
    assert told == tags()


@pytest.mark.parametrize("tag", tags())
def test_a_golden_event_is_written_again_byte_for_byte(tag: str) -> None:
    event = decode(tag, golden(tag))
    assert tag == event.TAG
    assert encode(event) == golden(tag)


@pytest.mark.parametrize("tag", tags())
def test_a_golden_event_sets_every_field(tag: str) -> None:
    fields = {field.encode_name for field in msgspec.structs.fields(type(decode(tag, golden(tag))))}
    assert set(msgspec.json.decode(golden(tag))) == fields


@pytest.mark.parametrize(
    "path", sorted((GOLDEN / "earlier").glob("*.json")), ids=lambda path: path.stem
)
def test_an_event_from_before_a_field_was_added_is_read_still(path: Path) -> None:
    event = decode(path.stem, path.read_bytes())
    before = msgspec.json.decode(path.read_bytes())
    now = msgspec.json.decode(encode(event))
    assert {name: now[name] for name in before if name != "settings"} == {
        name: value for name, value in before.items() if name != "settings"
    }
    assert set(before.get("settings", {})) <= set(now.get("settings", {}))


@pytest.mark.parametrize("kind", sorted(STORIES))
def test_golden_events_fold_and_snapshots_give_the_state_back(kind: str) -> None:
    state = None
    for name in STORIES[kind]:
        tag = f"{kind}.{name}"
        state = fold(kind, [(decode(tag, golden(tag)), ON)], state)
        assert decode_state(kind, encode_state(state)) == state
    assert type(state) is STREAMS[kind].state


def test_the_story_of_the_golden_invoice_comes_out_as_it_always_did() -> None:
    story = [f"invoice.{name}" for name in STORIES["invoice"]]
    invoice = fold("invoice", [(decode(tag, golden(tag)), ON) for tag in story])
    assert isinstance(invoice, Invoice)
    assert invoice.status == "void"
    assert msgspec.to_builtins(invoice.charged) == {
        "other_fees": 500,
        "late_fee": 660,
        "mora": 66,
        "principal": 33_000,
    }
    assert invoice.due_on == date(2024, 3, 16)
    # 107 and 20,009 were paid; 7 and 905, 1 and 401 offered no more; a credit note and credit pay 4 and 11; 3 and 42
    # are charged back; the recalculation pays 10 more of the late fee, 9 less of interest, 100 less of principal
    assert msgspec.to_builtins(invoice.paid) == {
        "other_fees": 1,
        "late_fee": 16,
        "mora": 90,
        "principal": 18_566,
    }
    assert (invoice.imputations[0].kind, invoice.imputations[0].asked_minor) == ("payment", 23_500)
    assert [(small.on, small.forgiven.mora) for small in invoice.small_balances] == [(ON, 1)]
    assert given_back_minor(invoice) == 15
    assert [dispute.outcome for dispute in invoice.disputes] == ["rejected"]


# What an event leaves out because it had the default. Never change one: events in the log mean it.
DEFAULTS: dict[str, dict[str, Any]] = {
    "Activated": {"early_pay_off": "actuarial"},
    "Allocated": {},
    "Calendar": {},
    "Caps": {"day": 1, "week": 3, "min_gap_days": 2},
    "FeePolicy": {
        "version": 1,
        "late_fee": {"numerator": 0, "denominator": 1, "per": "once"},
        "late_fee_minimum": None,
        "late_fee_cap": None,
        "mora": {"numerator": 0, "denominator": 1, "per": "once"},
        "mora_reference": "",
        "mora_base": "outstanding",
        "grace_days": 0,
        "interest_from": "due_date",
        "day_count": "30",
        "accrual": "daily",
        "rounding": "half_even",
        "small_balance_tolerance": None,
        "waterfall": ["other_fees", "late_fee", "mora", "principal"],
    },
    "InvoiceLine": {"tax_rate": "0%", "tax_included": False},
    "Money": {},
    "Person": {
        "name": "",
        "tax_number": "",
        "email": "",
        "phone": "",
        "address": "",
        "notes": "",
    },
    "PlanRules": {
        "calendar": "weekdays",
        "late_entry": "next",
        "caps": {"day": 1, "week": 3, "min_gap_days": 2},
        "timezone": "debtor",
        "group_by": "customer",
    },
    "Plan": {"mora_base": "original", "first_period": "whole_month"},
    "Rate": {"per": "once"},
    "Settings": {
        "calendar": "weekends",
        "tax_rounding": "line",
        "rounding": "half_even",
        "series": "INV",
        "number_format": "{series}-{n:06}",
        "clock_starts_on": "1970-01-01",
        "credit_note_series": "CN",
        "apply_credit": "by_hand",
        "refund_excess_above": None,
        "duplicate_window_days": 7,
        "dispute_holds_interest": False,
        "books_closed_through": None,
        "chart": {},
        "number_restarts": "never",
        "early_pay_off": "actuarial",
        "dunning_plan": "default",
    },
    "SmtpSettings": {
        "security": "starttls",
        "connections": 2,
        "pause_ms": 3000,
    },
    "Split": {},
    "Step": {"purpose": "reminder", "channels": ["email"]},
    "Queued": {"purpose": "reminder", "group_by": "customer"},
    "DunningStepTaken": {"chosen_by": "default"},
    "Tally": {"looked_at": 0, "posted": 0, "failed": 0, "amounts": {}},
}
PLAIN: tuple[Any, ...] = (0, "", False, None, [], {})
"""Defaults that say nothing was said."""


@pytest.mark.parametrize("tag", tags())
def test_what_an_event_leaves_out_means_what_it_always_meant(tag: str) -> None:
    seen: set[type[Any]] = set()
    _check_defaults(type(decode(tag, golden(tag))), seen)


def _check_defaults(struct: type[Any], seen: set[type[Any]]) -> None:
    if struct in seen:
        return
    seen.add(struct)
    pinned = DEFAULTS.get(struct.__name__, {})
    for field in msgspec.structs.fields(struct):
        if not field.required:
            default = (
                field.default_factory()
                if field.default is msgspec.NODEFAULT and callable(field.default_factory)
                else field.default
            )
            expected = pinned.get(field.name, PLAIN)
            value = _complete(default)
            assert value == expected or (expected is PLAIN and value in PLAIN), (
                f"{struct.__name__}.{field.name} has another default than the events in the log"
            )
    for inner in _structs_in(struct):
        _check_defaults(inner, seen)


def _complete(value: Any) -> Any:
    """A default with its own defaults spelled out; a struct of nothing but zeros says nothing."""
    if isinstance(value, msgspec.Struct):
        found = {name: _complete(getattr(value, name)) for name in type(value).__struct_fields__}
        return found if any(found.values()) else {}
    if isinstance(value, tuple):
        return [_complete(item) for item in value]
    return msgspec.to_builtins(value)


def _structs_in(struct: type[Any]) -> set[type[Any]]:
    found: set[type[Any]] = set()
    for field in msgspec.inspect.type_info(struct).fields:  # type: ignore[attr-defined]
        _collect(field.type, found)
    return found


def _collect(info: Any, found: set[type[Any]]) -> None:
    if isinstance(info, msgspec.inspect.StructType):
        found.add(info.cls)
    for name in ("item_type", "value_type"):
        inner = getattr(info, name, None)
        if inner is not None:
            _collect(inner, found)
    for inner in (*getattr(info, "types", ()), *getattr(info, "item_types", ())):
        _collect(inner, found)


def test_an_unknown_tag_is_refused_by_name() -> None:
    with pytest.raises(UnknownEventType, match="upgrade"):
        decode("invoice.sent.v99", b"{}")


def test_a_tag_is_data_and_never_a_path() -> None:
    for tag in ("os:system", "ledger.event_registry:Event", "__import__", ""):
        with pytest.raises(UnknownEventType):
            decode(tag, b"{}")


def test_bytes_that_do_not_fit_their_tag_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode("invoice.mora_posted.v1", b'{"amount_minor":"17","through":"2024-03-31"}')


def test_a_tag_names_its_kind_of_stream() -> None:
    assert stream_of("invoice.mora_posted.v1") == "invoice"
    assert {stream_of(tag) for tag in tags()} == set(STREAMS)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry as it was, after a test that adds to it."""
    for name in ("_types", "_decoders", "_upcasts"):
        monkeypatch.setattr(event_registry, name, dict(getattr(event_registry, name)))


@pytest.mark.usefixtures("registry")
def test_an_old_tag_is_read_as_its_successor() -> None:
    @stored("parcel.weighed.v3")
    class Weighed(Event, frozen=True):
        grams: int
        scale: str = ""

    @upcast("parcel.weighed.v1")
    def _(old: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        return "parcel.weighed.v2", {"grams": old["kilos"] * 1000}

    @upcast("parcel.weighed.v2")
    def _(old: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        return "parcel.weighed.v3", {**old, "scale": "kitchen"}

    assert decode("parcel.weighed.v1", b'{"kilos":2}') == Weighed(2000, "kitchen")
    assert decode("parcel.weighed.v3", b'{"grams":5}') == Weighed(5)
    assert {"parcel.weighed.v1", "parcel.weighed.v2", "parcel.weighed.v3"} <= set(tags())


@pytest.mark.usefixtures("registry")
def test_a_tag_is_registered_once() -> None:
    with pytest.raises(AssertionError, match="twice"):
        stored("invoice.sent.v1")(Event)
    with pytest.raises(AssertionError, match="twice"):
        upcast("invoice.sent.v1")(lambda old: ("invoice.sent.v2", old))
