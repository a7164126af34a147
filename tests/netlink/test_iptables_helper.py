"""The keeper of iptables rules never waits, goes on where it can, tries again what it cannot.

The programs are scripts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pykeepalived.netlink import iptables_helper
from pykeepalived.netlink.iptables import Rule, Wish
from pykeepalived.netlink.iptables_helper import RuleKeeper
from pykeepalived.observe.cause import LogLine
from pykeepalived.runtime.loop import Loop

SECOND_NS = 1_000_000_000
NOTHING = Wish((), (), frozenset())


class Machine:
    """Scripts by the names of the programs: *-save prints a file, *-restore writes down what it is given."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.loop = Loop()
        self.lines: list[str] = []
        self.keeper = RuleKeeper(self.loop, self.log)
        for program in ("iptables", "ip6tables"):
            self.script(f"{program}-save", f"cat {directory}/{program}.saved 2>/dev/null || true")
            self.script(f"{program}-restore", f"cat >> {directory}/{program}.restored")

    def log(self, line: LogLine) -> None:
        self.lines.append(line.text)

    def script(self, name: str, text: str) -> None:
        file = self.directory / name
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)

    def restored(self, program: str = "iptables") -> str:
        file = self.directory / f"{program}.restored"
        return file.read_text() if file.exists() else ""

    def run(self, until: Callable[[], bool], seconds: float = 20) -> bool:
        end = self.loop.now() + int(seconds * SECOND_NS)
        while not until() and self.loop.now() < end:
            self.loop.run_once(self.loop.now() + SECOND_NS // 50)
        return until()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return Machine(tmp_path)


def wish(*matches: str, chain: str = "INPUT") -> Wish:
    return Wish((chain,), tuple(Rule(chain, match) for match in matches), frozenset())


def test_difference_is_restored_in_one_transaction(machine: Machine) -> None:
    (machine.directory / "iptables.saved").write_text(":INPUT ACCEPT [0:0]\n-A INPUT one\n-A INPUT old\n")
    machine.keeper.want({4: Wish(("INPUT",), (Rule("INPUT", "one"), Rule("INPUT", "two")), frozenset(["INPUT old"]))})
    assert machine.run(lambda: machine.restored() == "*filter\n-D INPUT old\n-A INPUT two\nCOMMIT\n")
    assert machine.lines == []


def test_slow_program_is_not_waited_for(machine: Machine) -> None:
    """Neither when something is wanted nor, for longer than a second, at stop."""
    machine.script("iptables-save", "sleep 8")
    begin = time.monotonic()
    machine.keeper.want({4: wish("one")})
    assert time.monotonic() - begin < 4
    done: list[float] = []
    machine.keeper.when_at_rest(lambda: done.append(time.monotonic() - begin))
    assert machine.run(lambda: bool(done))
    assert 1 <= done[0] < 6
    machine.keeper.close()


def test_family_that_cannot_be_helped_does_not_hinder_the_other(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(iptables_helper, "_SECOND_NS", 600 * SECOND_NS)
    keeper = RuleKeeper(machine.loop, machine.log)
    keeper.want({6: wish("six", chain="KIN"), 4: wish("one")})
    assert machine.run(lambda: "-A INPUT one" in machine.restored())
    assert machine.lines == ["ip6tables chain KIN doesn't exist"]
    keeper.want({6: wish("six", chain="KIN"), 4: wish("one", "two")})
    assert machine.run(lambda: "-A INPUT two" in machine.restored())


def test_what_failed_is_tried_again_and_told_once(machine: Machine) -> None:
    machine.script("iptables-restore", f"echo broken >&2; echo x >> {machine.directory}/tries; exit 1")
    machine.keeper.want({4: wish("one")})
    tries = machine.directory / "tries"
    assert machine.run(lambda: tries.exists() and len(tries.read_text().split()) == 2)
    assert machine.lines == ["iptables: iptables-restore: broken"]
    machine.script("iptables-restore", f"cat >> {machine.directory}/iptables.restored")
    assert machine.run(lambda: "-A INPUT one" in machine.restored())


def test_at_rest_is_told_when_nothing_is_left_to_do(machine: Machine) -> None:
    done: list[str] = []
    machine.keeper.want({4: wish("one"), 6: NOTHING})
    machine.keeper.when_at_rest(lambda: done.append(machine.restored()))
    assert machine.run(lambda: bool(done))
    assert done == ["*filter\n-A INPUT one\nCOMMIT\n"]
    assert machine.restored("ip6tables") == ""
