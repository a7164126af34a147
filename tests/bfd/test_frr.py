"""Our daemon against FRR's bfdd, with real packets between namespaces."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bfd.frr import INSTALLED, frr_config
from tests.bfd.neighbors import Line, downs, line, ours, slower, state

pytestmark = [
    pytest.mark.netns,
    pytest.mark.interop,
    pytest.mark.skipif(os.geteuid() != 0 or not INSTALLED, reason="needs root and FRR"),
]

FAMILIES = [
    pytest.param(ours(), frr_config(), id="ipv4"),
    pytest.param(ours("fd99::2", "fd99::1", extra="hoplimit 255"), frr_config("fd99::1", "fd99::2"), id="ipv6"),
    pytest.param(ours(extra="multihop\n max_hops -1"), frr_config(multihop=True), id="multihop"),
]


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[Line]:
    with line(tmp_path) as made:
        yield made


@pytest.mark.parametrize(("our_config", "their_config"), FAMILIES)
def test_up_cut_and_up_again(lan: Line, our_config: str, their_config: str) -> None:
    neighbor = lan.start_frr(their_config)
    node = lan.daemon("a", our_config)
    assert lan.wait(lambda: state(node) == neighbor.state() == "Up"), lan.log()
    lan.pause(1)
    assert not downs(node), lan.log()
    lan.cut()
    assert lan.wait(lambda: state(node) == neighbor.state() == "Down"), lan.log()
    assert "Control Detection Time Expired" in downs(node)[-1]
    lan.heal()
    assert lan.wait(lambda: state(node) == neighbor.state() == "Up"), lan.log()


@pytest.mark.parametrize(("our_config", "their_config"), FAMILIES)
def test_taken_down_on_purpose_and_up_again_in_one_round(lan: Line, our_config: str, their_config: str) -> None:
    """After "no shutdown" FRR goes on with packets at full pace: they must keep the session in Init alive."""
    neighbor = lan.start_frr(their_config)
    node = lan.daemon("a", our_config)
    assert lan.wait(lambda: state(node) == neighbor.state() == "Up"), lan.log()
    lan.pause(1)
    neighbor.configure("shutdown")
    assert lan.wait(lambda: state(node) == "Down" and neighbor.state() == "Shutdown"), lan.log()
    assert "Local diagnostic - Neighbor Signaled Session Down" in downs(node)[-1]
    assert not node.said("(b1) Expired after"), lan.log()
    neighbor.configure("no shutdown")
    assert lan.wait(lambda: state(node) == neighbor.state() == "Up"), lan.log()
    lan.pause(1)
    assert len(downs(node)) == 1, lan.log()


@pytest.mark.parametrize(("our_config", "their_config"), FAMILIES)
def test_both_change_their_intervals(lan: Line, our_config: str, their_config: str) -> None:
    neighbor = lan.start_frr(their_config)
    node = lan.daemon("a", our_config)
    assert lan.wait(lambda: state(node) == neighbor.state() == "Up"), lan.log()
    neighbor.configure("transmit-interval 250", "receive-interval 250")
    assert lan.wait(lambda: node.said("Detection time is 750000 us (was 300000 us)")), lan.log()
    node.config.write_text(slower(our_config))
    node.reload()
    assert lan.wait(lambda: node.said("Detection time is 1200000 us (was 750000 us)")), lan.log()
    assert lan.wait(lambda: neighbor.session()["remote-transmit-interval"] == 400), lan.log()
    assert neighbor.session()["remote-receive-interval"] == 400
    lan.pause(2)
    assert not downs(node), lan.log()
    assert neighbor.state() == "Up"


@pytest.mark.parametrize(("our_config", "their_config"), FAMILIES)
def test_reloads_on_both_sides_keep_the_session(lan: Line, our_config: str, their_config: str) -> None:
    """A reload of FRR gives it the commands of its file again."""
    neighbor = lan.start_frr(their_config)
    node = lan.daemon("a", our_config)
    assert lan.wait(lambda: state(node) == neighbor.state() == "Up"), lan.log()
    lan.pause(1)
    changes = len(neighbor.changes)
    for _ in range(5):
        node.reload()
        neighbor.configure("detect-multiplier 3", "receive-interval 100", "transmit-interval 100", "no shutdown")
        lan.pause(0.2)
    assert node.said("Reload finished in"), lan.log()
    assert not downs(node) and len(neighbor.changes) == changes, lan.log()
    assert neighbor.state() == "Up"


def test_frr_is_killed_and_ours_is_stopped(lan: Line) -> None:
    neighbor = lan.start_frr(frr_config())
    node = lan.daemon("a", ours())
    assert lan.wait(lambda: state(node) == neighbor.state() == "Up"), lan.log()
    assert node.stop() == 0
    assert lan.wait(lambda: neighbor.state() == "Down"), lan.log()
    node.start()
    assert lan.wait(lambda: state(node) == neighbor.state() == "Up"), lan.log()
    before = len(downs(node))
    neighbor.processes[-1].send_signal(signal.SIGKILL)
    assert lan.wait(lambda: len(downs(node)) > before), lan.log()
