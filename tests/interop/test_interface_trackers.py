"""What interfaces do to a pair of one of ours and one of the C daemon: delays of their state, polled link beats, static
objects whose interface a group tracks."""

from __future__ import annotations

import pytest

from tests.interop.conftest import MakePair
from tests.interop.test_features import Programs, block, moves, second_segment, start

pytestmark = [pytest.mark.netns, pytest.mark.interop, pytest.mark.timeout(180)]


@pytest.mark.keyword("interface_up_down_delays")
def test_delayed_states(make_pair: MakePair, programs: Programs) -> None:
    """Less than the delay is nothing; more than it is a fault, and so is what comes back for as long as its delay."""
    delays = "interface_up_down_delays {\n  eth1 2 3\n}\n"
    lines = "track_interface {\n    eth1\n  }"
    pair = make_pair(delays + block(150, lines), block(100), *programs)
    second_segment(pair)
    start(pair)
    pair.a.namespace.carrier("eth1", False)
    pair.pause(1)
    pair.a.namespace.carrier("eth1", True)
    pair.pause(2.5)
    assert pair.masters() == ["a"]
    pair.a.namespace.carrier("eth1", False)
    pair.pause(1)
    assert pair.masters() == ["a"]
    moves(pair, "b")
    assert pair.a.states["VI_1"] == "FAULT"
    pair.a.namespace.carrier("eth1", True)
    pair.pause(2)
    assert pair.a.states["VI_1"] == "FAULT"
    moves(pair, "a")


@pytest.mark.keyword("linkbeat_interfaces")
@pytest.mark.parametrize("method", ["", "ETHTOOL"])
def test_polled_link_beat(make_pair: MakePair, programs: Programs, method: str) -> None:
    head = f"linkbeat_interfaces {{\n  eth1 {method}\n}}\n"
    pair = make_pair(head + block(150, "track_interface {\n    eth1\n  }"), block(100), *programs)
    second_segment(pair)
    start(pair)
    pair.pause(1.5)
    assert pair.masters() == ["a"]
    pair.a.namespace.carrier("eth1", False)
    moves(pair, "b")
    assert pair.a.states["VI_1"] == "FAULT"
    # netlink is the first to tell ours; the C daemon does not listen to it then
    assert pair.a.said(" reports eth1 down"), pair.log()
    pair.a.namespace.carrier("eth1", True)
    moves(pair, "a")
    assert pair.a.said(" reports eth1 up"), pair.log()


@pytest.mark.keyword("track_group/group")
@pytest.mark.keyword("static_routes:track_group")
def test_static_objects_of_a_group(make_pair: MakePair, programs: Programs) -> None:
    """The interface of a static route is tracked by the instances of its group; the route is there all the time."""
    head = (
        "track_group T {\n  group {\n    VI_1\n  }\n}\n"
        "static_routes {\n  10.9.0.0/16 via 198.51.100.9 dev eth1 track_group T\n}\n"
    )
    pair = make_pair(head + block(150), block(100), *programs)
    second_segment(pair)
    start(pair)
    assert "10.9.0.0/16" in pair.a.namespace.ip("route", "show")
    pair.a.namespace.carrier("eth1", False)
    moves(pair, "b")
    assert pair.a.states["VI_1"] == "FAULT"
    pair.a.namespace.carrier("eth1", True)
    moves(pair, "a")
    assert pair.wait(lambda: "10.9.0.0/16" in pair.a.namespace.ip("route", "show")), pair.log()
    assert pair.a.stop() == 0
    assert "10.9.0.0/16" not in pair.a.namespace.ip("route", "show")
