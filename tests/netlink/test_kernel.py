"""The real kernel in a namespace of our own: every operation performed, seen by ip(8), told as an event, undone."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import select
import subprocess
from collections.abc import Callable, Iterator

import pytest

from pykeepalived.config.model.globals import ReceiveBuffer
from pykeepalived.config.model.network import Encap, IpAddress, IpRoute, IpRule, NextHop
from pykeepalived.config.model.values import Ip
from pykeepalived.netlink import routes, rules
from pykeepalived.netlink.facts import (
    AddressAdded,
    AddressRemoved,
    Event,
    LinkChanged,
    LinkRemoved,
    Overrun,
    RouteRemoved,
    RuleRemoved,
)
from pykeepalived.netlink.firewall import Dropped, Firewall, Settings, State, VmacRule
from pykeepalived.netlink.kernel import Kernel
from pykeepalived.netlink.nft import Nftables
from pykeepalived.netlink.operations import (
    AddAddress,
    AddLink,
    AddRoute,
    AddRule,
    DeleteAddress,
    DeleteLink,
    DeleteRoute,
    DeleteRule,
    Operation,
    ReplaceRoute,
    RunNft,
    SetLink,
    SetSysctl,
    VirtualLink,
)

pytestmark = pytest.mark.netns
ip = Ip.parse
CLONE_NEWNET = 0x40000000


def setns(fd: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


@pytest.fixture
def namespace() -> Iterator[str]:
    """This process is inside a new namespace with eth0 (192.0.2.1/24, fe80::a) and eth1, cabled to each other."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    name = f"pknl{os.getpid()}"
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        inside = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        setns(inside)
        os.close(inside)
        batch = """link add eth0 type veth peer name eth1
link set eth0 up
link set eth1 up
link set lo up
address add 192.0.2.1/24 dev eth0
address add fe80::a/64 dev eth0 nodad
"""
        subprocess.run(["ip", "-batch", "-"], input=batch, text=True, check=True)
        yield name
    finally:
        setns(home)
        os.close(home)
        subprocess.run(["ip", "netns", "del", name], check=True)


@pytest.fixture
def kernel(namespace: str) -> Iterator[Kernel]:
    made = Kernel()
    made.watch(routes=True, rules=True)
    made.facts()
    yield made
    made.close()


def shown(*words: str) -> str:
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=True).stdout


def events(kernel: Kernel, until: Callable[[Event], bool]) -> list[Event]:
    """What is told up to the first event that satisfies the condition."""
    seen: list[Event] = []
    poll = select.poll()
    poll.register(kernel.event_fd, select.POLLIN)
    while not any(until(event) for event in seen):
        assert poll.poll(5000), f"nothing more is told after {seen}"
        seen += kernel.read_events()
    return seen


def good(kernel: Kernel, *operations: Operation) -> None:
    assert [str(error) for error in kernel.perform(operations)] == []


def test_facts_of_the_namespace(kernel: Kernel) -> None:
    facts = kernel.facts(routes=True, rules=True)
    link = facts.link("eth0")
    assert link is not None
    assert (link.is_up, link.mtu, link.kind, len(link.mac)) == (True, 1500, "veth", 6)
    own = [(str(each.address), each.prefix_length) for each in facts.addresses_of(link.index)]
    assert ("192.0.2.1", 24) in own
    assert ("fe80::a", 64) in own
    assert facts.routes == ()
    assert {rule.table for rule in facts.rules if rule.family == 4} == {253, 254, 255}


@pytest.mark.keyword("vrrp_instance/virtual_ipaddress")
def test_addresses_look_as_keepalived_makes_them(kernel: Kernel) -> None:
    wishes = [
        IpAddress(address=ip("192.0.2.100"), prefix_length=32),
        IpAddress(
            address=ip("192.0.2.101"), prefix_length=32, label="eth0:vip", broadcast=ip("192.0.2.255"), scope=253
        ),
        IpAddress(address=ip("192.0.2.102"), prefix_length=32, peer=ip("198.51.100.7")),
        IpAddress(address=ip("2001:db8:77::100"), prefix_length=64),
        IpAddress(address=ip("fe80::100"), prefix_length=128, preferred_lft=0),
    ]
    good(kernel, *(AddAddress(wish, "eth0") for wish in wishes))
    # newer iproute2 tells whose address it is
    text, told_whose = re.subn(" proto keepalived", "", shown("address", "show", "dev", "eth0"))
    assert told_whose in (0, len(wishes))
    assert "inet 192.0.2.100/32 scope global eth0\n" in text
    assert "inet 192.0.2.101/32 brd 192.0.2.255 scope link eth0:vip\n" in text
    assert "inet 192.0.2.102 peer 198.51.100.7/32 scope global eth0\n" in text
    assert "inet6 2001:db8:77::100/64 scope global nodad" in text
    assert "inet6 fe80::100/128 scope link nodad deprecated" in text
    added = events(kernel, lambda event: isinstance(event, AddressAdded) and str(event.address.address) == "fe80::100")
    told = {str(event.address.address) for event in added if isinstance(event, AddressAdded)}
    assert told >= {str(wish.address) for wish in wishes}
    good(kernel, *(AddAddress(wish, "eth0") for wish in wishes))
    good(kernel, *(DeleteAddress(wish, "eth0") for wish in wishes))
    good(kernel, *(DeleteAddress(wish, "eth0") for wish in wishes))
    text = shown("address", "show", "dev", "eth0")
    assert not any(str(wish.address) in text for wish in wishes)
    events(kernel, lambda event: isinstance(event, AddressRemoved) and str(event.address.address) == "fe80::100")
    assert len(kernel.known().addresses_of(kernel.links()[1].index)) >= 1


def test_a_failure_stops_none_of_the_others(kernel: Kernel) -> None:
    operations: list[Operation] = [
        AddAddress(IpAddress(address=ip(f"192.0.3.{last}"), prefix_length=32), "eth0" if last % 2 else "eth9")
        for last in range(1, 250)
    ]
    errors = kernel.perform(operations)
    assert len(errors) == 124
    assert {error.errno for error in errors} == {errno.ENODEV}
    assert shown("address", "show", "dev", "eth0").count("192.0.3.") == 125


@pytest.mark.keyword("vrrp_instance/virtual_routes")
def test_what_cannot_even_be_sent_is_told_for_each_operation(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(_messages: object) -> int:
        raise OSError(errno.ENOBUFS, "No buffer space available")

    wanted = [AddAddress(IpAddress(address=ip(f"10.9.9.{n}"), prefix_length=32), "lo") for n in (1, 2)]
    monkeypatch.setattr(kernel, "_send", no_room)
    assert [(error.operation, error.errno) for error in kernel.perform(wanted)] == [
        (operation, errno.ENOBUFS) for operation in wanted
    ]


def test_routes_of_every_kind(kernel: Kernel) -> None:
    wishes = [
        IpRoute(family=4, destination=ip("10.1.0.0"), prefix_length=16, via=ip("192.0.2.254"), interface="eth0"),
        IpRoute(family=4, destination=ip("10.2.0.0"), prefix_length=16, type=6, table=1000),
        IpRoute(
            family=4,
            destination=ip("10.3.0.0"),
            prefix_length=16,
            interface="eth0",
            src=ip("192.0.2.1"),
            metric=9,
            tos=16,
            metrics=((2, 1400), (16, "cubic")),
            locks=4,
        ),
        IpRoute(
            family=4,
            destination=ip("10.4.0.0"),
            prefix_length=16,
            nexthops=(
                NextHop(via=ip("192.0.2.2"), interface="eth0", weight=3),
                NextHop(via=ip("192.0.2.3"), interface="eth0", weight=2),
            ),
        ),
        IpRoute(family=4, destination=ip("10.5.0.1"), prefix_length=32, type=2, interface="eth0"),
        IpRoute(
            family=6, destination=ip("2001:db8:9::"), prefix_length=48, via=ip("fe80::99"), interface="eth0", pref=1
        ),
        IpRoute(family=6, destination=ip("2001:db8:8::"), prefix_length=48, interface="eth0", expires_s=600),
    ]
    good(kernel, *(AddRoute(wish) for wish in wishes))
    good(kernel, *(AddRoute(wish) for wish in wishes[:4]))
    text = shown("route", "show", "table", "all", "proto", "18") + shown("-6", "route", "show", "proto", "18")
    assert "10.1.0.0/16 via 192.0.2.254 dev eth0" in text
    assert "blackhole 10.2.0.0/16 table 1000" in text
    assert "10.3.0.0/16 tos 0x10 dev eth0" in text or "10.3.0.0/16 tos lowdelay dev eth0" in text
    assert "mtu lock 1400 congctl cubic" in text
    assert "nexthop via 192.0.2.2 dev eth0 weight 3" in text
    assert "2001:db8:9::/48 via fe80::99 dev eth0" in text
    facts = kernel.facts(routes=True)
    assert {routes.match_route(route, wishes, facts.links) for route in facts.routes} == set(wishes)
    moved = IpRoute(family=4, destination=ip("10.1.0.0"), prefix_length=16, via=ip("192.0.2.253"), interface="eth0")
    good(kernel, ReplaceRoute(moved))
    assert "10.1.0.0/16 via 192.0.2.253" in shown("route")
    good(kernel, *(DeleteRoute(wish) for wish in [moved, *wishes[1:]]))
    assert kernel.facts(routes=True).routes == ()
    assert [error.errno for error in kernel.perform([DeleteRoute(moved)])] == [errno.ESRCH]
    good(kernel, DeleteRoute(moved, lenient=True))


def test_route_with_an_encapsulation(kernel: Kernel) -> None:
    encap = Encap(kind="ip", id=77, dst=ip("203.0.113.1"), ttl=64)
    route = IpRoute(family=4, destination=ip("10.6.0.0"), prefix_length=16, interface="eth0", encap=encap)
    good(kernel, AddRoute(route))
    assert "encap ip id 77 src 0.0.0.0 dst 203.0.113.1 ttl 64" in shown("route", "show", "10.6.0.0/16")


def test_only_the_loss_of_our_own_routes_is_told(kernel: Kernel) -> None:
    shown("route", "add", "10.7.0.0/16", "dev", "eth0")
    ours = IpRoute(family=4, destination=ip("10.8.0.0"), prefix_length=16, interface="eth0")
    good(kernel, AddRoute(ours))
    shown("route", "del", "10.7.0.0/16")
    shown("route", "del", "10.8.0.0/16")
    told = events(kernel, lambda event: isinstance(event, RouteRemoved))
    lost = [event.route for event in told if isinstance(event, RouteRemoved)]
    assert [routes.match_route(route, [ours], kernel.links()) for route in lost] == [ours]


@pytest.mark.keyword("vrrp_instance/virtual_rules")
def test_rules(kernel: Kernel) -> None:
    wishes = [
        IpRule(family=4, from_address=ip("10.0.0.0"), from_length=8, table=1000, priority=100, fwmark=5, iif="eth0"),
        IpRule(family=4, to_address=ip("10.0.0.0"), to_length=8, table=100, priority=101, suppress_prefixlength=0),
        IpRule(family=6, action=8, priority=102, ip_protocol=17, source_ports=(53, 53), uid_range=(0, 99)),
        IpRule(family=4, action=2, goto=32766, priority=103),
        IpRule(family=4, invert=True, tos=8, table=200, priority=104, oif="eth1"),
    ]
    good(kernel, *(AddRule(wish) for wish in wishes))
    good(kernel, *(AddRule(wish) for wish in wishes))
    text = shown("rule") + shown("-6", "rule")
    assert "100:\tfrom 10.0.0.0/8 fwmark 0x5 iif eth0 lookup 1000 proto keepalived" in text
    assert "uidrange 0-99 ipproto udp sport 53 prohibit" in text
    facts = kernel.facts(rules=True)
    assert {rules.match_rule(rule, wishes) for rule in facts.rules} == {None, *wishes}
    shown("rule", "del", "priority", "101")
    told = events(kernel, lambda event: isinstance(event, RuleRemoved))
    assert [rules.match_rule(event.rule, wishes) for event in told if isinstance(event, RuleRemoved)] == [wishes[1]]
    good(kernel, *(DeleteRule(wish) for wish in wishes if wish is not wishes[1]))
    assert [error.errno for error in kernel.perform([DeleteRule(wishes[1])])] == [errno.ENOENT]
    assert "keepalived" not in shown("rule")


@pytest.mark.keyword("vrrp_instance/use_vmac")
def test_vmac_from_creation_to_removal(kernel: Kernel) -> None:
    vmac = VirtualLink(name="vrrp.51", parent="eth0", mac=bytes.fromhex("00005e000133"), group=7)
    vip = IpAddress(address=ip("192.0.2.100"), prefix_length=32)
    good(
        kernel,
        AddLink(vmac),
        SetLink("vrrp.51", no_link_local=True),
        SetSysctl("net/ipv4/conf/vrrp.51/arp_ignore", "1"),
        SetLink("vrrp.51", up=True),
        AddAddress(vip, "vrrp.51"),
    )
    text = shown("-d", "address", "show", "vrrp.51")
    assert "macvlan mode private" in text
    assert "group 7" in text
    assert "00:00:5e:00:01:33" in text
    assert "inet6 fe80" not in text
    with open("/proc/sys/net/ipv4/conf/vrrp.51/arp_ignore", encoding="ascii") as file:
        assert file.read() == "1\n"
    told = events(kernel, lambda event: isinstance(event, AddressAdded))
    last = [event.link for event in told if isinstance(event, LinkChanged) and event.link.name == "vrrp.51"][-1]
    assert (last.is_up, last.kind, last.group, last.mode) == (True, "macvlan", 7, 1)
    good(kernel, DeleteLink("vrrp.51"), DeleteLink("vrrp.51"))
    events(kernel, lambda event: isinstance(event, LinkRemoved) and event.name == "vrrp.51")
    assert kernel.known().link("vrrp.51") is None


@pytest.mark.keyword("vrrp_instance/use_ipvlan")
def test_ipvlan(kernel: Kernel) -> None:
    errors = kernel.perform([AddLink(VirtualLink(name="vrrp.52", parent="eth0", kind="ipvlan", mode_flag=1))])
    if [error.errno for error in errors] == [errno.EOPNOTSUPP]:
        pytest.skip("this kernel has no ipvlan")
    assert errors == []
    found = kernel.facts().link("vrrp.52")
    assert found is not None
    assert (found.kind, found.mode, found.mode_flag) == ("ipvlan", 0, 1)
    assert "ipvlan  mode l2 private" in shown("-d", "link", "show", "vrrp.52")


def test_lost_events_are_reported_once_and_facts_are_whole_again(namespace: str) -> None:
    small = Kernel(event_buffer=ReceiveBuffer(size=4096))
    try:
        good(
            small,
            *(AddAddress(IpAddress(address=ip(f"192.0.3.{n}"), prefix_length=32), "eth0") for n in range(1, 200)),
        )
        assert small.read_events()[-1:] == [Overrun()]
        assert sum(str(each.address).startswith("192.0.3.") for each in small.facts().addresses) == 199
        good(small, AddAddress(IpAddress(address=ip("192.0.4.1"), prefix_length=32), "eth0"))
        assert [type(event) for event in small.read_events()] == [AddressAdded]
    finally:
        small.close()


@pytest.mark.keyword("vrrp_instance/no_accept")
@pytest.mark.parametrize("by_index", [False, True])
def test_firewall_is_taken_by_the_kernel_and_leaves_nothing(kernel: Kernel, by_index: bool) -> None:
    link = kernel.link("eth0")
    assert link is not None
    firewall = Firewall(Settings(by_index=by_index, counters=by_index))
    nft = Nftables()
    dropped = frozenset(
        [
            Dropped(ip("192.0.2.100")),
            Dropped(ip("2001:db8:77::200")),
            Dropped(ip("fe80::200"), "eth0", link.index),
            Dropped(ip("fe80::201"), "eth0", link.index, by_name=True),
        ]
    )
    good(kernel, AddLink(VirtualLink(name="vrrp.51", parent="eth0", mac=bytes.fromhex("00005e000133"))))
    vmac = kernel.link("vrrp.51")
    assert vmac is not None
    vmacs = frozenset(VmacRule(family, "vrrp.51", vmac.index, link.index, ip("fe80::a")) for family in (4, 6))
    good(kernel, *firewall.change(State(dropped, vmacs)))
    text = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    assert "192.0.2.100" in text
    assert 'fe80::200 . "eth0"' in text
    assert '"vrrp.51" : "eth0"' in text
    assert ("counter" in text) is by_index
    good(kernel, DeleteLink("vrrp.51"), *firewall.change(State()))
    good(kernel, *firewall.clear())
    assert subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout == ""
    assert [error.errno for error in kernel.perform([RunNft("add nonsense\n")])] == [errno.EINVAL]
    good(kernel, RunNft("delete table ip nothing\n", lenient=True))
    nft.close()


@pytest.mark.keyword("vrrp_instance/use_vmac")
def test_setting_the_group_of_a_link_to_what_it_is_makes_the_kernel_tell_of_it(kernel: Kernel) -> None:
    kernel.read_events()
    good(kernel, SetLink("eth0", group=0))
    told = events(kernel, lambda event: isinstance(event, LinkChanged))
    assert [event.link.name for event in told if isinstance(event, LinkChanged)] == ["eth0"]


def test_preparing_changes_nothing_and_forgives_missing_links(kernel: Kernel) -> None:
    wish = IpAddress(address=ip("192.0.2.100"), prefix_length=32)
    for interface in ("eth0", "eth9"):
        kernel.prepare(AddAddress(wish, interface))
    kernel.prepare(SetSysctl("net/ipv4/conf/eth0/arp_ignore", "1"))
    assert "192.0.2.100" not in shown("address")
    good(kernel, AddAddress(wish, "eth0"))


def vmacs(numbers: range) -> list[VirtualLink]:
    return [VirtualLink(name=f"vrrp.{n}", parent="eth0", mac=bytes((0, 0, 0x5E, 0, 1, n))) for n in numbers]


def test_links_are_deleted_together_and_no_others(kernel: Kernel) -> None:
    good(kernel, *(AddLink(link) for link in vmacs(range(1, 31))))
    kernel.facts()
    asked: list[int] = []
    send = kernel._send
    kernel._send = lambda messages: (asked.append(len(messages)), send(messages))[1]  # type: ignore[method-assign]
    good(kernel, *(DeleteLink(f"vrrp.{n}") for n in range(1, 30)), DeleteLink("vrrp.99"))
    assert asked == [1, 29, 1], "a question for the one that is not known, all into the group, delete the group"
    assert [link.name for link in kernel.facts().links.values() if link.kind == "macvlan"] == ["vrrp.30"]
    assert kernel.link("vrrp.1") is None


def test_links_that_cannot_be_deleted_together_go_one_by_one(kernel: Kernel) -> None:
    """The kernel refuses the whole group for one that it does not delete, as lo."""
    good(kernel, *(AddLink(link) for link in vmacs(range(1, 4))))
    names = ("vrrp.1", "lo", "vrrp.2")
    errors = kernel.perform([DeleteLink(name) for name in names])
    assert [(str(error.operation), error.errno) for error in errors] == [("link delete lo", errno.EOPNOTSUPP)]
    assert [link.name for link in kernel.facts().links.values() if link.kind == "macvlan"] == ["vrrp.3"]


def test_blocks_for_the_firewall_are_run_together_and_one_that_fails_alone(kernel: Kernel) -> None:
    runs: list[str] = []
    nft = kernel._nft()
    run = nft.run
    nft.run = lambda commands: (runs.append(commands), run(commands))[1]  # type: ignore[method-assign]
    good(kernel, RunNft("add table ip one\n"), RunNft("add table ip two\n"))
    assert runs == ["add table ip one\nadd table ip two\n"]
    errors = kernel.perform([RunNft("add table ip three\n"), RunNft("add nonsense\n"), RunNft("add table ip four\n")])
    assert [str(error.operation) for error in errors] == ["nft add nonsense"]
    text = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    assert text.split("\n") == [f"table ip {name}" for name in ("one", "two", "three", "four")] + [""]
