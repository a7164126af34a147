"""Every recorded scenario of keepalived 2.4.3 on a kernel with IPVS, replayed with our daemon and compared.

A scenario is one guest (machine/vm.sh). tools/golden.py says what is compared; it has to say "same". Where we differ on
purpose, `differs.json` beside the scenario lists patterns of the lines that may be different, each with its reason;
those marked `required` must be there.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
SCENARIOS = sorted(path for path in (HERE / "scenarios").iterdir() if path.is_dir())
PROGRAM = Path(sys.executable).with_name("pykeepalived")

pytestmark = [pytest.mark.vm, pytest.mark.slow]


def machine(scenario: Path) -> str:
    """Which guest a scenario needs; skips without it."""
    kind = "qemu" if json.loads((scenario / "scenario.json").read_text()).get("qemu") else "uml"
    needed = ["linux.uml", "gcc", "insmod"] if kind == "uml" else ["qemu-system-x86_64", "busybox", "cpio"]
    missing = [name for name in needed if shutil.which(name) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)}")
    return kind


def replay(scenario: Path, out: Path, kind: str) -> list[str]:
    """The differences to the recording."""
    run = [str(HERE / "tools/run.sh"), "-k", kind, str(scenario), str(out), str(PROGRAM)]
    subprocess.run(["bash", *run], check=True, capture_output=True, timeout=900)
    first = ["0.6", "3"] if kind == "qemu" else []
    words = [sys.executable, "-B", str(HERE / "tools/golden.py"), "compare", str(out), str(scenario), *first]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    lines = done.stdout.splitlines()
    return [] if lines == ["same"] else lines


def allowed(scenario: Path) -> list[dict[str, Any]]:
    file = scenario / "differs.json"
    return json.loads(file.read_text()) if file.exists() else []


ATTEMPTS = 3
"""The recordings are in real time, and a guest loses some tenths of a second when the host is busy: a difference that
is ours is there every time."""


def complaints(different: list[str], rules: list[dict[str, Any]]) -> list[str]:
    """Lines that differ without a reason, and required differences that are missing."""
    found = [line for line in different if not any(re.search(rule["pattern"], line) for rule in rules)]
    required = [rule["pattern"] for rule in rules if rule.get("required")]
    missing = [pattern for pattern in required if not any(re.search(pattern, line) for line in different)]
    return found + [f"expected: {pattern}" for pattern in missing]


@pytest.mark.timeout(2000)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=[path.name for path in SCENARIOS])
def test_scenario(scenario: Path, tmp_path: Path) -> None:
    kind, rules = machine(scenario), allowed(scenario)
    for attempt in range(ATTEMPTS):
        found = complaints(replay(scenario, tmp_path / str(attempt), kind), rules)
        if not found:
            return
    pytest.fail("\n".join(found))
