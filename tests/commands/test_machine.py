"""Anything is asked in any order, and the books stay sound (`tests.commands.machine`)."""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as seeded
from hypothesis.stateful import run_state_machine_as_test

from tests.commands.journey import Journey
from tests.commands.machine import Agreed, Machine, Narrow

MACHINES: tuple[type[Journey], ...] = (Machine, Narrow, Agreed)
LONG_STEPS = 20_000
LONG_EXAMPLES: dict[type[Journey], int] = {Machine: 330, Narrow: 270, Agreed: 110}
ALWAYS = {
    "apply_payment",
    "cancel_invoice",
    "change_invoice",
    "charge_back_payment",
    "charge_fee",
    "credit_invoice",
    "dispute_invoice",
    "hold_invoice",
    "promise_to_pay",
    "reallocate_payment",
    "receive_payment",
    "request_agreement",
    "resolve_dispute",
    "reverse_payment",
    "send_invoice",
    "void_invoice",
    "waive",
    "write_off",
}
"""Commands that go through in any run of some length."""


def run(machine: type[Journey], examples: int, steps_each: int, seed: int) -> int:
    """Runs a machine; returns how many commands it asked. A failure names its seed."""
    before = Journey.steps
    seeded_machine = seeded(seed)(type(machine.__name__, (machine,), {}))
    try:
        run_state_machine_as_test(
            seeded_machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps_each,
                deadline=None,
                database=None,
                phases=(Phase.generate, Phase.shrink),
                suppress_health_check=list(HealthCheck),
            ),
        )
    except BaseException as error:
        error.add_note(f"{machine.__name__} with MACHINE_SEED={seed}")
        raise
    return Journey.steps - before


@pytest.mark.parametrize("machine", MACHINES)
def test_the_books_stay_sound_whatever_is_asked(machine: type[Journey]) -> None:
    assert run(machine, 40, 30, seed=20_260_101) > 500


@pytest.mark.soak
@pytest.mark.timeout(1_800)
def test_the_books_stay_sound_over_twenty_thousand_commands() -> None:
    """Of another seed each time, unless one is given to find a failure again."""
    seed = int(os.environ.get("MACHINE_SEED", "0")) or int.from_bytes(os.urandom(4))
    Journey.accepted.clear()
    Journey.refusals.clear()
    asked = 0
    while asked < LONG_STEPS:
        for machine in MACHINES:
            asked += run(machine, LONG_EXAMPLES[machine], 50, seed)
        seed += 1
    went_through = Journey.accepted.total()
    print(f"{asked} commands, {went_through} went through, the last of seed {seed - 1}")
    assert asked == went_through + Journey.refusals.total() >= 20_000
    assert set(Journey.accepted) >= ALWAYS
    assert len(Journey.refusals) >= 25
