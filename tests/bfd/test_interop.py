"""Our daemon against BIRD and Debian's keepalived, with real packets between namespaces."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bfd.neighbors import C_DAEMON, Line, bird, downs, line, ours, slower, state

pytestmark = [
    pytest.mark.netns,
    pytest.mark.interop,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("keepalived") or not shutil.which("bird"),
        reason="needs root, keepalived and BIRD",
    ),
]

FAMILIES = [
    pytest.param(ours(), bird(), id="ipv4"),
    pytest.param(
        ours("fd99::2", "fd99::1", extra="hoplimit 255"),
        bird("fd99::1", "fd99::2"),
        id="ipv6",
        marks=pytest.mark.keyword("bfd_instance/hoplimit"),
    ),
    pytest.param(
        ours(extra="multihop\n max_hops -1"),
        bird(multihop=True),
        id="multihop",
        marks=[pytest.mark.keyword("bfd_instance/multihop"), pytest.mark.keyword("bfd_instance/max_hops")],
    ),
]


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[Line]:
    with line(tmp_path) as made:
        yield made


@pytest.mark.keyword("bfd_instance")
@pytest.mark.keyword("bfd_instance/neighbor_ip")
@pytest.mark.keyword("bfd_instance/source_ip")
@pytest.mark.parametrize(("our_config", "bird_config"), FAMILIES)
def test_bird_up_cut_and_up_again(lan: Line, our_config: str, bird_config: str) -> None:
    neighbor = lan.start_bird(bird_config)
    node = lan.daemon("a", our_config)
    assert lan.wait(lambda: state(node) == "Up" and neighbor.state() == "Up"), lan.log()
    lan.pause(1)
    assert not downs(node), lan.log()
    lan.cut()
    assert lan.wait(lambda: state(node) == "Down" and neighbor.state() != "Up"), lan.log()
    silences = [int(ms) for _, text in node.lines for ms in re.findall(r"\(b1\) Expired after (\d+) ms", text)]
    assert silences and min(silences) >= 300, lan.log()
    assert "Control Detection Time Expired" in downs(node)[-1]
    lan.heal()
    assert lan.wait(lambda: state(node) == "Up" and neighbor.state() == "Up"), lan.log()


@pytest.mark.parametrize(("our_config", "bird_config"), FAMILIES)
def test_bird_changes_its_intervals_and_ours_change_by_reload(lan: Line, our_config: str, bird_config: str) -> None:
    neighbor = lan.start_bird(bird_config)
    node = lan.daemon("a", our_config)
    assert lan.wait(lambda: state(node) == "Up" and neighbor.state() == "Up"), lan.log()
    neighbor.configure(bird_config.replace("100 ms", "250 ms"))
    assert lan.wait(lambda: node.said("Detection time is 750000 us (was 300000 us)")), lan.log()
    assert neighbor.interval() == 0.25
    node.config.write_text(slower(our_config))
    node.reload()
    assert lan.wait(lambda: node.said("Detection time is 1200000 us (was 750000 us)")), lan.log()
    assert lan.wait(lambda: neighbor.interval() == 0.4), lan.log()
    lan.pause(2)
    assert not downs(node), lan.log()
    assert neighbor.state() == "Up"


@pytest.mark.parametrize(("our_config", "bird_config"), FAMILIES)
def test_reloads_on_both_sides_keep_the_session(lan: Line, our_config: str, bird_config: str) -> None:
    neighbor = lan.start_bird(bird_config)
    node = lan.daemon("a", our_config)
    assert lan.wait(lambda: state(node) == "Up" and neighbor.state() == "Up"), lan.log()
    for _ in range(10):
        node.reload()
        neighbor.configure(bird_config)
        lan.pause(0.2)
    assert sum("Reload finished in" in text for _, text in node.lines) >= 1, lan.log()
    assert not downs(node), lan.log()
    assert neighbor.state() == "Up"


@pytest.mark.parametrize(("our_config", "bird_config"), FAMILIES)
def test_bird_is_disabled_and_ours_is_stopped(lan: Line, our_config: str, bird_config: str) -> None:
    """Neither says a word: BIRD sends no AdminDown when its protocol is disabled."""
    neighbor = lan.start_bird(bird_config)
    node = lan.daemon("a", our_config)
    assert lan.wait(lambda: state(node) == "Up" and neighbor.state() == "Up"), lan.log()
    neighbor.birdc("disable", "b1")
    assert lan.wait(lambda: state(node) == "Down"), lan.log()
    assert "Local diagnostic - Control Detection Time Expired" in downs(node)[-1]
    neighbor.birdc("enable", "b1")
    assert lan.wait(lambda: state(node) == "Up" and neighbor.state() == "Up"), lan.log()
    assert node.stop() == 0
    assert lan.wait(lambda: neighbor.state() != "Up"), lan.log()


@pytest.mark.parametrize(
    ("near", "far"),
    [
        pytest.param(ours(), ours("10.99.0.1", "10.99.0.2"), id="ipv4"),
        pytest.param(ours("fd99::2", "fd99::1"), ours("fd99::1", "fd99::2"), id="ipv6-default-hoplimit"),
        pytest.param(
            ours(extra="passive"),
            ours("10.99.0.1", "10.99.0.2"),
            id="passive",
            marks=pytest.mark.keyword("bfd_instance/passive"),
        ),
    ],
)
@pytest.mark.parametrize("program", ["ours", "theirs"])
def test_keepalived_and_ourselves(lan: Line, near: str, far: str, program: str) -> None:
    node = lan.daemon("a", near)
    other = lan.daemon("b", far, **({"program": C_DAEMON} if program == "theirs" else {}))
    assert lan.wait(lambda: state(node) == state(other) == "Up"), lan.log()
    lan.pause(1)
    assert not downs(node) and not downs(other), lan.log()
    lan.cut()
    assert lan.wait(lambda: state(node) == state(other) == "Down"), lan.log()
    lan.heal()
    assert lan.wait(lambda: state(node) == state(other) == "Up"), lan.log()
    assert other.stop() == 0
    assert lan.wait(lambda: state(node) == "Down"), lan.log()


def test_the_death_of_the_bfd_child_is_survived(lan: Line) -> None:
    neighbor = lan.start_bird(bird())
    node = lan.daemon("a", ours())
    assert lan.wait(lambda: state(node) == "Up" and neighbor.state() == "Up"), lan.log()
    first = node.pid_of("bfd")
    ups = sum("Entering Up" in text for _, text in node.lines)
    os.kill(first, signal.SIGKILL)
    assert lan.wait(lambda: sum("Entering Up" in text for _, text in node.lines) > ups), lan.log()
    assert lan.wait(lambda: neighbor.state() == "Up"), lan.log()
    assert node.pid_of("bfd") != first


def test_a_taken_port_ends_the_daemon_with_status_1(lan: Line) -> None:
    code = (
        "import socket,time\n"
        "s=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM)\n"
        "s.bind(('::',3784))\n"
        "print('ok',flush=True)\n"
        "time.sleep(60)\n"
    )
    holder = lan.a.spawn(["python3", "-c", code], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == b"ok\n"
        node = lan.daemon("a", ours())
        assert lan.wait(lambda: not node.alive), lan.log()
        assert node.process is not None and node.process.returncode == 1
        assert node.said("bind() error 98 (Address already in use)")
        assert node.said("Unable to open listening socket")
    finally:
        holder.kill()
        holder.wait()


def test_source_ports_are_those_of_the_rfc_and_survive_a_reload(lan: Line) -> None:
    node = lan.daemon("a", ours().replace(" source_ip 10.99.0.1\n", ""))
    listener = lan.b.spawn(["python3", "-c", PORTS], stdout=subprocess.PIPE)
    assert listener.stdout is not None
    before = int(listener.stdout.readline())
    node.reload()
    assert lan.wait(lambda: node.said("Reload finished in")), lan.log()
    after = int(listener.stdout.readline())
    listener.wait(10)
    assert before == after
    assert 49152 <= before <= 65535


PORTS = (
    "import socket,time\n"
    "s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n"
    "s.bind(('10.99.0.2',3784))\n"
    "print(s.recvfrom(64)[1][1],flush=True)\n"
    "time.sleep(1.5)\n"
    "s.setblocking(False)\n"
    "last=None\n"
    "try:\n"
    "    while True: last=s.recvfrom(64)[1][1]\n"
    "except BlockingIOError: pass\n"
    "print(last,flush=True)\n"
)


def test_the_dump_tells_the_session(lan: Line) -> None:
    neighbor = lan.start_bird(bird())
    node = lan.daemon("a", ours())
    assert lan.wait(lambda: state(node) == "Up" and neighbor.state() == "Up"), lan.log()
    lan.pause(0.5)
    file = node.directory / "keepalived_bfd.data"
    os.kill(node.pid_of("bfd"), signal.SIGUSR1)
    assert lan.wait(file.exists), lan.log()
    assert node.said(f"Printing BFD data for process({node.pid_of('bfd')}) on signal")
    text = file.read_text()
    for expected in (
        " BFD Instance = b1\n",
        "   Neighbor IP = 10.99.0.2\n",
        "   local state = Up\n",
        "   remote state = Up\n",
        "   remote min tx intv = 100000 us\n",
        "   local detection time = 300000 us\n",
        "   !poll, !final\n",
    ):
        assert expected in text, text
    assert not downs(node)


TRACKING = """
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    track_bfd {
        b1
    }
}
vrrp_instance VI_2 {
    interface eth0
    virtual_router_id 52
    track_bfd {
        b1 weight 20
    }
}
vrrp_instance VI_3 {
    interface eth0
    virtual_router_id 53
    track_bfd {
        b1 weight -30
    }
}
"""


@pytest.mark.keyword("vrrp_instance/track_bfd")
@pytest.mark.keyword("bfd_instance/weight")
def test_vrrp_follows_the_session_whoever_is_killed(lan: Line) -> None:
    neighbor = lan.start_bird(bird())
    node = lan.daemon("a", ours(extra="weight -7") + TRACKING.replace("b1 weight -30", "b1"))
    assert lan.wait(lambda: state(node) == "Up" and neighbor.state() == "Up"), lan.log()
    assert lan.wait(lambda: node.said("(VI_2) Changing effective priority from 100 to 120")), lan.log()
    assert node.said("(VI_1) Changing effective priority from 93 to 100"), lan.log()
    lan.cut()
    assert lan.wait(lambda: node.said("(VI_2) Changing effective priority from 120 to 100")), lan.log()
    assert lan.wait(lambda: node.said("(VI_3) Changing effective priority from 100 to 93")), lan.log()
    assert lan.wait(lambda: state(node) == "Down"), lan.log()
    lan.heal()
    assert lan.wait(lambda: state(node) == "Up"), lan.log()
    before = len(node.lines)
    os.kill(node.pid_of("vrrp"), signal.SIGKILL)
    told = "Received BFD event: instance b1 is in state Up"
    assert lan.wait(lambda: any(told in text for _, text in node.lines[before:])), lan.log()
    assert not any("in state Down" in text for _, text in node.lines[before:]), lan.log()


def test_a_successor_passes_over_what_its_predecessor_left_in_the_pipe(lan: Line) -> None:
    neighbor = lan.start_bird(bird())
    node = lan.daemon("a", ours() + TRACKING)
    assert lan.wait(lambda: state(node) == "Up" and neighbor.state() == "Up"), lan.log()
    assert lan.wait(lambda: node.said("Received BFD event: instance b1 is in state Up")), lan.log()
    predecessor = node.pid_of("vrrp")
    os.kill(predecessor, signal.SIGSTOP)
    lan.cut()
    assert lan.wait(lambda: state(node) == "Down"), lan.log()
    lan.heal()
    assert lan.wait(lambda: state(node) == "Up"), lan.log()
    before = len(node.lines)
    os.kill(predecessor, signal.SIGKILL)
    told = "Received BFD event: instance b1 is in state "
    assert lan.wait(lambda: any(told in text for _, text in node.lines[before:])), lan.log()
    lan.pause(0.5)
    assert not any(f"{told}Down" in text for _, text in node.lines[before:]), lan.log()


@pytest.mark.parametrize(
    ("near", "far"),
    [
        pytest.param(ours(), ours("10.99.0.1", "10.99.0.2"), id="ipv4"),
        pytest.param(ours("fd99::2", "fd99::1"), ours("fd99::1", "fd99::2"), id="ipv6"),
    ],
)
def test_keepalived_reloads_with_other_intervals(lan: Line, near: str, far: str) -> None:
    """It comes back from another source port."""
    node = lan.daemon("a", near)
    other = lan.daemon("b", far, program=C_DAEMON)
    assert lan.wait(lambda: state(node) == state(other) == "Up"), lan.log()
    other.config.write_text(slower(far, 250))
    other.reload()
    assert lan.wait(lambda: node.said("Detection time is 750000 us (was 300000 us)")), lan.log()
    node.config.write_text(slower(near))
    node.reload()
    assert lan.wait(lambda: other.said("Detection time is 1200000 us")), lan.log()
    lan.pause(2)
    assert not downs(node) and not downs(other), lan.log()


@pytest.mark.keyword("bfd_instance/multihop")
def test_ours_on_both_sides_of_several_hops(lan: Line) -> None:
    """Debian's keepalived does not know the word."""
    extra = "multihop\n max_hops 5"
    node = lan.daemon("a", ours(extra=extra))
    other = lan.daemon("b", ours("10.99.0.1", "10.99.0.2", extra=extra))
    assert lan.wait(lambda: state(node) == state(other) == "Up"), lan.log()
    node.config.write_text(ours(interval=400, extra=extra))
    node.reload()
    assert lan.wait(lambda: other.said("Detection time is 1200000 us (was 300000 us)")), lan.log()
    lan.cut()
    assert lan.wait(lambda: state(node) == state(other) == "Down"), lan.log()
    lan.heal()
    assert lan.wait(lambda: state(node) == state(other) == "Up"), lan.log()
