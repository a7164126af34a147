"""A flood of junk on the wire: the kernel is asked to drop it, and what matters is heard all the same."""

from __future__ import annotations

import socket
import struct

import pytest

from pykeepalived.lab.node import Node
from tests.netns.conftest import Lan, advert, instance
from tests.netns.faults import received, start_flood

pytestmark = [pytest.mark.netns, pytest.mark.slow]

GROUP6 = socket.inet_pton(socket.AF_INET6, "ff02::12")


def junk4() -> bytes:
    return advert("192.0.2.66", 77, 255, 20, ["192.0.2.100"])


def junk6() -> bytes:
    """A version-3 advert of another router with a right checksum (RFC 9568, RFC 8200 section 8.1)."""
    source = socket.inet_pton(socket.AF_INET6, "fe80::66")
    body = bytearray(struct.pack("!BBBBHH", 0x31, 77, 255, 1, 20, 0) + source)
    words = source + GROUP6 + struct.pack("!IxxxB", len(body), 112) + bytes(body)
    struct.pack_into("!H", body, 6, 0xFFFF - int.from_bytes(words, "big") % 0xFFFF)
    head = struct.pack("!IHBB", 6 << 28, len(body), 112, 255) + source + GROUP6
    return b"\x33\x33\x00\x00\x00\x12" + b"\x02\0\0\0\0\x99" + b"\x86\xdd" + head + bytes(body)


def overflows(node: Node, family: int) -> int:
    """Datagrams that found no room in the receive sockets; those the program refused are not among them."""
    table = node.namespace.run("cat", "/proc/net/raw" if family == 4 else "/proc/net/raw6").splitlines()[1:]
    return sum(int(line.split()[-1]) for line in table)


@pytest.mark.parametrize("family", [4, 6])
def test_junk_is_dropped_by_the_kernel_and_the_farewell_is_heard(lan: Lan, family: int) -> None:
    lines = "version 3\n  advert_int 0.3\n  native_ipv6\n" if family == 6 else "version 3\n  advert_int 0.3\n"
    vip = "fe80::100/64" if family == 6 else "192.0.2.100/32"
    a, b = (lan.host(instance(priority, lines, vip=vip)) for priority in (150, 100))
    a.start()
    lan.wait(lambda: lan.is_master(a))
    b.start()
    lan.wait(lambda: b.states.get("VI_1") == "BACKUP")
    lan.net.segment("lan")
    before = {node.name: received(node) for node in (a, b)}
    frame = junk6() if family == 6 else junk4()
    assert start_flood(lan, [frame], 2).wait(60) == 0
    for node in (a, b):
        lan.wait(lambda node=node: node.said("unusable packets in less than 100 ms"))  # type: ignore[misc]
        told = sum("unusable packets" in line for _, line in node.lines)
        assert told == 1, "once for the whole flood"
        came, lost = received(node) - before[node.name], overflows(node, family)
        print(f"{node.name}: {came} packets in 2 s, {lost} of them found no room")
        assert lost < came / 5, "without the kernel's help it is half of them"
    lan.wait(lambda: lan.is_master(a) and b.states.get("VI_1") == "BACKUP")
    a.stop()
    lan.wait(lambda: lan.is_master(b))
    assert b.said("Backup received priority 0 advertisement"), "heard, though the guard may still be up"
