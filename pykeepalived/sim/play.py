"""A scenario played on a cluster: what its words do, and the verdicts on its expectations as they fall due.

The words themselves are scenario.py; the cluster is made by build.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import ip_address, ip_interface

from pykeepalived.config.model import Config
from pykeepalived.observe.snapshot import Taken
from pykeepalived.observe.status import why_view
from pykeepalived.runtime.messages import ChildKind
from pykeepalived.sim.build import make_cluster
from pykeepalived.sim.cluster import SECOND, Cluster
from pykeepalived.sim.invariants import kernel_state
from pykeepalived.sim.lan import Quality
from pykeepalived.sim.scenario import EXPECTATIONS, FAULTS, Action, ScenarioError

_AFTER_LAST_EVENT = 10 * SECOND
_FRESH = 30 * SECOND
"""How long a fresh start gets to settle; nodes that are master of nothing come in the middle of it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an expectation. `why`: what `pykeepalived why` would have said then of what does not fit."""

    text: str
    holds: bool
    found: str
    why: tuple[str, ...] = ()


class Play:
    """Actions on a cluster, and the verdicts on its expectations as they fall due. `configs` by file, for reloads."""

    def __init__(self, cluster: Cluster, configs: Mapping[tuple[str, str], Config] | None = None) -> None:
        self.cluster = cluster
        self.verdicts: list[Verdict] = []
        self._configs = configs or {}

    def add(self, actions: Sequence[Action]) -> None:
        """Plan all actions; raises ScenarioError for names that do not exist. Nodes without a `start` start at 0."""
        late = {action.what for action in actions if action.kind == "start"}
        for name in self.cluster.nodes:
            if name not in late:
                self.cluster.at(0, partial(self.cluster.start, name))
        for action in actions:
            self.cluster.at(action.at, self._planned(action))

    def run(self, duration: int, actions: Sequence[Action]) -> None:
        """Let all of it happen; without a duration ten seconds more than the last action takes."""
        last = max((action.at + max(action.amount, 0) for action in actions), default=0)
        self.cluster.run(duration or last + _AFTER_LAST_EVENT)

    @property
    def failures(self) -> list[str]:
        """Expectations that did not hold and invariants that were broken."""
        failed = [f"{verdict.text}: {verdict.found}" for verdict in self.verdicts if not verdict.holds]
        return [*self.cluster.violations, *failed]

    def _planned(self, action: Action) -> Callable[[], object]:
        cluster = self.cluster
        match action.kind:
            case "kill" | "start" | "stop" | "heal" | "clear-services":
                method: Callable[[str], None] = getattr(cluster, action.kind.replace("-", "_"))
                name = self._node(action, action.what)
                return lambda: method(name)
            case "kill-child":
                return self._child(action)
            case "heal-all":
                return self._heal_all
            case "reload":
                name = self._node(action, action.what)
                config = self._configs.get((name, action.file))
                if config is None:
                    raise ScenarioError(f"{action}: there is no such file")
                return lambda: cluster.reload(name, config)
            case "cut" | "oneway":
                return self._cut(action)
            case "down" | "up":
                name, interface = self._interface(action)
                return lambda: cluster.set_carrier(name, interface, action.kind == "up")
            case "fail-script" | "pass-script" | "bfd-down" | "bfd-up" | "write-file":
                return self._tracked(action)
            case "stall" | "step-clock" | "refuse":
                lasting: Callable[[str, int], None] = getattr(cluster, action.kind.replace("-", "_"))
                name = self._node(action, action.what)
                return lambda: lasting(name, action.amount)
            case "server-down" | "server-up" | "server-slow":
                return self._server(action)
            case "delete-address":
                return self._deletion(action)
            case "expect-settled":
                return lambda: self._judge_settled(action)
            case "expect-fresh":
                return lambda: self._judge_fresh(action)
            case "expect-in-use" | "expect-out-of-use":
                return self._service_expectation(action)
            case _ if action.kind in EXPECTATIONS:
                return self._expectation(action)
            case _:
                raise ScenarioError(f"{action}: no such event")

    def _child(self, action: Action) -> Callable[[], object]:
        name, colon, kind = action.what.partition(":")
        self._node(action, name)
        if colon and kind not in list(ChildKind):
            raise ScenarioError(f"{action}: expected {FAULTS[action.kind]}")
        return lambda: self.cluster.kill_child(name, ChildKind(kind or "vrrp"))

    def _heal_all(self) -> None:
        cluster = self.cluster
        for segment in cluster.lan.quality:
            cluster.lan.quality[segment] = Quality()
        for server in list(cluster.servers):
            cluster.set_server(server, None)
        for name in cluster.nodes:
            cluster.heal(name)

    def _server(self, action: Action) -> Callable[[], object]:
        known = {
            name
            for config in (*(node.config for node in self.cluster.nodes.values()), *self._configs.values())
            for virtual in config.virtual_servers
            for real in virtual.real_servers
            for name in (str(real.address), f"{real.address}:{real.port}")
        }
        if action.what not in known:
            raise ScenarioError(f"{action}: there is no real server {action.what!r}, only {', '.join(sorted(known))}")
        wait = {"server-down": -1, "server-up": None}.get(action.kind, action.amount)
        return lambda: self.cluster.set_server(action.what, wait)

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
        users = [name for name in names if what in self._trackable(action.kind, self.cluster.nodes[name].config)]
        if not users:
            raise ScenarioError(f"{action}: nobody tracks {what!r}")

        def act() -> None:
            for name in users:
                if action.kind.endswith("script"):
                    self.cluster.set_script(name, what, int(action.kind == "fail-script"))
                elif action.kind == "write-file":
                    self.cluster.set_file(name, what, action.file.encode())
                else:
                    self.cluster.set_bfd(name, what, action.kind == "bfd-up")

        return act

    def _trackable(self, kind: str, config: Config) -> set[str]:
        if kind.endswith("script"):
            return {script.name for script in config.vrrp_scripts}
        if kind == "write-file":
            return {file.name for file in config.track_files}
        return {session.name for session in config.bfd_instances}

    def _deletion(self, action: Action) -> Callable[[], object]:
        node, _, rest = action.what.partition(":")
        interface, _, prefix = rest.partition(":")
        address, slash, length = prefix.rpartition("/")
        name = self._node(action, node)
        known = {
            ip_address(str(each.address))
            for config in (self.cluster.nodes[name].config, *self._configs.values())
            for instance in config.vrrp_instances
            for each in (*instance.virtual_addresses, *instance.excluded_addresses)
        }
        known |= {ip_interface(text).ip for plug in self.cluster.nodes[name].plugs for text in plug.addresses}
        try:
            unknown = not slash or not length.isdigit() or ip_address(address) not in known
        except ValueError:
            unknown = True
        if unknown:
            choice = ", ".join(sorted(map(str, known)))
            raise ScenarioError(f"{action}: expected {FAULTS[action.kind]}, one of {choice}")
        return lambda: self.cluster.remove_address(name, interface, address, int(length))

    def _expectation(self, action: Action) -> Callable[[], object]:
        name, _, instance = action.what.partition(":")
        self._node(action, name)
        known = [model.name for model in self.cluster.nodes[name].config.vrrp_instances]
        if instance and instance not in known:
            raise ScenarioError(f"{action}: {name} has no instance {instance!r}, only {', '.join(known)}")
        wanted = action.kind.removeprefix("expect-").upper()
        return lambda: self._judge(action, name, [instance] if instance else known, wanted)

    def _judge(self, action: Action, name: str, instances: list[str], wanted: str) -> None:
        found, why = [], []
        for instance in instances:
            state = self.cluster.nodes[name].states.get(instance, "-")
            rivals = [
                other.name
                for other in self.cluster.nodes.values()
                if wanted == "MASTER" and other.name != name and other.active and other.states.get(instance) == "MASTER"
            ]
            if state != wanted:
                found.append(f"{instance} is {state}")
            if rivals:
                found.append(f"{instance} is also MASTER on {', '.join(rivals)}")
            if state != wanted or rivals:
                why += [line for each in (name, *rivals) for line in self._explained(each, instance)]
        self.verdicts.append(Verdict(str(action), not found, "; ".join(found) or wanted, tuple(why)))

    def _explained(self, name: str, instance: str) -> list[str]:
        """The facts behind the state of an instance; none of a node that is off or stands still."""
        node, now = self.cluster.nodes[name], self.cluster.now
        if not node.active:
            return []
        shown = replace(node.machine.snapshot(), taken=Taken(now, now))
        return [f"{name}: {instance}: {fact}" for view in why_view(instance, [shown]) for fact in view["facts"]]

    def _service_expectation(self, action: Action) -> Callable[[], object]:
        first, _, rest = action.what.partition(":")
        names = [first] if first in self.cluster.nodes else list(self.cluster.nodes)
        server = rest if first in self.cluster.nodes else action.what
        return lambda: self._judge_service(action, names, server)

    def _judge_service(self, action: Action, names: list[str], server: str) -> None:
        wrong, wanted = [], action.kind == "expect-in-use"
        for name in names:
            found = self.cluster.nodes[name].ipvs.destinations.values()
            used = any(str(key) == server and values.weight > 0 for entries in found for key, values in entries.items())
            if used is not wanted:
                wrong.append(f"{name} {'sends it connections' if used else 'does not use it'}")
        self.verdicts.append(Verdict(str(action), not wrong, "; ".join(wrong) or "as expected"))

    def _judge_settled(self, action: Action) -> None:
        """Violations found now are told as the verdict."""
        violations = self.cluster.violations
        before = len(violations)
        self.cluster.check_converged()
        found, violations[before:] = violations[before:], []
        self.verdicts.append(Verdict(str(action), not found, "; ".join(found) or "in order"))

    def _judge_fresh(self, action: Action) -> None:
        """Start the same nodes with the files they have now, and compare those with the same masterships."""
        nodes = self.cluster.nodes
        fresh = make_cluster({name: node.config for name, node in nodes.items()}, self.cluster.random, Quality())
        for name, node in nodes.items():
            early = "MASTER" in node.states.values()
            fresh.at(0 if early else _FRESH // 2, partial(fresh.start, name))
        fresh.run(_FRESH)
        wrong = []
        for name, node in nodes.items():
            twin = fresh.nodes[name]
            if not node.active or _roles(node.states, node.config) != _roles(twin.states, twin.config):
                continue
            here, there = kernel_state(node), kernel_state(twin)
            wrong += [f"{name} has {each}" for each in here if each not in there]
            wrong += [f"{name} lacks {each}" for each in there if each not in here]
        self.verdicts.append(Verdict(str(action), not wrong, "; ".join(wrong) or "the same"))


def _roles(states: Mapping[str, str], config: Config) -> list[str | None]:
    return [states.get(instance.name) for instance in config.vrrp_instances]
