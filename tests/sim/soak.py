"""Random lives for as long as wanted: `python -m tests.sim.soak COUNT [FIRST]`, or `make soak SEEDS=COUNT`.

Every seed is one life of lives.py. Of those that go wrong the first few are shrunk and written to tests/scenarios: the
tests there fail from then on until the cause is mended. The exit status is 1 then.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from pathlib import Path

from tests.sim.lives import life, play
from tests.sim.shrink import shrink

SECOND = 1_000_000_000
SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios"
_TOLD = 5
_PROGRESS = 1000


def run(seed: int) -> tuple[int, float, str]:
    """The seed, the simulated seconds, and what went wrong ("" = nothing)."""
    try:
        done = play(life(seed))
    except Exception as error:
        return seed, 0.0, f"{type(error).__name__}: {error}"
    return seed, done.cluster.elapsed / SECOND, "\n".join(done.failures)


def write(seed: int, directory: Path) -> Path:
    """Shrink the life of this seed and write it down."""
    path = directory / f"seed_{seed}.scenario"
    path.write_text(str(shrink(life(seed))))
    return path


def main(words: list[str], directory: Path = SCENARIOS) -> int:
    """Returns the exit status."""
    count, first = int(words[0]), int(words[1]) if len(words) > 1 else 0
    began, simulated, failed = time.monotonic(), 0.0, []
    # by fork, which is no longer the default of Python 3.14: workers are as their parent is
    with multiprocessing.get_context("fork").Pool(int(os.environ.get("WORKERS", "2"))) as pool:
        lives = pool.imap_unordered(run, range(first, first + count), 16)
        for done, (seed, seconds, what) in enumerate(lives, 1):
            simulated += seconds
            if done % _PROGRESS == 0:
                print(f"{done} seeds", flush=True)
            if what:
                failed.append(seed)
                if len(failed) <= _TOLD:
                    print(f"seed {seed}: {what}\n", flush=True)
    spent = time.monotonic() - began
    print(
        f"{count} seeds, {simulated:.0f} simulated seconds in {spent:.0f} s ({simulated / spent:.0f} a second), "
        f"{len(failed)} failed {sorted(failed)[:50] if failed else ''}"
    )
    for seed in sorted(failed)[:_TOLD]:
        path = write(seed, directory)
        print(f"\n{path}:\n{path.read_text()}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
