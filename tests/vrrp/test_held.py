"""What is noted of addresses, routes and rules, and what a successor with another configuration makes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pykeepalived.config.model import Config
from pykeepalived.config.model.network import IpAddress, IpRoute, IpRule
from pykeepalived.config.model.values import Ip, Span
from pykeepalived.config.model.vrrp import VrrpInstance
from pykeepalived.netlink.fake_kernel import FakeKernel
from pykeepalived.netlink.journal import Journal
from pykeepalived.netlink.sysctls import SavedSysctls
from pykeepalived.observe.cause import LogLine
from pykeepalived.vrrp import effects
from pykeepalived.vrrp.host import Host

ip = Ip.parse
VIP = IpAddress(address=ip("192.0.2.100"), prefix_length=32, interface="eth0", at=Span("f", 1))
OTHER = IpAddress(address=ip("192.0.2.101"), prefix_length=32, interface="eth0")
ROUTE = IpRoute(family=4, destination=ip("10.0.0.0"), prefix_length=8, interface="eth0")
RULE = IpRule(family=4, table=100, priority=1000)
INSTANCE = VrrpInstance(
    name="VI_1",
    interface="eth0",
    virtual_router_id=51,
    virtual_addresses=(VIP, OTHER),
    virtual_routes=(ROUTE,),
    virtual_rules=(RULE,),
)
ALL = (
    effects.AddAddress(VIP, "eth0", "VI_1"),
    effects.AddAddress(OTHER, "eth0", "VI_1"),
    effects.AddRoute(ROUTE, "VI_1"),
    effects.AddRule(RULE, "VI_1"),
)


class Machine:
    """A kernel, and daemons one after the other with one journal."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.kernel = FakeKernel()
        self.kernel.add_interface("eth0", mac=bytes.fromhex("020000000001"))
        self.kernel.add_interface("eth1", mac=bytes.fromhex("020000000002"))
        self.lines: list[LogLine] = []

    def daemon(self, *instances: VrrpInstance) -> Host:
        sysctls = SavedSysctls(dict[str, str]().get, lambda path, value: None)
        host = Host(self.kernel, self.lines.append, lambda: 0, sysctls, notes=Journal(str(self.file)))
        host.adopt(Config(wants_vrrp=True, vrrp_instances=instances))
        return host

    def killed(self, *operations: effects.Operation) -> None:
        """A daemon that does this and is killed some time later."""
        host = self.daemon(INSTANCE)
        host.perform(operations)
        assert host.held.waits
        for _ in host.held.write():
            pass

    def there(self) -> list[str]:
        facts = self.kernel.facts(routes=True, rules=True)
        found = [str(each.address) for each in facts.addresses]
        found += ["route" for route in facts.routes if route.destination == ROUTE.destination]
        return found + ["rule" for rule in facts.rules if rule.priority == RULE.priority]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "objects")


def test_what_nobody_names_goes(machine: Machine) -> None:
    machine.killed(*ALL)
    assert machine.there() == ["192.0.2.100", "192.0.2.101", "route", "rule"]
    machine.daemon(VrrpInstance(name="VI_9", interface="eth0", virtual_router_id=59, virtual_addresses=(OTHER,)))
    assert machine.there() == ["192.0.2.101"]
    assert [line.text for line in machine.lines if "predecessor" in line.text] == [
        "Left by a killed predecessor: address delete 192.0.2.100/32 dev eth0",
        "Left by a killed predecessor: route delete 10.0.0.0/8 dev eth0",
        "Left by a killed predecessor: rule delete from all priority 1000 lookup 100",
    ]


def test_the_same_configuration_finds_everything(machine: Machine) -> None:
    machine.killed(*ALL)
    machine.daemon(INSTANCE)
    machine.daemon(INSTANCE)
    assert machine.there() == ["192.0.2.100", "192.0.2.101", "route", "rule"]
    machine.daemon()
    assert machine.there() == []
    assert not machine.file.exists()


def test_address_that_is_to_be_on_another_interface(machine: Machine) -> None:
    machine.killed(*ALL[:1])
    machine.daemon(replace(INSTANCE, interface="eth1", virtual_addresses=(replace(VIP, interface="eth1"),)))
    assert machine.there() == []


@pytest.mark.parametrize("number", range(4))
def test_what_was_removed_is_forgotten(machine: Machine, number: int) -> None:
    """Somebody else may have it by the time of the next start."""
    removals = (
        effects.RemoveAddress(VIP, "eth0", "VI_1"),
        effects.RemoveAddress(OTHER, "eth0", "VI_1"),
        effects.RemoveRoute(ROUTE, "VI_1"),
        effects.RemoveRule(RULE, "VI_1"),
    )
    machine.killed(*ALL, removals[number])
    host = Host(machine.kernel, machine.lines.append, lambda: 0)
    host.perform([ALL[number]])
    machine.daemon()
    assert len(machine.there()) == 1


def test_what_was_refused_is_not_ours(machine: Machine) -> None:
    bad = effects.AddAddress(replace(VIP, interface="eth9"), "eth9", "VI_1")
    host = machine.daemon(INSTANCE)
    host.perform([bad])
    assert not host.held.waits


def test_interface_that_is_another_one_by_now(machine: Machine) -> None:
    machine.killed(*ALL[:1])
    machine.kernel.remove_interface("eth0")
    machine.kernel.add_interface("eth0")
    machine.kernel.add_address("eth0", "192.0.2.100", 32)
    machine.daemon()
    assert machine.there() == ["192.0.2.100"]


def test_orderly_end_leaves_no_file(machine: Machine) -> None:
    host = machine.daemon(INSTANCE)
    host.perform(ALL)
    host.perform([effects.RemoveAddress(VIP, "eth0"), effects.RemoveAddress(OTHER, "eth0")])
    host.perform([effects.RemoveRoute(ROUTE), effects.RemoveRule(RULE)])
    host.release(lambda: None)
    assert not machine.file.exists()


def test_end_without_release_leaves_the_notes(machine: Machine) -> None:
    host = machine.daemon(INSTANCE)
    host.perform(ALL)
    host.release(lambda: None)
    machine.daemon()
    assert machine.there() == []


def test_what_is_gone_by_itself_leaves_no_note(machine: Machine) -> None:
    """Others may have taken away what is named; an orderly end leaves no file then."""
    machine.killed(*ALL)
    machine.kernel.remove_address("eth0", "192.0.2.100", 32)
    host = machine.daemon(INSTANCE)
    machine.kernel.remove_address("eth0", "192.0.2.101", 32)
    machine.kernel.remove_route(ROUTE)
    host.perform([effects.RemoveRule(RULE)])
    host.release(lambda: None)
    assert not machine.file.exists()


def test_damaged_lines_do_no_harm(machine: Machine) -> None:
    machine.killed(*ALL)
    whole = machine.file.read_text()
    damage = (
        '+\n-\n\n+[1,2]\n+[0,"x",{"$":"os.system"}]\n+{"a":\n+[[],3,null]\n-["a","b","c"]\nx\n'
        + whole.split("\n")[1][:-9]
    )
    machine.file.write_text(whole + damage)
    machine.daemon(replace(INSTANCE, virtual_addresses=(OTHER,)))
    assert machine.there() == ["192.0.2.101", "route", "rule"]


def test_file_does_not_grow_with_time(machine: Machine) -> None:
    host = machine.daemon(INSTANCE)
    for _ in range(500):
        host.held.done([*ALL, effects.RemoveAddress(VIP, "eth0"), effects.RemoveRule(RULE)], [])
        for _ in host.held.write():
            pass
    assert machine.file.stat().st_size < 100_000
