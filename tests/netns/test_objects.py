"""What a master owns besides addresses, and what happens when somebody meddles with it."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest

from pykeepalived.lab.node import Node
from tests.netns.conftest import Lan, has, instance

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]
VIP = "192.0.2.100"


def master(lan: Lan, config: str) -> Node:
    """One daemon that has become master."""
    node = lan.host(config)
    node.start()
    lan.wait(lambda: lan.is_master(node))
    return node


def sysctl(node: Node, name: str) -> str:
    return node.namespace.run("sysctl", "-n", name).strip()


@pytest.mark.keyword("vrrp_instance/use_vmac")
def test_vmac_life(lan: Lan) -> None:
    recorder = lan.recorder()
    a = master(lan, instance(150, "use_vmac"))
    lan.wait(lambda: has(a, VIP, "vrrp.51"))
    text = a.namespace.ip("-d", "link", "show", "vrrp.51")
    assert "00:00:5e:00:01:33" in text
    assert "macvlan mode private" in text
    assert sysctl(a, "net.ipv4.conf.eth0.arp_ignore") == "1"
    assert "01:00:5e:00:00:12" in a.namespace.ip("maddress", "show", "dev", "eth0")
    lan.wait(lambda: bool(recorder.of("192.0.2.1")))
    lan.wait(lambda: any(address == VIP for _, address, _ in recorder.announced))
    assert {mac for _, address, mac in recorder.announced if address == VIP} == {"00:00:5e:00:01:33"}
    assert a.stop() == 0
    assert "vrrp.51" not in a.namespace.ip("link")
    assert sysctl(a, "net.ipv4.conf.eth0.arp_ignore") == "0"
    assert sysctl(a, "net.ipv4.conf.eth0.arp_filter") == "0"
    assert a.namespace.run("nft", "list", "ruleset") == ""


@pytest.mark.keyword("vrrp_instance/use_vmac")
def test_vmac_deleted_by_somebody_is_made_again(lan: Lan) -> None:
    a = master(lan, instance(150, "use_vmac"))
    a.namespace.ip("link", "del", "vrrp.51")
    lan.wait(lambda: has(a, VIP, "vrrp.51") and lan.is_master(a))


def test_vmac_of_a_killed_predecessor_is_adopted(lan: Lan) -> None:
    a = master(lan, instance(150, "use_vmac"))
    a.kill()
    index = a.namespace.ip("-o", "link", "show", "vrrp.51").split(":")[0]
    a.start()
    lan.wait(lambda: lan.is_master(a) and has(a, VIP, "vrrp.51"))
    assert a.said("(VI_1) Found matching interface vrrp.51")
    assert a.namespace.ip("-o", "link", "show", "vrrp.51").split(":")[0] == index


@pytest.mark.keyword("vrrp_instance/vmac_xmit_base")
def test_vmac_adverts_from_the_base_interface(lan: Lan) -> None:
    recorder = lan.recorder()
    a = master(lan, instance(150, "use_vmac\n  vmac_xmit_base"))
    lan.wait(lambda: len(recorder.of("192.0.2.1")) > 3)
    assert has(a, VIP, "vrrp.51")


@pytest.mark.keyword("vrrp_instance/use_vmac")
def test_reverse_path_filter_is_pushed_down_and_given_back(lan: Lan) -> None:
    a = lan.host(instance(150, "use_vmac"))
    a.namespace.run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1", "net.ipv4.conf.eth0.rp_filter=0")
    a.start()
    lan.wait(lambda: lan.is_master(a))
    assert sysctl(a, "net.ipv4.conf.all.rp_filter") == "0"
    assert sysctl(a, "net.ipv4.conf.eth0.rp_filter") == "1"
    assert sysctl(a, "net.ipv4.conf.vrrp/51.rp_filter") == "0"
    a.stop()
    assert sysctl(a, "net.ipv4.conf.all.rp_filter") == "1"
    assert sysctl(a, "net.ipv4.conf.eth0.rp_filter") == "0"


def parameters(node: Node) -> dict[str, str]:
    """All parameters of the interfaces that are there without the daemon."""
    lines = node.namespace.run("sysctl", "-a", "-r", r"net\.ipv[46]\.conf\.(all|default|eth0|lo)\.").splitlines()
    return dict(line.split(" = ") for line in lines if " = " in line)


@pytest.fixture
def altered(lan: Lan) -> tuple[Node, dict[str, str]]:
    """A master that has changed kernel parameters, and what they were before."""
    other = instance(150, "promote_secondaries", "VI_2", 52, "192.0.2.200/32")
    a = lan.host(instance(150, "use_vmac") + other)
    names = ("all.rp_filter=1", "eth0.rp_filter=0", "eth0.promote_secondaries=0", "default.rp_filter=2")
    a.namespace.run("sysctl", "-qw", *(f"net.ipv4.conf.{name}" for name in names))
    before = parameters(a)
    a.start()
    lan.wait(lambda: lan.is_master(a) and lan.is_master(a, "VI_2"))
    changed = {path for path, value in parameters(a).items() if value != before[path]}
    assert changed == {
        "net.ipv4.conf.all.rp_filter",
        "net.ipv4.conf.eth0.arp_filter",
        "net.ipv4.conf.eth0.arp_ignore",
        "net.ipv4.conf.eth0.promote_secondaries",
        "net.ipv4.conf.eth0.rp_filter",
        "net.ipv4.conf.lo.rp_filter",
    }
    return a, before


def test_kernel_parameters_outlive_a_killed_child(lan: Lan, altered: tuple[Node, dict[str, str]]) -> None:
    a, before = altered
    during = parameters(a)
    os.kill(a.pid_of("vrrp"), signal.SIGKILL)
    lan.wait(lambda: sum("Starting VRRP child process" in line for _, line in a.lines) == 2)
    lan.pause(0.5)
    assert parameters(a) == during
    a.stop()
    assert parameters(a) == before


def test_kernel_parameters_outlive_a_killed_daemon(lan: Lan, altered: tuple[Node, dict[str, str]]) -> None:
    a, before = altered
    a.kill()
    assert parameters(a) != before
    a.start()
    lan.wait(lambda: lan.is_master(a))
    a.stop()
    assert parameters(a) == before


def test_kernel_parameters_no_longer_wanted_are_given_back_at_the_next_start(
    lan: Lan, altered: tuple[Node, dict[str, str]]
) -> None:
    """But not one that somebody has set to another value meanwhile."""
    a, before = altered
    a.kill()
    a.namespace.run("sysctl", "-qw", "net.ipv4.conf.eth0.promote_secondaries=1", "net.ipv4.conf.eth0.arp_ignore=2")
    a.config.write_text(instance(150))
    a.start()
    lan.wait(lambda: lan.is_master(a))
    assert parameters(a) == before | {"net.ipv4.conf.eth0.arp_ignore": "2"}


@pytest.mark.keyword("vrrp_instance/no_accept")
@pytest.mark.keyword("vrrp_instance/accept")
def test_no_accept_drops_what_is_sent_to_the_address(lan: Lan) -> None:
    a = master(lan, instance(150, "no_accept"))
    lan.wait(lambda: has(a, VIP))
    b = lan.host("")
    assert "1 received" in b.namespace.run("ping", "-c1", "-W2", "192.0.2.1", check=False)
    assert "0 received" in b.namespace.run("ping", "-c1", "-W1", VIP, check=False)
    assert "elements = { 192.0.2.100 }" in a.namespace.run("nft", "list", "table", "ip", "keepalived")
    a.config.write_text(instance(150))
    a.reload()
    lan.wait(lambda: "1 received" in b.namespace.run("ping", "-c1", "-W1", VIP, check=False))
    a.stop()
    assert a.namespace.run("nft", "list", "ruleset") == ""


ROUTED = """virtual_routes {
    10.9.0.0/16 via 192.0.2.254 dev eth0
    10.8.0.0/16 dev eth0 metric 7
  }
  virtual_rules {
    from 10.9.0.0/16 table 100 priority 77
  }"""


def routes(node: Node) -> str:
    return node.namespace.ip("route", "show", "proto", "18")


@pytest.mark.keyword("vrrp_instance/virtual_routes")
@pytest.mark.keyword("vrrp_instance/virtual_rules")
def test_routes_and_rules_come_and_go_with_the_mastership(lan: Lan) -> None:
    a = master(lan, instance(150, ROUTED))
    lan.wait(lambda: "10.9.0.0/16 via 192.0.2.254" in routes(a) and "10.8.0.0/16" in routes(a))
    assert "77:\tfrom 10.9.0.0/16 lookup 100" in a.namespace.ip("rule")
    b = lan.host(instance(200, ROUTED))
    b.start()
    lan.wait(lambda: lan.is_master(b) and not lan.is_master(a))
    lan.wait(lambda: routes(a) == "")
    assert "77:" not in a.namespace.ip("rule")
    lan.wait(lambda: "10.9.0.0/16" in routes(b))
    b.stop()
    assert routes(b) == ""
    assert "77:" not in b.namespace.ip("rule")


def test_killed_child_leaves_everything_to_its_successor(lan: Lan) -> None:
    recorder = lan.recorder()
    lines = f"use_vmac\n  no_accept\n  {ROUTED}"
    a, b = lan.host(instance(150, lines)), lan.host(instance(100))
    a.start()
    lan.wait(lambda: lan.is_master(a) and has(a, VIP, "vrrp.51") and "10.8.0.0/16" in routes(a))
    b.start()
    lan.wait(lambda: b.states.get("VI_1") == "BACKUP")
    index = a.namespace.ip("-o", "link", "show", "vrrp.51").split(":")[0]
    seen = len(recorder.of("192.0.2.1"))
    os.kill(a.pid_of("vrrp"), signal.SIGKILL)
    lan.wait(lambda: len(recorder.of("192.0.2.1")) >= seen + 5)
    assert a.namespace.ip("-o", "link", "show", "vrrp.51").split(":")[0] == index
    assert has(a, VIP, "vrrp.51")
    assert "10.9.0.0/16" in routes(a)
    assert "10.8.0.0/16" in routes(a)
    assert "77:" in a.namespace.ip("rule")
    assert "192.0.2.100" in a.namespace.run("nft", "list", "table", "ip", "keepalived")
    assert recorder.of("192.0.2.2") == []
    a.stop()
    assert routes(a) == ""
    assert "77:" not in a.namespace.ip("rule")
    assert "vrrp.51" not in a.namespace.ip("link")
    assert a.namespace.run("nft", "list", "ruleset") == ""


def test_route_deleted_by_somebody_is_back(lan: Lan) -> None:
    a = master(lan, instance(150, ROUTED))
    lan.wait(lambda: "10.8.0.0/16" in routes(a))
    a.namespace.ip("route", "del", "10.8.0.0/16")
    lan.wait(lambda: "10.8.0.0/16" in routes(a) and lan.is_master(a) and a.said("removed"))


def test_leftovers_of_a_crash_are_removed_at_the_next_start(lan: Lan) -> None:
    a = master(lan, instance(150, ROUTED))
    lan.wait(lambda: has(a, VIP) and "10.8.0.0/16" in routes(a))
    a.namespace.ip("address", "add", "192.0.2.77/32", "dev", "eth0")
    a.kill()
    assert has(a, VIP)
    a.config.write_text(instance(150, f"{ROUTED}\n  nopreempt\n  advert_int 2\n  version 3"))
    a.start()
    lan.wait(lambda: a.states.get("VI_1") == "BACKUP")
    lan.wait(lambda: not has(a, VIP), 2)
    assert routes(a) == ""
    assert "77:" not in a.namespace.ip("rule")
    assert has(a, "192.0.2.77")


@pytest.mark.keyword("static_ipaddress")
@pytest.mark.keyword("static_routes")
@pytest.mark.keyword("static_rules")
def test_static_entries_are_restored_and_removed_at_stop(lan: Lan) -> None:
    config = """static_ipaddress {
  198.51.100.7/24 dev eth0
}
static_routes {
  10.77.0.0/16 via 192.0.2.254 dev eth0
}
static_rules {
  from 10.77.0.0/16 table 100 priority 88
}
"""
    a = lan.host(config + instance(150))
    a.start()
    lan.wait(lambda: has(a, "198.51.100.7") and "10.77.0.0/16" in routes(a) and "88:" in a.namespace.ip("rule"))
    a.namespace.ip("address", "del", "198.51.100.7/24", "dev", "eth0")
    a.namespace.ip("route", "del", "10.77.0.0/16")
    a.namespace.ip("rule", "del", "priority", "88")
    lan.wait(lambda: has(a, "198.51.100.7") and "10.77.0.0/16" in routes(a) and "88:" in a.namespace.ip("rule"))
    a.stop()
    assert not has(a, "198.51.100.7")
    assert routes(a) == ""
    assert "88:" not in a.namespace.ip("rule")


@pytest.mark.keyword("global_defs/iproute_etc_dir")
@pytest.mark.parametrize(("line", "number"), [("77 keepalived", 77), ("18 somebody", 4), ("", 18)])
def test_protocol_of_addresses_is_that_of_the_file(lan: Lan, line: str, number: int) -> None:
    (lan.directory / "rt_addrprotos.d").mkdir()
    (lan.directory / "rt_addrprotos.d" / "site.conf").write_text(line + "\n")
    a = master(lan, f"global_defs {{\n  iproute_etc_dir {lan.directory}\n}}\n" + instance(150))
    lan.wait(lambda: has(a, VIP))
    program = (
        "from pykeepalived.netlink.kernel import Kernel\n"
        "for each in Kernel().facts().addresses: print(each.address, each.protocol)\n"
    )
    assert f"{VIP} {number}" in a.namespace.run(sys.executable, "-c", program).splitlines()


def test_source_address_deleted_and_given_back(lan: Lan) -> None:
    a = master(lan, instance(150))
    a.namespace.ip("address", "del", "192.0.2.1/24", "dev", "eth0")
    lan.wait(lambda: a.states["VI_1"] == "FAULT" and not has(a, VIP))
    a.namespace.ip("address", "add", "192.0.2.1/24", "dev", "eth0")
    lan.wait(lambda: lan.is_master(a) and has(a, VIP))


def make_dum0(node: Node) -> None:
    """An interface that leads nowhere."""
    for line in (
        "link add dum0 type veth peer name far0",
        "link set far0 up",
        "link set dum0 up",
        "address add 203.0.113.1/24 dev dum0",
    ):
        node.namespace.ip(*line.split())


def test_interface_deleted_and_made_again(lan: Lan) -> None:
    a = lan.host(instance(150).replace("eth0", "dum0"))
    make_dum0(a)
    a.start()
    lan.wait(lambda: lan.is_master(a) and has(a, VIP, "dum0"))
    a.namespace.ip("link", "del", "dum0")
    lan.wait(lambda: a.states["VI_1"] == "FAULT")
    make_dum0(a)
    lan.wait(lambda: lan.is_master(a) and has(a, VIP, "dum0"))


@pytest.mark.keyword("global_defs/dynamic_interfaces")
def test_interface_that_comes_later(lan: Lan) -> None:
    a = lan.host("global_defs {\n  dynamic_interfaces\n}\n" + instance(150).replace("eth0", "dum0"))
    a.start()
    lan.wait(lambda: a.states.get("VI_1") == "FAULT")
    make_dum0(a)
    lan.wait(lambda: lan.is_master(a) and has(a, VIP, "dum0"))


@pytest.mark.keyword("global_defs/dynamic_interfaces")
def test_vmac_on_an_interface_that_comes_later_and_goes(lan: Lan) -> None:
    a = lan.host("global_defs {\n  dynamic_interfaces\n}\n" + instance(150, "use_vmac").replace("eth0", "dum0"))
    a.start()
    lan.wait(lambda: a.states.get("VI_1") == "FAULT")
    make_dum0(a)
    lan.wait(lambda: lan.is_master(a) and has(a, VIP, "vrrp.51"))
    a.namespace.ip("link", "del", "dum0")
    lan.wait(lambda: a.states["VI_1"] == "FAULT")
    make_dum0(a)
    lan.wait(lambda: lan.is_master(a) and has(a, VIP, "vrrp.51"))


def test_reload_changes_what_changed_and_keeps_the_mastership(lan: Lan) -> None:
    recorder = lan.recorder()
    a = master(lan, instance(150, ROUTED))
    b = lan.host(instance(100))
    b.start()
    lan.wait(lambda: b.states.get("VI_1") == "BACKUP" and has(a, VIP))
    began = time.monotonic()
    a.config.write_text(instance(160, vip=f"{VIP}/32\n    192.0.2.101/32"))
    a.reload()
    lan.wait(lambda: has(a, "192.0.2.101") and routes(a) == "")
    assert has(a, VIP)
    lan.wait(lambda: bool(recorder.adverts) and recorder.adverts[-1].priority == 160)
    a.config.write_text(instance(160, vip="192.0.2.101/32"))
    a.reload()
    lan.wait(lambda: not has(a, VIP))
    lan.pause(0.5)
    assert recorder.of("192.0.2.2") == []
    assert recorder.longest_gap("192.0.2.1", began, time.monotonic()) < 0.7
    assert [line for _, line in a.lines if "Entering" in line][-1] == "(VI_1) Entering MASTER STATE"


def test_plan_tells_what_a_reload_then_does(lan: Lan) -> None:
    a = master(lan, instance(150, ROUTED))
    lan.wait(lambda: has(a, VIP) and "10.8.0.0/16" in routes(a))
    candidate = lan.directory / "candidate.conf"
    candidate.write_text(instance(150, vip="192.0.2.101/32"))
    program = [sys.executable, "-m", "pykeepalived"]
    said = a.namespace.run(*program, "plan", str(candidate), "-p", str(a.directory / "parent.pid")).splitlines()
    assert [line.removeprefix("kernel: ") for line in said if line.startswith("kernel: ")] == [
        "rule delete from 10.9.0.0/16 priority 77 lookup 100",
        "route delete 10.9.0.0/16 via 192.0.2.254 dev eth0",
        "route delete 10.8.0.0/16 dev eth0 metric 7",
        f"address delete {VIP}/32 dev eth0",
        "address add 192.0.2.101/32 dev eth0",
    ]
    assert has(a, VIP)


def test_instance_removed_by_a_reload_says_goodbye(lan: Lan) -> None:
    recorder = lan.recorder()
    other = instance(150, name="VI_2", vrid=52, vip="192.0.2.200/32")
    a = master(lan, instance(150) + other)
    lan.wait(lambda: has(a, VIP) and has(a, "192.0.2.200"))
    a.config.write_text(other)
    a.reload()
    lan.wait(lambda: not has(a, VIP))
    lan.wait(lambda: any(each.vrid == 51 and each.priority == 0 for each in recorder.adverts))
    assert has(a, "192.0.2.200")


def test_bad_file_on_reload_changes_nothing(lan: Lan) -> None:
    a = master(lan, instance(150))
    lan.wait(lambda: has(a, VIP))
    a.config.write_text(instance(150).replace("eth0", "eth77"))
    a.reload()
    lan.pause(1)
    assert a.alive
    assert has(a, VIP)
    assert lan.is_master(a)


@pytest.mark.keyword("vrrp_instance/promote_secondaries")
def test_kernel_parameter_is_given_back_at_stop(lan: Lan) -> None:
    a = lan.host(instance(150, "promote_secondaries"))
    a.namespace.run("sysctl", "-qw", "net.ipv4.conf.eth0.promote_secondaries=0")
    a.start()
    lan.wait(lambda: lan.is_master(a))
    assert sysctl(a, "net.ipv4.conf.eth0.promote_secondaries") == "1"
    a.stop()
    assert sysctl(a, "net.ipv4.conf.eth0.promote_secondaries") == "0"


@pytest.mark.keyword("track_file/file")
@pytest.mark.keyword("vrrp_script/script")
def test_tracked_file_and_script(lan: Lan) -> None:
    flag, value = lan.directory / "flag", lan.directory / "value"
    value.write_text("0\n")
    config = f"""global_defs {{
  script_user root
}}
track_file f {{
  file "{value}"
  weight 1
}}
vrrp_script s {{
  script "/usr/bin/test ! -e {flag}"
  interval 0.2
  fall 1
  rise 1
}}
"""
    trackers = "track_file {\n    f\n  }\n  track_script {\n    s\n  }"
    a = lan.host(config + instance(150, trackers))
    a.start()
    lan.wait(lambda: lan.is_master(a))
    value.write_text("-20\n")
    lan.wait(lambda: a.said("(VI_1) Changing effective priority from 150 to 130"))
    flag.write_text("")
    lan.wait(lambda: a.states["VI_1"] == "FAULT" and not has(a, VIP))
    flag.unlink()
    lan.wait(lambda: lan.is_master(a) and has(a, VIP))


@pytest.mark.keyword("vrrp_instance/notify")
def test_notify_scripts_and_fifo_in_order(lan: Lan) -> None:
    out, script, fifo = (lan.directory / name for name in ("out", "script.sh", "fifo"))
    script.write_text(f'#!/bin/sh\necho "$@" >> {out}\n')
    script.chmod(0o700)
    head = f"global_defs {{\n  script_user root\n  vrrp_notify_fifo {fifo}\n}}\n"
    a = lan.host(head + instance(150, f"notify {script}"))
    a.start()
    lan.wait(fifo.exists)
    with open(fifo, "rb", buffering=0) as reader:
        lan.wait(lambda: lan.is_master(a))
        a.stop()
        lines = reader.read(4096).decode().splitlines()
    expected = ["BACKUP 150", "MASTER 150", "STOP 150"]
    assert out.read_text().splitlines() == [f"INSTANCE VI_1 {word}" for word in expected]
    assert lines == [f'INSTANCE "VI_1" {word}' for word in expected]
    assert not fifo.exists()
