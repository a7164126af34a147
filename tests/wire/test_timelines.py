"""The recorded conversations of two keepalived 2.4.3, played again by two of ours: adverts at the same moments with the
same priorities, and the same lines in the logs in the same order."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pykeepalived.config.model.vrrp import State, VrrpSyncGroup
from pykeepalived.vrrp import inputs
from tests.vrrp.lan import Lan, Node, address, config, instance, interface, view, vip
from tests.wire.recording import MAC_A, MAC_B, read

LOGS = Path(__file__).parent / "logs"
TOLERANCE = 0.2
"""Seconds; the recorded daemons started and were told things a little later than the script says, and drift."""

Step = Callable[["Play"], object]


class Play:
    """Two hosts and what the script does to them."""

    def __init__(self, a: dict[str, object], b: dict[str, object], group: bool = False) -> None:
        self.lan = Lan()
        self.settings = {"A": a, "B": b}
        self.group = group
        self.nodes: dict[str, Node] = {}
        self.logs: dict[str, list[str]] = {"A": [], "B": []}
        self.sent: dict[str, list[tuple[float, int]]] = {"A": [], "B": []}

    def start(self, host: str) -> None:
        last = 1 if host == "A" else 2
        values = {"priority": 150 if host == "A" else 100, **self.settings[host]}
        instances = [instance(**values)]
        interfaces = [interface(mac=f"02000000000{host.lower()}")]
        addresses = [address(f"192.0.2.{last}/24")]
        groups: tuple[VrrpSyncGroup, ...] = ()
        if self.group:
            addresses.append(address(f"198.51.100.{last}/24", "eth1"))
            interfaces.append(interface("eth1", 3))
            second = {"virtual_addresses": (vip("198.51.100.100", "eth1"),), "interface": "eth1"}
            instances.append(instance("VI_2", **{**values, **second, "virtual_router_id": 52}))
            groups = (VrrpSyncGroup(name="G1", members=("VI_1", "VI_2")),)
        machine = view(*addresses, interfaces=tuple(interfaces))
        self.nodes[host] = self.lan.node(host, config(*instances, vrrp_sync_groups=groups), machine)

    def stop(self, host: str) -> None:
        node = self.nodes[host]
        node.receive(inputs.Stop())
        node.alive = False

    def cut(self, up: bool, name: str = "eth0", host: str = "A") -> None:
        """The link of a host goes down or up."""
        node = self.nodes[host]
        index = 2 if name == "eth0" else 3
        if up:
            node.dead.discard(name)
        else:
            node.dead.add(name)
        node.receive(inputs.InterfaceChanged(interface(name, index, mac=f"02000000000{host.lower()}", up=up)))

    def bridge(self, whole: bool) -> None:
        self.lan.blocked = not whole

    def tell(self, host: str, message: inputs.Input) -> None:
        self.nodes[host].receive(message)

    def run(self, script: list[tuple[float, Step]]) -> None:
        for at, step in script:
            self.lan.run_until(self.lan.start + round(at * 1e9))
            step(self)
        for host in "AB":
            history = [node for node in self.lan.nodes if node.name == host]
            self.logs[host] = [line for node in history for line in node.log()]
            self.sent[host] = [
                ((sent.at - self.lan.start) / 1e9, sent.priority)
                for sent in self.lan.wire
                if sent.node.name == host and sent.flow.pool.interface == "eth0"
            ]


def recorded_adverts(name: str) -> dict[str, list[tuple[float, int]]]:
    found: dict[str, list[tuple[float, int]]] = {"A": [], "B": []}
    for frame in read(name):
        if frame.is_vrrp:
            host = {MAC_A: "A", MAC_B: "B"}[frame.data[6:12]]
            found[host].append((frame.at / 1e9 - 1_700_000_000, frame.payload[22]))
    return found


WANTED = re.compile(r"^(\(VI_|VRRP_Group|Netlink reports|Netlink reflector)")
# what the other program says at its start, and what depends on its way to repeat announcements
LEFT_OUT = {
    "": re.compile(r"gratuitous|removing VIPs\.|Deassigned|Assigned"),
    # a second member's priority-0 advert is not logged there; it is in the adverts
    "sync-group": re.compile(r"gratuitous|removing VIPs\.|sent 0 priority"),
    # an owner needs no timeout to begin
    "owner-255": re.compile(r"gratuitous|removing VIPs\.|advertisement timeout"),
}


def lines(name: str, log: list[str]) -> list[str]:
    """What both must say, in order for each object: which of two instances due at one moment is first is chance."""
    left_out = LEFT_OUT.get(name, LEFT_OUT[""])
    wanted = [line for line in log if WANTED.match(line) and not left_out.search(line)]
    return sorted(wanted, key=lambda line: line.split()[0])


def recorded_lines(name: str, host: str, end: float) -> list[str]:
    text = (LOGS / f"{name}-{host}.txt").read_text()
    return lines(name, [line[11:] for line in text.splitlines() if float(line[:10]) < end])


MASTER = {"state": State.MASTER}
BACKUP = {"state": State.BACKUP}
VIP = inputs.AddressRemoved(address("192.0.2.100/32"))
PRIMARY = address("192.0.2.1/24")

PLAYS: dict[str, tuple[Play, list[tuple[float, Step]]]] = {}


def play(
    name: str, a: dict[str, object], b: dict[str, object], *script: tuple[float, Step], group: bool = False
) -> None:
    PLAYS[name] = (Play(a, b, group), list(script))


# moments: the recorded lines "Entering ... (init)" for starts, events-*.txt for the rest
play(
    "split-brain",
    MASTER,
    BACKUP,
    (0.014, lambda p: p.start("A")),
    (3.46, lambda p: p.start("B")),
    (5.9455, lambda p: p.bridge(False)),
    (10.9263, lambda p: p.bridge(True)),
    (17.586, lambda p: p.stop("B")),
    (18.6047, lambda p: p.stop("A")),
)
play(
    "link-down-up",
    MASTER,
    BACKUP,
    (0.0542, lambda p: p.start("A")),
    (3.5, lambda p: p.start("B")),
    (5.9813, lambda p: p.cut(False)),
    (10.5822, lambda p: p.cut(True)),
    (16.0037, lambda p: p.stop("B")),
    (17.0607, lambda p: p.stop("A")),
)
play(
    "vip-deleted",
    MASTER,
    BACKUP,
    (0.0831, lambda p: p.start("A")),
    (3.53, lambda p: p.start("B")),
    (6.0249, lambda p: p.tell("A", VIP)),
    (10.5534, lambda p: p.tell("A", inputs.AddressRemoved(PRIMARY))),
    (14.0988, lambda p: p.tell("A", inputs.AddressAdded(PRIMARY))),
    (19.0991, lambda p: p.stop("B")),
    (20.2436, lambda p: p.stop("A")),
)
play(
    "preempt-delay-4s",
    {**BACKUP, "preempt_delay_us": 4_000_000},
    BACKUP,
    (0.02, lambda p: p.start("B")),
    (4.8991, lambda p: p.start("A")),
    (13.5998, lambda p: p.stop("B")),
    (14.6168, lambda p: p.stop("A")),
)
play(
    "nopreempt",
    {**BACKUP, "nopreempt": True},
    BACKUP,
    (0.02, lambda p: p.start("B")),
    (4.8779, lambda p: p.start("A")),
    (10.3426, lambda p: p.stop("B")),
    (12.2636, lambda p: p.stop("A")),
)
play(
    "owner-255",
    {**MASTER, "priority": 255},
    BACKUP,
    (0.0223, lambda p: p.start("B")),
    (5.2, lambda p: p.start("A")),
    (7.7189, lambda p: p.stop("A")),
    (10.2439, lambda p: p.stop("B")),
)
play(
    "sync-group",
    MASTER,
    BACKUP,
    (0.0216, lambda p: p.start("A")),
    (3.46, lambda p: p.start("B")),
    (5.9774, lambda p: p.cut(False, "eth1")),
    (10.5547, lambda p: p.cut(True, "eth1")),
    (15.4903, lambda p: p.stop("B")),
    (16.5496, lambda p: p.stop("A")),
    group=True,
)
play(
    "equal-priority",
    {**BACKUP, "priority": 100},
    BACKUP,
    (0.0, lambda p: p.bridge(False)),
    (0.019, lambda p: p.start("A")),
    (0.023, lambda p: p.start("B")),
    (5.249, lambda p: p.bridge(True)),
    (8.7764, lambda p: p.stop("A")),
    (9.7988, lambda p: p.stop("B")),
)
# until the reload, at which ours sends no adverts of its own
play(
    "v2-mcast",
    MASTER,
    BACKUP,
    (0.0426, lambda p: p.start("A")),
    (9.0805, lambda p: p.start("B")),
    (11.5847, lambda p: p.stop("A")),
    (14.1403, lambda p: p.start("A")),
    (19.161, lambda p: None),
)
END = {"v2-mcast": 19.161}


@pytest.mark.parametrize("name", sorted(PLAYS))
@pytest.mark.keyword("vrrp_instance/preempt_delay")
@pytest.mark.keyword("vrrp_instance/nopreempt")
def test_timeline(name: str) -> None:
    stage, script = PLAYS[name]
    stage.run(script)
    recorded = recorded_adverts(name)
    end = END.get(name, 60)
    for host in "AB":
        ours, theirs = stage.sent[host], [advert for advert in recorded[host] if advert[0] < end]
        assert [priority for _, priority in ours] == [priority for _, priority in theirs], f"host {host}"
        for (at, _), (there, _) in zip(ours, theirs, strict=True):
            assert abs(at - there) < TOLERANCE, f"host {host}: {at} for {there}"
        assert lines(name, stage.logs[host]) == recorded_lines(name, host, end), f"host {host}"
