"""`pykeepalived metrics` of a running daemon: a scrape that a strict parser takes, with the figures of the moment."""

from __future__ import annotations

import subprocess

import pytest

from pykeepalived.lab.node import OURS, Node
from tests.netns.conftest import Lan, instance
from tests.observe.test_metrics import parse, value

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]


def metrics(node: Node) -> subprocess.CompletedProcess[str]:
    assert node.process is not None
    command = [*OURS, "metrics", "--main-pid", str(node.process.pid)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_metrics_of_a_master_and_of_nobody(lan: Lan) -> None:
    a = lan.host(instance(150))
    a.start()
    lan.wait(lambda: lan.is_master(a))
    lan.pause(1)
    done = metrics(a)
    assert done.returncode == 0, done.stderr
    samples = parse(done.stdout)
    assert value(samples, "up", process="vrrp") == 1
    assert value(samples, "up", process="bfd") == 0
    assert value(samples, "vrrp_state", iname="VI_1", intf="eth0", vrid="51", ip_address="192.0.2.100") == 2
    sent = value(samples, "advertisements_sent_total", iname="VI_1", intf="eth0", vrid="51")
    assert sent >= 3
    lan.pause(1)
    again = parse(metrics(a).stdout)
    assert value(again, "advertisements_sent_total", iname="VI_1", intf="eth0", vrid="51") > sent
    a.stop()
    gone = metrics(a)
    assert (gone.returncode, gone.stdout) == (2, "")
    assert "no daemon answers" in gone.stderr
