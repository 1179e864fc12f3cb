"""The proof that the same facts give the same books, in whatever order they are recorded (`tests.facts.proof`)."""

from collections.abc import Mapping

from adapters.settings import Settings
from tests.bench.measuring import rate, seconds
from tests.bench.sizes import Size
from tests.facts.proof import Count, check_all

FIRST_SEED = 100_000


def measure(settings: Settings, size: Size) -> Mapping[str, float | str]:
    """Fails when anything differs."""
    count = Count()
    took = seconds(lambda: count.add(check_all(range(FIRST_SEED, FIRST_SEED + size.histories))))
    assert not count.differing, "\n".join(count.differing)
    return {
        "proofs.histories": count.histories,
        "proofs.accepted_orders": count.accepted,
        "proofs.accepted_percent": 100 * count.accepted_share,
        "proofs.overdrawn_orders": count.overdrawn,
        "proofs.histories_per_s": rate(count.histories, [took]),
    }
