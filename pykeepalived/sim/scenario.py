"""Scenarios in words: `kill a@10`, `cut a-b@20`, `expect-master b@14`. Parsing, applying to a cluster, judging.

Times are seconds since the start of the run, with decimals.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pykeepalived.config.model import Config
from pykeepalived.sim.cluster import SECOND, Cluster

_TIME = re.compile(r"(?P<what>.*)@(?P<at>\d+(\.\d+)?)(?P<amount>[+-]\d+(\.\d+)?)?(=(?P<file>.+))?")


class ScenarioError(ValueError):
    """A word of a scenario that cannot be understood, or names something that does not exist."""


@dataclass(frozen=True, slots=True)
class Action:
    """One event: `what` as written before the @, `at` and `amount` in nanoseconds, `file` of a reload."""

    kind: str
    what: str
    at: int
    amount: int = 0
    file: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.what}@{self.at / SECOND:g}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an expectation."""

    text: str
    holds: bool
    found: str


FAULTS: Mapping[str, str] = {
    "kill": "NODE@T: power off",
    "start": "NODE@T: power on",
    "stop": "NODE@T: SIGTERM",
    "kill-child": "NODE@T: SIGKILL of the VRRP process alone",
    "reload": "NODE@T=FILE: SIGHUP with another file",
    "heal": "NODE@T: power, cables, links and scripts of a node are well again",
    "cut": "NODE-NODE@T or NODE@T: silently lose everything between two nodes, or between one and all others",
    "oneway": "NODE-NODE@T: the second does not hear the first any more",
    "down": "NODE:INTERFACE@T: pull the cable",
    "up": "NODE:INTERFACE@T: plug it in",
    "fail-script": "[NODE:]SCRIPT@T: the check script fails from now on",
    "pass-script": "[NODE:]SCRIPT@T: it succeeds again",
    "bfd-down": "[NODE:]SESSION@T: the BFD session goes down",
    "bfd-up": "[NODE:]SESSION@T: it comes up",
    "stall": "NODE@T+SECONDS: the node stands still",
    "step-clock": "NODE@T+SECONDS or -SECONDS: its wall clock is set",
    "delete-address": "NODE:INTERFACE:ADDRESS/LENGTH@T: somebody deletes an address",
}

EXPECTATIONS: Mapping[str, str] = {
    "expect-master": "NODE[:INSTANCE]@T: it is MASTER then, and the only one",
    "expect-backup": "NODE[:INSTANCE]@T",
    "expect-fault": "NODE[:INSTANCE]@T",
}


def parse(kind: str, text: str) -> Action:
    """Read one option's value. Raises ScenarioError."""
    match = _TIME.fullmatch(text)
    if match is None or not match["what"]:
        usage = FAULTS.get(kind) or EXPECTATIONS.get(kind, "")
        raise ScenarioError(f"--{kind} {text}: expected {usage}")
    amount = round(float(match["amount"]) * SECOND) if match["amount"] else 0
    if kind == "stall" and amount <= 0:
        raise ScenarioError(f"--{kind} {text}: expected {FAULTS[kind]}")
    if (kind == "reload") != bool(match["file"]):
        raise ScenarioError(f"--{kind} {text}: expected {FAULTS.get(kind, 'no file')}")
    return Action(kind, match["what"], round(float(match["at"]) * SECOND), amount, match["file"] or "")


class Scenario:
    """Actions on a cluster, and the verdicts on its expectations as they fall due. `configs` by file, for reloads."""

    def __init__(self, cluster: Cluster, configs: Mapping[str, Config] | None = None) -> None:
        self.cluster = cluster
        self.verdicts: list[Verdict] = []
        self._configs = configs or {}

    def add(self, actions: Sequence[Action]) -> None:
        """Plan all actions; raises ScenarioError for names that do not exist."""
        for action in actions:
            self.cluster.at(action.at, self._planned(action))

    def _planned(self, action: Action) -> Callable[[], object]:
        cluster = self.cluster
        match action.kind:
            case "kill" | "start" | "stop" | "kill-child" | "heal":
                method: Callable[[str], None] = getattr(cluster, action.kind.replace("-", "_"))
                name = self._node(action, action.what)
                return lambda: method(name)
            case "reload":
                name = self._node(action, action.what)
                return lambda: cluster.reload(name, self._configs[action.file])
            case "cut" | "oneway":
                return self._cut(action)
            case "down" | "up":
                name, interface = self._interface(action)
                return lambda: cluster.set_carrier(name, interface, action.kind == "up")
            case "fail-script" | "pass-script" | "bfd-down" | "bfd-up":
                return self._tracked(action)
            case "stall":
                name = self._node(action, action.what)
                return lambda: cluster.stall(name, action.amount)
            case "step-clock":
                name = self._node(action, action.what)
                return lambda: cluster.step_clock(name, action.amount)
            case "delete-address":
                return self._deletion(action)
            case _ if action.kind in EXPECTATIONS:
                return self._expectation(action)
            case _:
                raise ScenarioError(f"{action}: no such event")

    def _node(self, action: Action, name: str) -> str:
        if name not in self.cluster.nodes:
            raise ScenarioError(f"{action}: there is no node {name!r}, only {', '.join(self.cluster.nodes)}")
        return name

    def _interface(self, action: Action) -> tuple[str, str]:
        name, _, interface = action.what.partition(":")
        self._node(action, name)
        known = [plug.interface for plug in self.cluster.nodes[name].plugs]
        if interface not in known:
            raise ScenarioError(f"{action}: {name} has no interface {interface!r}, only {', '.join(known)}")
        return name, interface

    def _cut(self, action: Action) -> Callable[[], object]:
        nodes = self.cluster.nodes
        if action.kind == "cut" and action.what in nodes:
            return lambda: self.cluster.isolate(action.what)
        pairs = [(one, other) for one in nodes for other in nodes if f"{one}-{other}" == action.what]
        if not pairs:
            raise ScenarioError(f"{action}: expected {FAULTS[action.kind]}")
        return lambda: self.cluster.cut(*pairs[0], both=action.kind == "cut")

    def _tracked(self, action: Action) -> Callable[[], object]:
        node, colon, what = action.what.rpartition(":")
        names = [self._node(action, node)] if colon else list(self.cluster.nodes)
        script = action.kind.endswith("script")
        users = []
        for name in names:
            config = self.cluster.nodes[name].config
            known = config.vrrp_scripts if script else config.bfd_instances
            if any(item.name == what for item in known):
                users.append(name)
        if not users:
            raise ScenarioError(f"{action}: nobody tracks {what!r}")

        def act() -> None:
            for name in users:
                if script:
                    self.cluster.set_script(name, what, int(action.kind == "fail-script"))
                else:
                    self.cluster.set_bfd(name, what, action.kind == "bfd-up")

        return act

    def _deletion(self, action: Action) -> Callable[[], object]:
        node, _, rest = action.what.partition(":")
        interface, _, prefix = rest.partition(":")
        address, slash, length = prefix.rpartition("/")
        if not slash or not length.isdigit():
            raise ScenarioError(f"{action}: expected {FAULTS[action.kind]}")
        name = self._node(action, node)

        def act() -> None:
            try:
                self.cluster.remove_address(name, interface, address, int(length))
            except (OSError, ValueError, AssertionError):
                self.verdicts.append(Verdict(str(action), False, f"{name} has no such address"))

        return act

    def _expectation(self, action: Action) -> Callable[[], object]:
        name, _, instance = action.what.partition(":")
        self._node(action, name)
        known = [model.name for model in self.cluster.nodes[name].config.vrrp_instances]
        if instance and instance not in known:
            raise ScenarioError(f"{action}: {name} has no instance {instance!r}, only {', '.join(known)}")
        wanted = action.kind.removeprefix("expect-").upper()
        return lambda: self._judge(action, name, [instance] if instance else known, wanted)

    def _judge(self, action: Action, name: str, instances: list[str], wanted: str) -> None:
        found = []
        for instance in instances:
            state = self.cluster.nodes[name].states.get(instance, "-")
            rivals = [
                other.name
                for other in self.cluster.nodes.values()
                if wanted == "MASTER" and other.name != name and other.states.get(instance) == "MASTER"
            ]
            if state != wanted:
                found.append(f"{instance} is {state}")
            if rivals:
                found.append(f"{instance} is also MASTER on {', '.join(rivals)}")
        self.verdicts.append(Verdict(str(action), not found, "; ".join(found) or wanted))
