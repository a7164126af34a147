"""Kernel facts and events become inputs of the core, its operations become kernel operations."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from pykeepalived.config.model import Config
from pykeepalived.config.model.globals import Firewall
from pykeepalived.config.model.network import IpAddress, IpRoute, IpRule
from pykeepalived.config.model.values import Ip
from pykeepalived.config.model.vrrp import Vmac, VrrpInstance
from pykeepalived.netlink.fake_kernel import FakeKernel
from pykeepalived.netlink.iptables import Wish
from pykeepalived.netlink.operations import AddAddress as KernelAdd
from pykeepalived.netlink.operations import AddRoute, AddRule, CreateSet, SetLink
from pykeepalived.netlink.sysctls import SavedSysctls
from pykeepalived.observe.cause import LogLine
from pykeepalived.vrrp import effects, inputs
from pykeepalived.vrrp.host import Host

ip = Ip.parse
VIP = IpAddress(address=ip("192.0.2.100"), prefix_length=32, interface="eth0")
ROUTE = IpRoute(family=4, destination=ip("10.0.0.0"), prefix_length=8, interface="eth0")
RULE = IpRule(family=4, table=100, priority=1000)
INSTANCE = VrrpInstance(
    name="VI_1",
    interface="eth0",
    virtual_router_id=51,
    virtual_addresses=(VIP,),
    virtual_routes=(ROUTE,),
    virtual_rules=(RULE,),
)


class Machine:
    """A fake kernel, a host on it, and what the host logged and set."""

    def __init__(self, monitor: bool = False, keeper: Keeper | None = None) -> None:
        self.config = Config()
        self.kernel = FakeKernel()
        self.kernel.add_interface("eth0", mac=bytes.fromhex("020000000001"))
        self.kernel.add_address("eth0", "192.0.2.1", 24)
        self.lines: list[LogLine] = []
        self.values: dict[str, str] = {}
        sysctls = SavedSysctls(self.values.get, self.values.__setitem__)
        self.breaths: list[int] = []
        """How many links there were whenever it paused in its work."""
        self.host = Host(self.kernel, self.lines.append, lambda: 0, sysctls, monitor, keeper, breathe=self._breathe)

    def _breathe(self) -> None:
        self.breaths.append(len(self.kernel.links()))

    @property
    def log(self) -> list[str]:
        return [line.text for line in self.lines]

    def adopt(self, *instances: VrrpInstance) -> inputs.View:
        return self.host.adopt(Config(wants_vrrp=True, vrrp_instances=instances))


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_view_of_the_machine(machine: Machine) -> None:
    view = machine.adopt(INSTANCE)
    assert [(each.name, each.index, each.up, each.mac.hex()) for each in view.interfaces] == [
        ("eth0", 1, True, "020000000001")
    ]
    assert [(each.interface, str(each.address), each.prefix_length) for each in view.addresses] == [
        ("eth0", "192.0.2.1", 24)
    ]
    assert view.leftover_routes == ()
    assert view.uptime_ns > 0


def test_leftovers_of_a_predecessor_are_named_as_configured(machine: Machine) -> None:
    machine.kernel.perform([AddRoute(ROUTE), AddRule(RULE), AddRule(IpRule(family=4, table=7, priority=5))])
    view = machine.adopt(INSTANCE)
    assert view.leftover_routes == (ROUTE,)
    assert view.leftover_rules == (RULE,)


def test_vmac_is_made_and_made_ready(machine: Machine) -> None:
    machine.values["net/ipv4/conf/eth0/arp_ignore"] = "0"
    view = machine.adopt(VrrpInstance(name="VI_1", interface="eth0", virtual_router_id=51, vmac=Vmac()))
    assert view.attachments == {("VI_1", "eth0", 4): "vrrp.51"}
    vmac = next(each for each in view.interfaces if each.name == "vrrp.51")
    assert (vmac.parent, vmac.up, vmac.mac.hex()) == ("eth0", True, "00005e000133")
    assert machine.log == ["(VI_1): Success creating VMAC interface vrrp.51"]
    assert machine.kernel.sysctls["net/ipv4/conf/vrrp.51/arp_ignore"] == "1"
    assert any("vmac_map { 2 : 1 }" in commands for commands in machine.kernel.nft)
    machine.host.remove_link("vrrp.51")
    machine.host.events()
    assert machine.kernel.link("vrrp.51") is None
    assert machine.log[-1] == "(VI_1) Success removing VMAC interface vrrp.51"


def test_without_reports_for_local_groups_there_are_none_to_redirect(machine: Machine) -> None:
    machine.values["net/ipv4/igmp_link_local_mcast_reports"] = "1"
    settings = replace(Config().globals, vrrp_defaults=replace(Config().globals.vrrp_defaults, disable_local_igmp=True))
    vmac = VrrpInstance(name="VI_1", interface="eth0", virtual_router_id=51, vmac=Vmac())
    machine.host.adopt(Config(globals=settings, wants_vrrp=True, vrrp_instances=(vmac,)))
    assert machine.kernel.link("vrrp.51") is not None
    assert machine.values["net/ipv4/igmp_link_local_mcast_reports"] == "0"
    assert not any("vmac_map { 2 : 1 }" in commands for commands in machine.kernel.nft)


def test_many_links_are_made_with_pauses_and_removed_at_once(machine: Machine) -> None:
    several = [VrrpInstance(name=f"V{n}", interface="eth0", virtual_router_id=n, vmac=Vmac()) for n in (1, 2, 3)]
    machine.adopt(*several)
    assert machine.breaths == [2, 3, 4, 4, 4, 4]
    performed: list[list[str]] = []
    perform = machine.kernel.perform
    machine.kernel.perform = lambda steps: (performed.append([str(s) for s in steps]), perform(steps))[1]  # type: ignore[assignment,func-returns-value]
    for name in ("vrrp.1", "vrrp.3"):
        machine.host.remove_link(name)
    assert performed == []
    machine.host.events()
    assert [steps for steps in performed if "delete vrrp" in str(steps)] == [
        ["link delete vrrp.1", "link delete vrrp.3"]
    ]
    assert machine.host.view().attachments == {("V2", "eth0", 4): "vrrp.2"}


def test_removal_after_a_reload_names_the_former_instance(machine: Machine) -> None:
    machine.adopt(VrrpInstance(name="VI_1", interface="eth0", virtual_router_id=51, vmac=Vmac()))
    machine.adopt(VrrpInstance(name="VI_2", interface="eth0", virtual_router_id=51))
    machine.host.remove_link("vrrp.51")
    machine.host.events()
    assert machine.log[-1] == "(VI_1) Success removing VMAC interface vrrp.51"


def test_links_of_others_are_never_removed(machine: Machine) -> None:
    machine.adopt(INSTANCE)
    machine.host.remove_link("eth0")
    machine.host.events()
    assert machine.kernel.link("eth0") is not None


def test_vmac_that_somebody_removed_is_made_again(machine: Machine) -> None:
    instance = VrrpInstance(name="VI_1", interface="eth0", virtual_router_id=51, vmac=Vmac())
    machine.adopt(instance)
    machine.kernel.remove_interface("vrrp.51")
    assert inputs.InterfaceRemoved("vrrp.51") in machine.host.events()
    assert machine.host.create_link(effects.CreateLink(instance, "eth0", 4)) == inputs.Attached(
        "VI_1", "eth0", 4, "vrrp.51"
    )
    link = machine.kernel.link("vrrp.51")
    assert link is not None
    assert link.is_up


def test_vmac_whose_parent_is_missing_waits(machine: Machine) -> None:
    instance = VrrpInstance(name="VI_1", interface="eth9", virtual_router_id=51, vmac=Vmac())
    view = machine.adopt(instance)
    assert view.attachments == {("VI_1", "eth9", 4): "vrrp.51"}
    assert machine.host.create_link(effects.CreateLink(instance, "eth9", 4)) is None
    machine.kernel.add_interface("eth9", mac=bytes.fromhex("020000000009"))
    machine.host.events()
    made = machine.host.create_link(effects.CreateLink(instance, "eth9", 4))
    assert made == inputs.Attached("VI_1", "eth9", 4, "vrrp.51")


def test_operations_in_order_and_their_failures(machine: Machine) -> None:
    machine.adopt(INSTANCE)
    bad = effects.AddAddress(VIP, "eth9", "VI_1")
    failed = machine.host.perform(
        [
            effects.AddAddress(VIP, "eth0", "VI_1"),
            bad,
            effects.AddRoute(ROUTE, "VI_1"),
            effects.AddRule(RULE, "VI_1"),
            effects.RemoveRoute(ROUTE, "VI_1"),
            effects.RemoveRoute(ROUTE, "VI_1"),
            effects.RemoveRule(RULE, "VI_1"),
            effects.RemoveRule(RULE, "VI_1"),
        ]
    )
    assert failed == [inputs.OperationFailed(bad, errno.ENODEV)]
    assert machine.log == ["Netlink: error: No such device(19), address add 192.0.2.100/32 dev eth9"]
    assert [str(operation) for operation in machine.kernel.performed[-8:]][:3] == [
        "address add 192.0.2.100/32 dev eth0",
        "address add 192.0.2.100/32 dev eth9",
        "route add 10.0.0.0/8 dev eth0",
    ]


def test_failing_to_remove_leftovers_is_not_logged(machine: Machine) -> None:
    machine.adopt(INSTANCE)
    leftover = effects.RemoveAddress(VIP, "eth0", "VI_1", leftover=True)
    step = machine.host
    machine.kernel.refuse = dict.fromkeys([_removal()], errno.EPERM)
    assert step.perform([leftover]) == [inputs.OperationFailed(leftover, errno.EPERM)]
    assert machine.log == []


def _removal() -> object:
    from pykeepalived.netlink.operations import DeleteAddress

    return DeleteAddress(VIP, "eth0")


@pytest.mark.keyword("vrrp_instance/no_accept")
def test_traffic_is_dropped_in_one_transaction_and_allowed_again(machine: Machine) -> None:
    machine.adopt(INSTANCE)
    others = [ip("192.0.2.101"), ip("192.0.2.102")]
    machine.host.perform([effects.DropTraffic(address, "eth0") for address in [VIP.address, *others]])
    assert machine.kernel.nft[-1] == ("add element ip keepalived vips { 192.0.2.100, 192.0.2.101, 192.0.2.102 }\n")
    machine.host.perform([effects.AllowTraffic(others[0], "eth0")])
    assert machine.kernel.nft[-1] == "delete element ip keepalived vips { 192.0.2.101 }\n"
    done: list[bool] = []
    machine.host.release(lambda: done.append(True))
    assert machine.kernel.nft[-1] == "delete table ip keepalived\n"
    assert done == [True]


class Keeper:
    """Writes down the rules wanted, IPv4 and IPv6 together; comes to rest when it is told."""

    def __init__(self) -> None:
        self.rules: list[str] = []
        self.known: frozenset[str] = frozenset()
        self.done: Callable[[], object] = lambda: None

    def want(self, wishes: Mapping[int, Wish]) -> None:
        self.rules = [str(rule) for wish in wishes.values() for rule in wish.rules]
        self.known = frozenset[str]().union(*(wish.known for wish in wishes.values()))

    def when_at_rest(self, done: Callable[[], object]) -> None:
        self.done = done


NO_ACCEPT = replace(INSTANCE, accept=False)
DROP_IN, DROP_OUT = "INPUT -m set --match-set ka dst -j DROP", "OUTPUT -m set --match-set ka src -j DROP"


def by_iptables(ipsets: tuple[str, ...]) -> tuple[Machine, Keeper]:
    """A machine with a configuration that drops by iptables, just adopted."""
    keeper = Keeper()
    machine = Machine(keeper=keeper)
    firewall = Firewall(iptables_chains=("INPUT", "OUTPUT"), ipsets=ipsets)
    machine.config = Config(
        wants_vrrp=True, vrrp_instances=(NO_ACCEPT,), globals=replace(Config().globals, firewall=firewall)
    )
    return machine, keeper


NAMES = ("ka", "ka6", "kaif6", "kaigmp", "kamld", "kand")


@pytest.mark.keyword("global_defs/vrrp_ipsets")
def test_sets_and_their_rules_are_there_before_the_takeover() -> None:
    machine, keeper = by_iptables(NAMES)
    machine.host.adopt(machine.config)
    assert machine.kernel.sets == {"ka": set()}
    assert keeper.rules == [DROP_IN, DROP_OUT]
    machine.host.perform([effects.DropTraffic(VIP.address, "eth0")])
    assert machine.kernel.sets == {"ka": {(VIP.address, "")}}
    assert keeper.rules == [DROP_IN, DROP_OUT]
    machine.host.perform([effects.AllowTraffic(VIP.address, "eth0")])
    assert machine.kernel.sets == {"ka": set()}
    assert machine.kernel.nft == []


@pytest.mark.keyword("global_defs/vrrp_ipsets")
def test_sets_go_when_no_rule_needs_them() -> None:
    machine, keeper = by_iptables(NAMES)
    machine.host.adopt(machine.config)
    done: list[bool] = []
    machine.host.release(lambda: done.append(True))
    assert keeper.rules == []
    assert {DROP_IN, DROP_OUT} <= keeper.known
    assert machine.kernel.sets == {"ka": set()}
    assert done == []
    keeper.done()
    assert machine.kernel.sets == {}
    assert done == [True]


@pytest.mark.keyword("global_defs/vrrp_iptables")
def test_without_sets_there_is_a_rule_for_each_address() -> None:
    machine, keeper = by_iptables(())
    machine.host.adopt(machine.config)
    single = ["INPUT -d 192.0.2.100/32 -j DROP", "OUTPUT -s 192.0.2.100/32 -j DROP"]
    assert keeper.rules == []
    assert set(single) <= keeper.known
    machine.host.perform([effects.DropTraffic(VIP.address, "eth0")])
    assert keeper.rules == single
    machine.host.perform([effects.AllowTraffic(VIP.address, "eth0")])
    assert keeper.rules == []


@pytest.mark.keyword("global_defs/vrrp_ipsets")
def test_rules_for_each_address_where_the_kernel_has_no_sets() -> None:
    machine, keeper = by_iptables(NAMES)
    machine.kernel.refuse = {CreateSet("ka", 4): errno.EPROTONOSUPPORT}
    machine.host.adopt(machine.config)
    assert machine.log == ["ipset ka: Protocol not supported - not using ipsets"]
    machine.host.perform([effects.DropTraffic(VIP.address, "eth0")])
    assert keeper.rules == ["INPUT -d 192.0.2.100/32 -j DROP", "OUTPUT -s 192.0.2.100/32 -j DROP"]


def test_events_in_the_words_of_the_core(machine: Machine) -> None:
    machine.adopt(INSTANCE)
    machine.kernel.add_address("eth0", "192.0.2.7", 24)
    machine.kernel.remove_address("eth0", "192.0.2.7", 24)
    machine.kernel.set_carrier("eth0", False)
    machine.kernel.perform([SetLink("eth0", up=True), AddRoute(ROUTE)])
    machine.kernel.remove_route(ROUTE)
    told = machine.host.events()
    assert [type(event).__name__ for event in told] == [
        "AddressAdded",
        "AddressRemoved",
        "InterfaceChanged",
        "InterfaceChanged",
        "RouteRemoved",
    ]
    assert told[-1] == inputs.RouteRemoved(ROUTE)
    assert isinstance(told[2], inputs.InterfaceChanged)
    assert not told[2].interface.up


def test_route_of_somebody_else_is_not_told(machine: Machine) -> None:
    machine.adopt(INSTANCE)
    other = IpRoute(family=4, destination=ip("10.1.0.0"), prefix_length=16, interface="eth0")
    machine.kernel.perform([AddRoute(other)])
    machine.kernel.remove_route(other)
    assert machine.host.events() == []


def test_address_that_is_back_within_one_reading_is_not_told_as_removed(machine: Machine) -> None:
    machine.adopt(INSTANCE)
    machine.kernel.perform([KernelAdd(VIP, "eth0")])
    machine.host.events()
    machine.kernel.remove_address("eth0", "192.0.2.100", 32)
    machine.kernel.add_address("eth0", "192.0.2.100", 32)
    assert [type(event) for event in machine.host.events()] == [inputs.AddressAdded]


def test_lost_events_bring_the_whole_truth(machine: Machine) -> None:
    machine.adopt(INSTANCE)
    machine.kernel.add_address("eth0", "192.0.2.7", 24)
    machine.kernel.overrun()
    told = machine.host.events()
    assert len(told) == 1
    assert isinstance(told[0], inputs.Resynced)
    assert "192.0.2.7" in [str(each.address) for each in told[0].view.addresses]
    assert machine.log == ["Kernel netlink events were lost - reading the state of the kernel again"]


@pytest.mark.keyword("vrrp_instance/promote_secondaries")
def test_kernel_parameters_are_set_and_given_back(machine: Machine) -> None:
    path = "net/ipv4/conf/eth0/promote_secondaries"
    machine.values[path] = "0"
    promoting = VrrpInstance(name="VI_1", interface="eth0", virtual_router_id=51, promote_secondaries=True)
    machine.adopt(promoting)
    assert machine.values[path] == "1"
    machine.adopt(INSTANCE)
    assert machine.values[path] == "0"
    machine.adopt(promoting)
    machine.host.release(lambda: None)
    assert machine.values[path] == "0"


def test_parent_of_a_vmac_is_told_about_on_request(machine: Machine) -> None:
    loud = VrrpInstance(name="VI_1", interface="eth0", virtual_router_id=51, vmac=Vmac(netlink_notify_msg=True))
    machine.adopt(loud)
    machine.host.perform([effects.AddAddress(VIP, "vrrp.51", "VI_1"), effects.AddAddress(VIP, "vrrp.51", "VI_2")])
    assert machine.kernel.performed[-1] == SetLink("eth0", group=0)
    assert machine.kernel.performed.count(SetLink("eth0", group=0)) == 1
    assert any(isinstance(each, inputs.InterfaceChanged) for each in machine.host.events())
    machine.adopt(INSTANCE)
    machine.host.perform([effects.RemoveAddress(VIP, "vrrp.51", "VI_1")])
    assert machine.kernel.performed.count(SetLink("eth0", group=0)) == 1


def test_every_address_is_logged_on_request() -> None:
    machine = Machine(monitor=True)
    machine.adopt(INSTANCE)
    machine.kernel.add_address("eth0", "192.0.2.7", 24)
    machine.kernel.remove_address("eth0", "192.0.2.7", 24)
    machine.host.events()
    assert machine.log == [
        "Assigned address 192.0.2.7 for interface eth0",
        "Deassigned address 192.0.2.7 from interface eth0",
    ]


def test_preparation_covers_every_kind_of_address_once_and_all_routes_and_rules(machine: Machine) -> None:
    """It may be left off after every address it has looked at, since adverts wait meanwhile."""
    prepared: list[str] = []
    machine.kernel.prepare = lambda operation: prepared.append(str(operation))  # type: ignore[method-assign]
    more = tuple(IpAddress(address=ip(f"192.0.2.{last}"), prefix_length=32, interface="eth0") for last in range(1, 50))
    labelled = IpAddress(address=ip("192.0.2.60"), prefix_length=32, interface="eth0", label="eth0:x")
    other = VrrpInstance(name="VI_2", interface="eth0", virtual_router_id=52, virtual_addresses=(*more, labelled))
    machine.adopt(INSTANCE, other)
    addresses = [*INSTANCE.virtual_addresses, *other.virtual_addresses]
    assert len(list(machine.host.preparation())) == len([*addresses, ROUTE, RULE])
    assert prepared == [
        "address add 192.0.2.100/32 dev eth0",
        "address delete 192.0.2.100/32 dev eth0",
        "address add 192.0.2.60/32 dev eth0",
        "address delete 192.0.2.60/32 dev eth0",
        "route add 10.0.0.0/8 dev eth0",
        "route delete 10.0.0.0/8 dev eth0",
        "rule add from all priority 1000 lookup 100",
        "rule delete from all priority 1000 lookup 100",
    ]
