"""Trackers of files, processes and source addresses in a pair of one of ours and one of the C daemon: the master loses
its rank or fails, the other takes over, and it goes back."""

from __future__ import annotations

import os
import shutil

import pytest

from pykeepalived.lab.node import OURS, Node
from tests.interop.conftest import C_DAEMON, MakePair
from tests.interop.test_features import Programs, block, moves, start

pytestmark = [pytest.mark.netns, pytest.mark.interop, pytest.mark.timeout(180)]


@pytest.mark.keyword("vrrp_instance/track_file")
@pytest.mark.keyword("track_file/file")
@pytest.mark.keyword("track_file/weight")
@pytest.mark.parametrize(("value", "state"), [("-60", "BACKUP"), ("-254", "FAULT")], ids=["weight", "fault"])
def test_tracked_file(make_pair: MakePair, programs: Programs, value: str, state: str) -> None:
    pair = make_pair("", "", *programs)
    file = pair.a.directory.parent / "tracked"
    file.write_text("0\n")
    head = f"vrrp_track_file F {{\n  file {file}\n  weight 1\n}}\n"
    pair.a.config.write_text(head + block(150, "track_file {\n    F\n  }"))
    pair.b.config.write_text(block(100))
    start(pair)
    file.write_text(f"{value}\n")
    moves(pair, "b")
    assert pair.a.states["VI_1"] == state
    file.write_text("0\n")
    moves(pair, "a")


@pytest.mark.keyword("vrrp_instance/track_process")
@pytest.mark.keyword("vrrp_track_process/process")
@pytest.mark.parametrize("weight", [0, 60], ids=["fault", "weight"])
def test_tracked_process(make_pair: MakePair, programs: Programs, weight: int) -> None:
    try:
        os.close(os.open("/proc/1/ns/net", os.O_RDONLY))
    except OSError:
        pytest.skip("the kernel tells of processes in the initial network namespace only, and that is out of reach")
    pair = make_pair("", "", *programs)
    # a name that nobody else on this machine has
    program = pair.a.directory.parent / "pk-tracked"
    shutil.copy("/usr/bin/sleep", program)
    head = f"vrrp_track_process P {{\n  process {program.name}\n  weight {weight}\n}}\n"
    pair.a.config.write_text(head + block(80 if weight else 150, "track_process {\n    P\n  }"))
    pair.b.config.write_text(block(100))
    tracked = pair.a.namespace.spawn([str(program), "600"])
    try:
        start(pair)
        tracked.kill()
        tracked.wait(10)
        moves(pair, "b")
        assert pair.a.states["VI_1"] == ("BACKUP" if weight else "FAULT")
        tracked = pair.a.namespace.spawn([str(program), "600"])
        moves(pair, "a")
    finally:
        tracked.kill()
        tracked.wait(10)


@pytest.mark.keyword("vrrp_instance/track_src_ip")
def test_tracked_source_address(make_pair: MakePair) -> None:
    """Ours alone: the C daemon of the distribution does not notice."""
    pair = make_pair("", "", OURS, C_DAEMON)
    pair.a.config.write_text(block(150, "mcast_src_ip 192.0.2.11\n  track_src_ip"))
    pair.b.config.write_text(block(100))
    pair.a.namespace.ip("address", "add", "192.0.2.11/32", "dev", "eth0")
    start(pair)
    pair.a.namespace.ip("address", "del", "192.0.2.11/32", "dev", "eth0")
    moves(pair, "b")
    assert pair.a.states["VI_1"] == "FAULT"
    pair.a.namespace.ip("address", "add", "192.0.2.11/32", "dev", "eth0")
    moves(pair, "a")


@pytest.mark.keyword("vrrp_sync_group/track_file")
@pytest.mark.keyword("vrrp_sync_group/sync_group_tracking_weight")
@pytest.mark.parametrize(("value", "state"), [("-60", "BACKUP"), ("-254", "FAULT")], ids=["weight", "fault"])
def test_tracked_by_the_group(make_pair: MakePair, programs: Programs, value: str, state: str) -> None:
    """What a sync group tracks counts for all its members."""
    pair = make_pair("", "", *programs)
    file = pair.a.directory.parent / "tracked"
    file.write_text("0\n")
    head = f"vrrp_track_file F {{\n  file {file}\n  weight 1\n}}\n"
    tracking = "sync_group_tracking_weight\n  track_file {\n    F\n  }"
    for node, priority, lines in ((pair.a, 150, tracking), (pair.b, 100, "")):
        group = f"vrrp_sync_group G {{\n  group {{\n    VI_1\n    VI_2\n  }}\n  {lines}\n}}\n"
        members = block(priority) + block(priority, name="VI_2", vrid=52)
        node.config.write_text((head if lines else "") + group + members)

    def all_on(master: Node, other: Node, left: str) -> bool:
        return set(master.states.values()) == {"MASTER"} and set(other.states.values()) == {left}

    start(pair)
    assert pair.wait(lambda: all_on(pair.a, pair.b, "BACKUP")), pair.log()
    file.write_text(f"{value}\n")
    assert pair.wait(lambda: all_on(pair.b, pair.a, state)), pair.log()
    file.write_text("0\n")
    assert pair.wait(lambda: all_on(pair.a, pair.b, "BACKUP")), pair.log()
