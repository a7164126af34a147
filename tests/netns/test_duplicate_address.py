"""A virtual IPv6 address that another host has: duplicate address detection (RFC 4862) finds it, or is left out."""

from __future__ import annotations

from typing import Any

import pytest

from pykeepalived.cli import control_commands
from pykeepalived.lab.net import Namespace
from pykeepalived.lab.node import Node
from tests.netns.conftest import Lan, instance

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]
SIX = "2001:db8:77::100"


def stranger(lan: Lan) -> Namespace:
    """A host that has the address and knows nothing of VRRP."""
    host = lan.net.namespace("stranger")
    lan.net.attach(host, "eth0", "lan", [f"{SIX}/64"], "02:00:00:00:00:99")
    return host


def asked(node: Node, command: str, *arguments: str) -> Any:
    """The answer of the daemon to its operator."""
    return control_commands.ask(f"{node.directory}/parent.sock", command, arguments)["result"]


def flags(host: Namespace) -> str:
    return host.ip("address", "show", "dev", "eth0", "to", SIX)


@pytest.mark.keyword("static_ipaddress:-nodad")
def test_address_in_use_is_told_and_taken_when_it_is_free(lan: Lan) -> None:
    other = stranger(lan)
    a = lan.host(instance(150, vip=f"fe80::100/64\n    {SIX}/64 -nodad"))
    a.namespace.run("sysctl", "-qw", "net.ipv6.conf.eth0.accept_dad=1")
    a.start()
    text = f"(VI_1) duplicate address detection failed for {SIX} on eth0 - another host has it"
    lan.wait(lambda: a.said(text))
    assert lan.is_master(a)
    assert "fe80::100" in a.namespace.ip("address", "show", "dev", "eth0")
    fact = f"duplicate_address {SIX} (on eth0) [{a.config}:"
    assert fact in asked(a, "status")["vrrp"]["instances"][0]["why"]
    assert any(fact in line for line in asked(a, "why", "VI_1")[0]["facts"])
    other.ip("address", "del", f"{SIX}/64", "dev", "eth0")

    def usable() -> bool:
        return SIX in flags(a.namespace) and "tentative" not in flags(a.namespace)

    lan.wait(usable, 40)
    assert lan.is_master(a)
    assert "duplicate_address" not in asked(a, "status")["vrrp"]["instances"][0]["why"]
    a.stop()
    assert flags(a.namespace) == ""


@pytest.mark.keyword("static_ipaddress:-nodad")
def test_address_in_use_is_taken_without_detection(lan: Lan) -> None:
    stranger(lan)
    a = lan.host(instance(150, vip=f"fe80::100/64\n    {SIX}/64"))
    a.namespace.run("sysctl", "-qw", "net.ipv6.conf.eth0.accept_dad=1")
    a.start()
    lan.wait(lambda: lan.is_master(a) and SIX in flags(a.namespace))
    lan.pause(1.5)
    assert "dadfailed" not in flags(a.namespace)
    assert "tentative" not in flags(a.namespace)
    assert not a.said("duplicate address")
