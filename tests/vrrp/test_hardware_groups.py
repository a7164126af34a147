"""What interfaces below VMACs let pass, as the kernel lists it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from pykeepalived.config.model.values import Ip
from pykeepalived.vrrp.sockets import HardwareGroups

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

GROUP, OTHER = Ip.parse("239.77.0.18"), Ip.parse("ff02::77:12")
MACS = {GROUP: "01005e4d0012", OTHER: "333300770012"}


def listed(group: Ip) -> bool:
    """Whether lo lets the group pass; nobody else asks for these."""
    lines = Path("/proc/net/dev_mcast").read_text().splitlines()
    return any(line.split()[1::3] == ["lo", MACS[group]] for line in lines)


@pytest.mark.keyword("vrrp_instance/use_vmac")
def test_one_socket_holds_all_and_each_is_left_as_often_as_joined() -> None:
    lo = socket.if_nametoindex("lo")
    before = len(os.listdir("/proc/self/fd"))
    groups = HardwareGroups()
    for group in (GROUP, GROUP, OTHER):
        groups.join(lo, group)
    assert len(os.listdir("/proc/self/fd")) == before + 1
    assert listed(GROUP) and listed(OTHER)
    groups.leave(lo, GROUP)
    assert listed(GROUP)
    groups.leave(lo, GROUP)
    assert not listed(GROUP)
    assert listed(OTHER)
    groups.leave(lo, OTHER)
    assert not listed(OTHER)


def test_an_interface_that_is_gone_cannot_be_joined_and_need_not_be_left() -> None:
    groups = HardwareGroups()
    groups.leave(99999, GROUP)
    with pytest.raises(OSError, match="No such device"):
        groups.join(99999, GROUP)
    groups.leave(99999, GROUP)
