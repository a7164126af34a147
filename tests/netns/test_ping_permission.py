"""net.ipv4.ping_group_range, which PING_CHECK widens: as it was before, however the checker process ends."""

from __future__ import annotations

import os
import signal

import pytest

from pykeepalived.lab.node import Node
from tests.netns.conftest import Lan, instance

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]

PINGS = """virtual_server 192.0.2.100 80 {
  protocol TCP
  real_server 192.0.2.9 80 {
    PING_CHECK {
    }
  }
}
"""
BEFORE, WIDENED = ["5", "77"], ["0", "77"]


def range_of(node: Node) -> list[str]:
    return node.namespace.run("cat", "/proc/sys/net/ipv4/ping_group_range").split()


@pytest.fixture
def node(lan: Lan) -> Node:
    a = lan.host(PINGS)
    a.namespace.run("sysctl", "-qw", "net.ipv4.ping_group_range=5 77")
    a.start()
    lan.wait(lambda: range_of(a) == WIDENED and a.said("Startup complete"))
    return a


@pytest.mark.keyword("virtual_server/real_server/PING_CHECK")
def test_given_back_at_stop_after_the_checker_was_killed(lan: Lan, node: Node) -> None:
    os.kill(node.pid_of("checkers"), signal.SIGKILL)
    lan.wait(lambda: sum("Starting Healthcheck" in line for _, line in node.lines) == 2)
    assert range_of(node) == WIDENED
    assert node.stop() == 0
    assert range_of(node) == BEFORE
    assert list(node.directory.glob("*.ping")) == []


@pytest.mark.parametrize(
    "config",
    [PINGS.replace("PING", "TCP"), instance(100), "global_defs {\n  router_id none\n}\n"],
    ids=["other-checks", "no-checks", "nothing"],
)
def test_given_back_by_the_next_daemon_that_pings_nobody(lan: Lan, node: Node, config: str) -> None:
    node.kill()
    assert range_of(node) == WIDENED
    node.config.write_text(config)
    node.start()
    lan.wait(lambda: range_of(node) == BEFORE)
    assert node.stop() == 0
    assert list(node.directory.glob("*.ping")) == []


def test_given_back_by_a_reload_without_pings_and_left_alone_when_somebody_changed_it(lan: Lan, node: Node) -> None:
    node.config.write_text(PINGS.replace("PING", "TCP"))
    node.reload()
    lan.wait(lambda: range_of(node) == BEFORE)
    node.config.write_text(PINGS)
    node.reload()
    lan.wait(lambda: range_of(node) == WIDENED)
    node.kill()
    node.namespace.run("sysctl", "-qw", "net.ipv4.ping_group_range=0 99")
    node.start()
    lan.wait(lambda: sum("Startup complete" in line for _, line in node.lines) == 2)
    assert node.stop() == 0
    assert range_of(node) == ["0", "99"]
