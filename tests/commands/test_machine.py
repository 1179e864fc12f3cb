"""Anything is asked in any order, and the books stay sound (`tests.commands.machine`)."""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as seeded
from hypothesis.stateful import run_state_machine_as_test

from tests.commands.machine import Machine

EXAMPLES = 60
LONG_EXAMPLES = 1_200
LONG_STEPS = 20_000


def run(examples: int, steps_each: int, seed: int) -> int:
    """Runs the machine; returns how many commands it asked. A failure names its seed."""
    before = Machine.steps
    machine = type("Machine", (Machine,), {})
    seeded(seed)(machine)
    try:
        run_state_machine_as_test(
            machine,
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
        error.add_note(f"the machine's seed was {seed}")
        raise
    return Machine.steps - before


def test_the_books_stay_sound_whatever_is_asked() -> None:
    assert run(EXAMPLES, 30, seed=20_260_101) > 1_000


@pytest.mark.soak
@pytest.mark.timeout(1_200)
def test_the_books_stay_sound_over_twenty_thousand_commands() -> None:
    """Of another seed each time, unless one is given to find a failure again."""
    seed = int(os.environ.get("MACHINE_SEED", "0")) or int.from_bytes(os.urandom(4))
    Machine.accepted.clear()
    Machine.refusals.clear()
    asked = 0
    while asked < LONG_STEPS:
        asked += run(LONG_EXAMPLES, 60, seed)
        seed += 1
    print(f"{asked} commands, {Machine.accepted.total()} went through, from seed {seed - 1}")
    assert len(Machine.accepted) >= 24, "every kind of command went through"
    assert len(Machine.refusals) >= 25
    assert min(Machine.accepted.values()) >= 5, Machine.accepted
