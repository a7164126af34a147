"""A laboratory at work: nodes, client, and the record of what happened, on top of net, node, plan and picture."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from pykeepalived.lab import picture
from pykeepalived.lab.load import load_for_lab
from pykeepalived.lab.net import Network
from pykeepalived.lab.node import OURS, Node, watch
from pykeepalived.lab.picture import Moment, Reply
from pykeepalived.lab.plan import CLIENT, plan

PROBE_SECONDS = 3600
_TOLD = (" STATE", " 0 priority", "advert from", "rror", "died", "reload")


class Laboratory:
    """Nodes running real daemons on the network their configurations ask for. A context manager: leaves nothing behind.

    Raises LabError when it cannot be built or a file has errors that would stop the daemon.
    """

    def __init__(
        self, files: Mapping[str, Path], scratch: Path, programs: Mapping[str, Sequence[str]], prefix: str
    ) -> None:
        self._configs = {name: load_for_lab(file, name, tell=sys.stderr) for name, file in files.items()}
        self._plan = plan(self._configs)
        self._net = Network(prefix)
        self._files, self._scratch, self._programs = files, scratch, programs
        self.nodes: dict[str, Node] = {}
        self.moments: list[Moment] = []
        self.replies: list[Reply] = []
        self._macs: dict[str, str] = {}
        self._probe: subprocess.Popen[str] | None = None
        self._probe_log = scratch / "probe.txt"
        self._probe_read = 0
        self._seen: dict[str, int] = {}
        self.begin = time.monotonic_ns()
        self._colour = sys.stdout.isatty()

    def __enter__(self) -> Laboratory:
        self._net.__enter__()
        try:
            self._build()
        except BaseException:
            self._net.destroy()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._probe is not None:
            self._probe.kill()
            self._probe.wait(10)
        try:
            for node in self.nodes.values():
                node.signal(15)
            for node in self.nodes.values():
                if node.process is not None:
                    try:
                        node.process.wait(5)
                    except subprocess.TimeoutExpired:
                        node.kill()
        finally:
            self._net.destroy()

    def _build(self) -> None:
        hosts = {name: self._net.namespace(name) for name in (*self._files, CLIENT)}
        for number, plug in enumerate(self._plan.plugs):
            mac = f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"
            self._net.attach(hosts[plug.host], plug.interface, plug.interface, plug.addresses, mac)
            self._macs[mac] = plug.host
        for name, file in self._files.items():
            program = self._programs.get(name, OURS)
            self.nodes[name] = Node(name, hosts[name], file, self._scratch / name, program)

    # what can be done to it

    def start_all(self) -> None:
        for name in self.nodes:
            self.start(name)

    def start(self, name: str) -> None:
        node = self.nodes[name]
        if not node.alive:
            for interface in node.namespace.cables:
                node.namespace.carrier(interface, True)
            node.start()
            self._note(name, "started")

    def kill(self, name: str, take_cables: bool = False) -> None:
        node = self.nodes[name]
        self._collect()
        node.kill()
        if take_cables:
            for interface in node.namespace.cables:
                node.namespace.carrier(interface, False)
        self._note(name, "killed (SIGKILL)")

    def stop(self, name: str) -> None:
        self._collect()
        self._note(name, "stopping (SIGTERM)")
        self.nodes[name].stop()

    def reload(self, name: str) -> None:
        self._note(name, "reload (SIGHUP)")
        self.nodes[name].reload()

    def cut(self, name: str) -> None:
        self._net.partition(name)
        self._note(name, "cut off by the switch")

    def heal(self, name: str) -> None:
        self._net.heal(name)
        self._note(name, "connected again")

    def carrier(self, name: str, interface: str, up: bool) -> None:
        self.nodes[name].namespace.carrier(interface, up)
        self._note(name, f"cable of {interface} {'plugged' if up else 'pulled'}")

    def start_probe(self, interval_ms: float) -> None:
        """Let the client ping every VIP at this pace until the end."""
        words = [sys.executable, "-m", "pykeepalived.lab.probe", str(interval_ms), str(PROBE_SECONDS)]
        with self._probe_log.open("w") as log:
            client = self._net.namespaces[CLIENT]
            self._probe = subprocess.Popen(client.command(*words, *self._plan.targets), stdout=log, text=True)

    def wait_for(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Let the daemons run until the condition holds; False when the time is over first."""
        result = watch(list(self.nodes.values()), condition, timeout)
        self._collect()
        return result

    # what can be seen of it

    def states(self) -> dict[str, dict[str, str]]:
        """Node -> instance -> state; a dead node's instances are DEAD."""
        shown = {}
        for name, node in self.nodes.items():
            instances = [instance.name for instance in self._configs[name].vrrp_instances]
            shown[name] = {i: node.states.get(i, "-") if node.alive else "DEAD" for i in instances}
        return shown

    def settled(self) -> bool:
        """Every instance has exactly one master among the nodes that live."""
        states = self.states()
        instances = {instance for of in states.values() for instance in of}
        return all(sum(of.get(instance) == "MASTER" for of in states.values()) == 1 for instance in instances)

    def master(self) -> str:
        """The node that is master of most instances."""
        states = self.states()
        return max(states, key=lambda name: sum(state == "MASTER" for state in states[name].values()))

    def table(self) -> str:
        return picture.state_table(self.states(), self._colour)

    def story(self) -> str:
        self._collect()
        text = picture.timeline(self.moments, self.begin, self._colour)
        if self.replies:
            end = self.replies[-1].at + 1
            bars = [picture.answer_bar(self.replies, a, self.replies[0].at, end) for a in self._plan.targets]
            text += "\n\n" + "\n".join(bars)
        return text

    def verdict(self, victim: str) -> tuple[list[str], bool]:
        """One line per address about who answers now and how long nobody did; True when every address moved."""
        lines, good = [], True
        for address in self._plan.targets:
            gap = picture.longest_gap(self.replies, address)
            moved = gap is not None and gap.before == victim and gap.after != victim
            good = good and moved
            if moved and gap is not None:
                lines.append(f"{address} moved from {gap.before} to {gap.after}; silent for {gap.length / 1e6:.0f} ms.")
            else:
                lines.append(f"{address} did not move.")
        return lines, good

    def _note(self, who: str, what: str) -> None:
        self.moments.append(Moment(time.monotonic_ns(), who, what))

    def _collect(self) -> None:
        """Turn new log lines and ping replies into moments and replies."""
        for name, node in self.nodes.items():
            for at, line in node.lines[self._seen.get(name, 0) :]:
                if any(word in line for word in _TOLD):
                    self.moments.append(Moment(at, name, line))
            self._seen[name] = len(node.lines)
        if self._probe_log.exists():
            with self._probe_log.open() as log:
                log.seek(self._probe_read)
                text = log.read()
            whole = text[: text.rfind("\n") + 1]
            self._probe_read += len(whole)
            for line in whole.splitlines():
                stamp, address, mac = line.split()
                if mac in self._macs:
                    self.replies.append(Reply(int(stamp), address, self._macs[mac]))
