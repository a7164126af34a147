"""The same stimulus for one of ours and one of the C daemon, on one segment but for virtual routers of their own: what
both then put on the wire must be the same, and what the manual says."""

from __future__ import annotations

import ctypes
import itertools
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from pykeepalived.lab.net import network, run
from pykeepalived.lab.node import OURS, Node
from tests.interop.conftest import C_DAEMON
from tests.netns.conftest import Lan, Recorder, advert

pytestmark = [pytest.mark.netns, pytest.mark.interop, pytest.mark.timeout(180)]

PIDFD_GETFD = 438
"""pidfd_getfd(2)."""

STRANGER = "192.0.2.66"
SEND = """
import socket, sys
sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sender.bind(("br0", 0))
for line in sys.stdin:
    sender.send(bytes.fromhex(line))
"""
_counter = itertools.count()
QUIET = "garp_master_repeat 1\n  garp_master_delay 0\n  "


class Twins:
    """Host a runs ours with VRID 51 and 192.0.2.100, host b the C daemon with VRID 52 and 192.0.2.101."""

    def __init__(self, lan: Lan, lines: str, head: str = "", more: Callable[[int], str] = lambda vrid: "") -> None:
        """`more` gives further blocks for the twin with this VRID."""
        self.lan = lan
        self.ours, self.theirs = (lan.host(head + self._config(vrid, lines) + more(vrid)) for vrid in (51, 52))
        self.ours.program, self.theirs.program = OURS, C_DAEMON
        self.recorder: Recorder = lan.recorder()

    @staticmethod
    def _config(vrid: int, lines: str) -> str:
        return (
            f"vrrp_instance VI_1 {{\n  interface eth0\n  virtual_router_id {vrid}\n  priority 100\n"
            f"  version 3\n  advert_int 1\n  {lines.replace('VRID+89', str(vrid + 89))}\n"
            f"  virtual_ipaddress {{\n    192.0.2.{vrid + 49}/32\n    192.0.2.{vrid + 69}/32\n  }}\n}}\n"
        )

    @property
    def nodes(self) -> tuple[tuple[int, Node, str], ...]:
        return ((51, self.ours, "192.0.2.1"), (52, self.theirs, "192.0.2.2"))

    def start(self) -> None:
        """Both run and are masters."""
        for node in (self.ours, self.theirs):
            node.start()
        self.lan.wait(lambda: all(node.states.get("VI_1") == "MASTER" for node in (self.ours, self.theirs)))

    def hear(self, priority: int, second: int = 69) -> float:
        """Both hear an advert of a stranger; returns since when. `second` makes the second address (VRID plus it)."""
        since = time.monotonic()
        frames = [
            advert(STRANGER, vrid, priority, 100, [f"192.0.2.{vrid + 49}", f"192.0.2.{vrid + second}"])
            for vrid in (51, 52)
        ]
        text = "".join(frame.hex() + "\n" for frame in frames)
        words = ["ip", "netns", "exec", self.lan.net.lan, sys.executable, "-c", SEND]
        subprocess.run(words, input=text, text=True, check=True, timeout=30)
        return since

    def answers(self, since: float, within: float) -> dict[str, list[int]]:
        """Priorities of the adverts of each in the moment after it heard the stranger."""
        found: dict[str, list[int]] = {}
        for vrid, node, source in self.nodes:
            heard = min(item.at for item in self.recorder.of(STRANGER, since) if item.vrid == vrid)
            items = [item for item in self.recorder.of(source, heard) if item.at < heard + within]
            found["ours" if node is self.ours else "theirs"] = [item.priority for item in items]
        return found


MakeTwins = Callable[..., Twins]


@pytest.fixture
def make_twins(tmp_path: Path) -> Iterator[MakeTwins]:
    if os.geteuid() != 0 or shutil.which(C_DAEMON[0]) is None:
        pytest.skip("needs root and Debian's keepalived")
    with network(f"pktw{os.getpid() % 100000}x{next(_counter)}") as net:
        lan = Lan(net, tmp_path)
        try:
            yield lambda *words: Twins(lan, *words)
        finally:
            lan.stack.close()
            for node in lan.nodes.values():
                node.kill()


def announcements(twins: Twins, vrid: int, since: float = 0.0) -> list[tuple[float, str]]:
    """(seconds after the first, which address) of the gratuitous ARPs of a virtual router, and of its companion."""
    own = {f"192.0.2.{vrid + 49}": "first", f"192.0.2.{vrid + 69}": "second", f"192.0.2.{vrid + 89}": "companion"}
    items = [(at, own[address]) for at, address, _ in list(twins.recorder.announced) if address in own and at > since]
    return [(at - items[0][0], name) for at, name in items]


def blocks_of(seen: list[tuple[float, str]], name: str, moments: Iterable[float]) -> dict[float, int]:
    """How many announcements of an address there were about each of these moments."""
    known = list(moments)
    counts: dict[float, int] = {}
    for at, each in seen:
        if each == name:
            nearest = min(known, key=lambda moment: abs(moment - at))
            counts[nearest] = counts.get(nearest, 0) + 1
    return counts


@pytest.mark.parametrize(
    ("lines", "blocks", "watch"),
    [
        pytest.param(
            "garp_master_repeat 3\n  garp_master_delay 1",
            {0: 3, 1: 3},
            2.5,
            marks=[
                pytest.mark.keyword("vrrp_instance/garp_master_repeat"),
                pytest.mark.keyword("vrrp_instance/garp_master_delay"),
            ],
            id="repeat-and-delay",
        ),
        pytest.param(
            "garp_master_repeat 1\n  garp_master_delay 0",
            {0: 1},
            2.5,
            marks=pytest.mark.keyword("vrrp_instance/garp_master_delay"),
            id="no-delay",
        ),
        pytest.param(
            "garp_master_repeat 1\n  garp_master_delay 0\n  garp_master_refresh 2\n  garp_master_refresh_repeat 2",
            {0: 1, 2: 2, 4: 2},
            5.0,
            marks=[
                pytest.mark.keyword("vrrp_instance/garp_master_refresh"),
                pytest.mark.keyword("vrrp_instance/garp_master_refresh_repeat"),
            ],
            id="refresh",
        ),
    ],
)
def test_announcements(make_twins: MakeTwins, lines: str, blocks: dict[int, int], watch: float) -> None:
    twins = make_twins(lines)
    twins.start()
    twins.lan.pause(watch + 0.5)
    for vrid in (51, 52):
        # refreshes go with adverts, up to one interval later
        seen = [(at, name) for at, name in announcements(twins, vrid) if at < watch]
        for name in ("first", "second"):
            assert blocks_of(seen, name, blocks) == blocks, (vrid, name, seen)


@pytest.mark.keyword("vrrp_instance/garp_extra_if")
@pytest.mark.parametrize("words", ["all 1", "1"], ids=["all", "vmacs"])
def test_announcements_on_other_interfaces(make_twins: MakeTwins, words: str) -> None:
    """An address on another interface than that of the adverts is announced again and again: on every one with `all`,
    else on VMACs, and there is none."""
    extra = "virtual_ipaddress_excluded {\n    192.0.2.VRID+89/32 dev eth1\n  }"
    twins = make_twins(f"{QUIET}garp_extra_if {words}\n  {extra}")
    for vrid, node, _ in twins.nodes:
        twins.lan.net.attach(node.namespace, "eth1", "lan", [], f"02:00:00:00:01:{vrid}")
    twins.start()
    twins.lan.pause(0.7)
    since = time.monotonic()
    twins.lan.pause(5)
    for vrid in (51, 52):
        names = [name for _, name in announcements(twins, vrid, since)]
        if words == "1":
            assert names == [], vrid
        else:
            assert set(names) == {"companion"}, (vrid, names)
            assert 3 <= len(names) <= 6, (vrid, names)


@pytest.mark.keyword("global_defs/vrrp_garp_interval")
def test_interval_of_announcements(make_twins: MakeTwins) -> None:
    twins = make_twins("garp_master_repeat 4\n  garp_master_delay 0", "global_defs {\n  vrrp_garp_interval 0.2\n}\n")
    twins.start()
    twins.lan.pause(2.5)
    for vrid in (51, 52):
        moments = [at for at, _ in announcements(twins, vrid)]
        assert len(moments) > 2, (vrid, moments)
        gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
        assert min(gaps) > 0.1, (vrid, moments)
    # every address, repeated: the C daemon of the distribution leaves some out
    assert len(announcements(twins, 51)) == 8


@pytest.mark.parametrize(
    ("lines", "head", "replies"),
    [
        pytest.param("", "", [100], id="by-default"),
        pytest.param("lower_prio_no_advert on", "", [], id="lower_prio_no_advert"),
        pytest.param("", "global_defs {\n  vrrp_lower_prio_no_advert\n}\n", [], id="global"),
    ],
)
@pytest.mark.keyword("vrrp_instance/lower_prio_no_advert")
@pytest.mark.keyword("global_defs/vrrp_lower_prio_no_advert")
def test_master_hears_a_lower_priority(make_twins: MakeTwins, lines: str, head: str, replies: list[int]) -> None:
    twins = make_twins(lines, head)
    twins.start()
    twins.lan.pause(0.5)
    found: dict[str, list[list[int]]] = {"ours": [], "theirs": []}
    # one of three moments may fall on an advert that was due anyway
    for _ in range(3):
        since = twins.hear(50)
        twins.lan.pause(0.5)
        for name, priorities in twins.answers(since, 0.1).items():
            found[name].append(priorities)
        twins.lan.pause(0.17)
    assert sorted(found["ours"])[1] == replies, found
    assert sorted(found["theirs"])[1] == replies, found
    assert {node.states["VI_1"] for node in (twins.ours, twins.theirs)} == {"MASTER"}


LOWER = "\n  ".join((QUIET, "garp_lower_prio_repeat 3", "garp_lower_prio_delay 1"))


@pytest.mark.parametrize(
    ("lines", "head", "pauses", "blocks"),
    [
        pytest.param(
            LOWER,
            "",
            [],
            {0.0: 3, 1.0: 3},
            marks=[
                pytest.mark.keyword("vrrp_instance/garp_lower_prio_repeat"),
                pytest.mark.keyword("vrrp_instance/garp_lower_prio_delay"),
            ],
            id="instance",
        ),
        pytest.param(
            QUIET + "garp_lower_prio_repeat 2\n  garp_lower_prio_delay 0",
            "",
            [],
            {0.0: 2},
            marks=pytest.mark.keyword("vrrp_instance/garp_lower_prio_delay"),
            id="no-delay",
        ),
        pytest.param(
            QUIET + "garp_lower_prio_repeat 0",
            "",
            [],
            {},
            marks=pytest.mark.keyword("vrrp_instance/garp_lower_prio_repeat"),
            id="none",
        ),
        pytest.param(LOWER, "", [0.4], {0.0: 3, 0.4: 3, 1.0: 3, 1.4: 3}, id="heard-twice"),
        pytest.param(
            QUIET,
            "global_defs {\n  vrrp_garp_lower_prio_repeat 2\n  vrrp_garp_lower_prio_delay 1\n}\n",
            [],
            {0.0: 2, 1.0: 2},
            marks=[
                pytest.mark.keyword("global_defs/vrrp_garp_lower_prio_repeat"),
                pytest.mark.keyword("global_defs/vrrp_garp_lower_prio_delay"),
            ],
            id="global",
        ),
        pytest.param(
            QUIET,
            "global_defs {\n  vrrp_garp_master_repeat 2\n  vrrp_garp_master_delay 1\n}\n",
            [],
            {0.0: 2, 1.0: 2},
            marks=[
                pytest.mark.keyword("global_defs/vrrp_garp_master_repeat"),
                pytest.mark.keyword("global_defs/vrrp_garp_master_delay"),
            ],
            id="as-for-a-new-master",
        ),
    ],
)
def test_announcements_after_a_lower_priority(
    make_twins: MakeTwins, lines: str, head: str, pauses: list[float], blocks: dict[float, int]
) -> None:
    twins = make_twins(lines, head)
    twins.start()
    twins.lan.pause(0.5)
    since = twins.hear(50)
    for pause in pauses:
        twins.lan.pause(pause)
        twins.hear(50)
    twins.lan.pause(2)
    for vrid in (51, 52):
        seen = announcements(twins, vrid, since)
        for name in ("first", "second"):
            assert blocks_of(seen, name, blocks) == blocks, (vrid, name, seen)


@pytest.mark.keyword("vrrp_instance/garp_lower_prio_repeat")
@pytest.mark.keyword("vrrp_sync_group/group")
def test_announcements_of_the_whole_group(make_twins: MakeTwins) -> None:
    """The other members announce their addresses too, as their own words have it."""

    def companion(vrid: int) -> str:
        return (
            f"vrrp_instance VI_2 {{\n  interface eth0\n  virtual_router_id {vrid + 10}\n  priority 100\n"
            f"  version 3\n  advert_int 1\n  {QUIET}garp_lower_prio_repeat 2\n  garp_lower_prio_delay 0\n"
            f"  virtual_ipaddress {{\n    192.0.2.{vrid + 89}/32\n  }}\n}}\n"
            "vrrp_sync_group G {\n  group {\n    VI_1\n    VI_2\n  }\n}\n"
        )

    twins = make_twins(LOWER, "", companion)
    twins.start()
    twins.lan.wait(lambda: all(node.states.get("VI_2") == "MASTER" for node in (twins.ours, twins.theirs)))
    twins.lan.pause(0.5)
    since = twins.hear(50)
    twins.lan.pause(2)
    for vrid in (51, 52):
        seen = announcements(twins, vrid, since)
        assert blocks_of(seen, "first", (0, 1)) == {0: 3, 1: 3}, (vrid, seen)
        assert blocks_of(seen, "companion", (0, 1)) == {0: 2}, (vrid, seen)


@pytest.mark.parametrize(
    ("lines", "head", "replies"),
    [
        pytest.param("", "", [], id="by-default"),
        pytest.param("higher_prio_send_advert on", "", [100], id="higher_prio_send_advert"),
        pytest.param("", "global_defs {\n  vrrp_higher_prio_send_advert\n}\n", [100], id="global"),
    ],
)
@pytest.mark.keyword("vrrp_instance/higher_prio_send_advert")
@pytest.mark.keyword("global_defs/vrrp_higher_prio_send_advert")
def test_master_hears_a_higher_priority(make_twins: MakeTwins, lines: str, head: str, replies: list[int]) -> None:
    twins = make_twins(lines, head)
    twins.start()
    twins.lan.pause(0.5)
    since = twins.hear(200)
    twins.lan.wait(lambda: {node.states["VI_1"] for node in (twins.ours, twins.theirs)} == {"BACKUP"})
    twins.lan.pause(0.5)
    assert twins.answers(since, 0.5) == {"ours": replies, "theirs": replies}


@pytest.mark.keyword("global_defs/vrrp_startup_delay")
def test_delayed_start(make_twins: MakeTwins) -> None:
    """Neither is heard of before the delay is over, and both become master one master down time later."""
    twins = make_twins("", "global_defs {\n  vrrp_startup_delay 3.5\n}\n")
    twins.start()
    twins.lan.wait(lambda: all(twins.recorder.of(source) for _, _, source in twins.nodes))
    for _, node, source in twins.nodes:
        assert node.said("Delaying startup for 3.5 seconds"), twins.lan.log()
        begin, end = (
            next(at for at, line in node.lines if word in line) for word in ("Delaying startup", "Entering MASTER")
        )
        assert 3.5 + 3 < (end - begin) / 1e9 < 3.5 + 3.6 + 3
        assert twins.recorder.of(source)[0].at > begin / 1e9 + 3.5


@pytest.mark.keyword("global_defs/log_unknown_vrids")
@pytest.mark.parametrize("head", ["", "global_defs {\n  log_unknown_vrids\n}\n"], ids=["quiet", "told"])
def test_adverts_of_unknown_routers(make_twins: MakeTwins, head: str) -> None:
    """Each twin is a stranger to the other."""
    twins = make_twins("", head)
    twins.start()
    twins.lan.pause(1.5)
    told = [
        node.said(f"VRID({vrid}) received on interface(eth0)") for vrid, node in ((52, twins.ours), (51, twins.theirs))
    ]
    assert told == [bool(head), bool(head)], twins.lan.log()


@pytest.mark.parametrize(
    ("head", "lines"),
    [
        ("global_defs {\n  vrrp_rx_bufs_policy ADVERT\n  vrrp_rx_bufs_multiplier 40\n}\n", ""),
        ("global_defs {\n  vrrp_rx_bufs_policy MTU\n  vrrp_rx_bufs_multiplier 5\n}\n", ""),
        ("global_defs {\n  vrrp_rx_bufs_policy 30000\n}\n", ""),
        ("", "kernel_rx_buf_size 50000"),
    ],
    ids=["adverts", "mtu", "bytes", "instance"],
)
@pytest.mark.keyword("global_defs/vrrp_rx_bufs_policy")
@pytest.mark.keyword("global_defs/vrrp_rx_bufs_multiplier")
@pytest.mark.keyword("vrrp_instance/kernel_rx_buf_size")
def test_room_for_received_adverts(make_twins: MakeTwins, head: str, lines: str) -> None:
    twins = make_twins(lines, head)
    twins.start()
    found = [_room(node) for node in (twins.ours, twins.theirs)]
    assert found[0] == found[1]
    assert len(found[0]) == 2


def _room(node: Node) -> list[int]:
    """Receive buffers of the raw sockets of the VRRP child, borrowed from it for a moment."""
    pid = node.pid_of("vrrp")
    libc = ctypes.CDLL(None, use_errno=True)
    process = os.pidfd_open(pid)
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        if not os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
            continue
        fd = libc.syscall(PIDFD_GETFD, process, int(name), 0)
        assert fd >= 0, os.strerror(ctypes.get_errno())
        with socket.socket(fileno=fd) as borrowed:
            if (borrowed.family, borrowed.type) == (socket.AF_INET, socket.SOCK_RAW):
                found.append(borrowed.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF))
    os.close(process)
    return sorted(found)


@pytest.mark.parametrize("lines", ["", "skip_check_adv_addr on"], ids=["compare", "skip"])
@pytest.mark.keyword("vrrp_instance/skip_check_adv_addr")
def test_backup_compares_addresses_of_its_master(make_twins: MakeTwins, lines: str) -> None:
    """The master's second advert has another address: told unless it need not be compared, and obeyed in any case."""
    twins = make_twins(lines)
    twins.start()
    twins.hear(200)
    twins.lan.wait(lambda: {node.states["VI_1"] for node in (twins.ours, twins.theirs)} == {"BACKUP"})
    # whose address list is known is whom a BACKUP has heard before
    twins.hear(200)
    twins.hear(200, second=170)
    twins.lan.pause(0.5)
    # one word of the line differs between versions
    assert [node.said("not present in") for node in (twins.ours, twins.theirs)] == [not lines, not lines], (
        twins.lan.log()
    )
    assert {node.states["VI_1"] for node in (twins.ours, twins.theirs)} == {"BACKUP"}
    assert run("ip", "-n", twins.ours.namespace.name, "-o", "addr").count("192.0.2.100") == 0
