"""Random clusters for as long as wanted: `python -m tests.sim.soak COUNT [FIRST]`, or `make soak SEEDS=COUNT`.

Every seed is one run of tests/sim/test_seeds.py. Those that fail are told with their story; the exit status is 1 then.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time

from tests.sim.test_seeds import FAULTS_UNTIL, SETTLE, disturb, heal_all, make, story

SECOND = 1_000_000_000
_HEAL = FAULTS_UNTIL + 15 * SECOND
_TOLD = 5


def run(seed: int) -> tuple[int, float, str]:
    """The seed, the simulated seconds, and what went wrong ("" = nothing)."""
    try:
        cluster, random = make(seed)
        disturb(cluster, random)
        cluster.at(_HEAL, lambda: heal_all(cluster))
        cluster.run(_HEAL + SETTLE)
        cluster.check_converged()
    except Exception as error:
        return seed, 0.0, f"{type(error).__name__}: {error}"
    broken = "\n".join(cluster.violations)
    return seed, cluster.elapsed / SECOND, f"{broken}\n{story(cluster)}" if broken else ""


def main(words: list[str]) -> int:
    count, first = int(words[0]), int(words[1]) if len(words) > 1 else 0
    began, simulated, failed = time.monotonic(), 0.0, []
    with multiprocessing.Pool(int(os.environ.get("WORKERS", "2"))) as pool:
        for seed, seconds, what in pool.imap_unordered(run, range(first, first + count), 16):
            simulated += seconds
            if what:
                failed.append(seed)
                if len(failed) <= _TOLD:
                    print(f"seed {seed}: {what}\n", flush=True)
    spent = time.monotonic() - began
    print(
        f"{count} seeds, {simulated:.0f} simulated seconds in {spent:.0f} s ({simulated / spent:.0f} a second), "
        f"{len(failed)} failed {sorted(failed)[:50] if failed else ''}"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
