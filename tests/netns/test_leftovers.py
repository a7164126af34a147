"""What a killed predecessor left is taken over where it is wanted, else removed; what is somebody's stays.

For iptables and IP sets see test_iptables.py, for kernel parameters test_objects.py.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from pykeepalived.lab.net import Namespace
from pykeepalived.lab.node import Node
from tests.netns.conftest import Lan, instance

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]


@dataclass(frozen=True)
class Kind:
    """Configuration lines that make a master own such an object; commands that make one of somebody's, as similar as
    can be; how to list them all; whether a line is ours."""

    lines: str
    foreign: str
    listing: str
    ours: str
    stays: bool = False
    """It belongs to the configuration, not to the mastership."""


KINDS = {
    "address": Kind(
        "virtual_ipaddress_excluded {\n    192.0.2.150\n  }",
        "ip address add 192.0.2.151/32 dev eth0",
        "ip -o address show dev eth0",
        " 192.0.2.150/32 ",
    ),
    "route": Kind(
        "virtual_routes {\n    10.9.0.0/16 via 192.0.2.254 dev eth0\n  }",
        "ip route add 10.8.0.0/16 via 192.0.2.254 dev eth0 proto 18",
        "ip route show",
        "10.9.0.0/16",
    ),
    "rule": Kind(
        "virtual_rules {\n    from 10.9.0.0/16 table 100 priority 77\n  }",
        "ip rule add from 10.9.0.0/16 table 100 priority 78",
        "ip rule show",
        "77:",
    ),
    "link": Kind(
        "use_vmac",
        "ip link add vrrp.52 link eth0 address 00:00:5e:00:01:34 type macvlan mode private",
        "ip -o link show type macvlan",
        "vrrp.51@",
        stays=True,
    ),
    "table": Kind(
        "no_accept",
        "nft add table ip site",
        "nft list tables",
        "table ip keepalived",
    ),
}
every_kind = pytest.mark.parametrize("kind", [pytest.param(kind, id=name) for name, kind in KINDS.items()])


def listed(host: Namespace, kind: Kind) -> tuple[list[str], list[str]]:
    """(ours, those of others)."""
    lines = host.run(*kind.listing.split()).splitlines()
    return [line for line in lines if kind.ours in line], [line for line in lines if kind.ours not in line]


def master(lan: Lan, kind: Kind) -> tuple[Node, list[str]]:
    """A master that owns such an object, beside one of somebody's; and what is not ours."""
    a = lan.host(instance(150, kind.lines))
    before = a.namespace.run(*kind.listing.split())
    a.namespace.run(*kind.foreign.split())
    assert a.namespace.run(*kind.listing.split()) != before
    a.start()
    lan.wait(lambda: lan.is_master(a) and len(listed(a.namespace, kind)[0]) == 1)
    return a, listed(a.namespace, kind)[1]


def without(lines: list[str], *gone: str) -> list[str]:
    """Lines, but for those of the virtual address itself."""
    return [line for line in lines if not any(word in line for word in gone)]


@every_kind
def test_those_of_others_stay_at_stop(lan: Lan, kind: Kind) -> None:
    a, foreign = master(lan, kind)
    assert a.stop() == 0
    ours, others = listed(a.namespace, kind)
    assert ours == []
    assert others == without(foreign, "192.0.2.100")


@every_kind
def test_what_a_killed_daemon_left_goes_unless_it_is_wanted(lan: Lan, kind: Kind) -> None:
    a, foreign = master(lan, kind)
    a.kill()
    left = listed(a.namespace, kind)[0]
    assert len(left) == 1
    a.config.write_text(instance(150, f"{kind.lines}\n  version 3\n  advert_int 20"))
    a.start()
    lan.wait(lambda: a.states.get("VI_1") == "BACKUP")
    lan.wait(lambda: listed(a.namespace, kind)[0] == (left if kind.stays else []))
    assert without(listed(a.namespace, kind)[1], "192.0.2.100") == without(foreign, "192.0.2.100")


@every_kind
def test_what_a_killed_child_left_is_taken_over(lan: Lan, kind: Kind) -> None:
    """It is not even taken away for a moment, but for the table: that is replaced in one transaction."""
    a, foreign = master(lan, kind)
    ours = listed(a.namespace, kind)[0]
    with monitor(a.namespace) as deleted:
        lan.pause(0.3)
        os.kill(a.pid_of("vrrp"), signal.SIGKILL)
        lan.wait(lambda: sum("Starting VRRP child process" in line for _, line in a.lines) == 2)
        lan.pause(1)
        assert listed(a.namespace, kind) == (ours, foreign)
        assert deleted() == []
    assert lan.is_master(a)


class monitor:  # noqa: N801
    """Writes down what is deleted: `with monitor(host) as deleted: ...; deleted()`."""

    def __init__(self, host: Namespace) -> None:
        words = ["ip", "monitor", "address", "route", "rule", "link"]
        self._process = host.spawn(words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)

    def __enter__(self) -> Callable[[], list[str]]:
        return self._deleted

    def _deleted(self) -> list[str]:
        self._process.terminate()
        text = self._process.communicate(timeout=10)[0].decode()
        return [line for line in text.splitlines() if "Deleted" in line]

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)
