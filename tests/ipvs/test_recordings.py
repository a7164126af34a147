"""Recorded scenarios of keepalived 2.4.3 replayed on a virtual clock; tests/vm/test_scenarios.py does it in real time.

tests/vm/tools/golden.py compares phase by phase: operations, log lines, FIFO, scripts, mails, requests, tables.
"""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.ipvs.replay import Replay
from tests.vm.test_scenarios import allowed, complaints

VM = Path(__file__).resolve().parents[1] / "vm"
SCENARIOS = {path.name: path for path in sorted((VM / "scenarios").iterdir())}
NOT_HERE = {
    "31-sync-daemon-vrrp": "needs the VRRP process and an interface that goes down",
    "36-data-dump": "is about a dump of the process",
    "38-nftables-ipvs": "is about a ruleset of the kernel",
    "39-connection-options": "is about options of sockets and routing",
    "40-misc-timeout": "is about processes of scripts: time limits, signals, missing files",
    "42-net-namespace-ipvs": "is about namespaces of the kernel",
}
"""What the test machine alone can show."""
PROCESS_LINES = re.compile(r"^(Starting|Startup|Reloading|Stopping|Healthcheck child|Restart of|pid N exited)")
"""Lines of the parent, of the mailer, of the child process around the core."""


def tools() -> ModuleType:
    spec = importlib.util.spec_from_file_location("golden", VM / "tools/golden.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GOLDEN = tools()


def comparable(phases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The kernel lists a table in the order of its hashes, and we in ours."""
    for phase in phases:
        phase["table"] = sorted(phase["table"])
        phase["log"] = [line for line in phase["log"] if not PROCESS_LINES.match(line[1])]
        phase["shell"] = [sorted(output.splitlines()) for output in phase.get("shell", [])]
    return phases


def differences(scenario: Path) -> list[str]:
    found = comparable(GOLDEN.phases(Replay(scenario).run()))
    recorded = comparable(json.loads((scenario / "expect.json").read_text()))
    words = json.loads((scenario / "scenario.json").read_text())
    lines: list[str] = GOLDEN.compare(recorded, found, optional=words.get("optional", ()))
    return lines


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name not in NOT_HERE])
def test_recording(name: str) -> None:
    assert complaints(differences(SCENARIOS[name]), allowed(SCENARIOS[name])) == []


def test_every_recording_is_replayed_or_has_a_reason() -> None:
    assert set(NOT_HERE) < set(SCENARIOS)
    assert len(SCENARIOS) - len(NOT_HERE) == 43


def test_a_difference_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison can fail: a server that answers otherwise gives other operations, lines and tables."""
    from tests.ipvs.scripted import World

    plain = World.find
    monkeypatch.setattr(World, "find", lambda self, attempt: (plain(self, attempt)[0], None))
    found = differences(SCENARIOS["04-sorry-server"])
    assert any(re.search(r"ops [-+]", line) for line in found)
    assert any(re.search(r"log [-+]", line) for line in found)
    assert any(": table " in line for line in found)
