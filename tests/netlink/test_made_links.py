"""Links made are told from others, also by a successor."""

from __future__ import annotations

from pathlib import Path

import pytest

from pykeepalived.netlink.facts import Link
from pykeepalived.netlink.fake_kernel import FakeKernel
from pykeepalived.netlink.journal import Journal
from pykeepalived.netlink.made_links import MadeLinks
from pykeepalived.netlink.operations import AddLink, VirtualLink

MAC = bytes.fromhex("00005e000133")
VMAC = VirtualLink(name="vrrp.51", parent="eth0", mac=MAC)
IPVLAN = VirtualLink(name="ipvl.51", parent="eth0", kind="ipvlan")


class Machine:
    """A kernel, and daemons one after the other with one journal."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.kernel = FakeKernel()
        self.kernel.add_interface("eth0")
        self.kernel.add_interface("eth1")

    def daemon(self) -> MadeLinks:
        return MadeLinks(Journal(str(self.file)))

    def link(self, name: str) -> Link:
        found = self.kernel.link(name)
        assert found is not None
        return found

    def make(self, made: MadeLinks, wanted: VirtualLink = VMAC) -> None:
        made.making(wanted, self.link(wanted.parent))
        assert self.kernel.perform([AddLink(wanted)]) == []
        made.made(self.link(wanted.name))

    def left(self) -> list[str]:
        return [link.name for link in self.daemon().left(self.kernel.facts())]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "links")


def test_successor_knows_what_was_made_and_not_removed(machine: Machine) -> None:
    made = machine.daemon()
    other = VirtualLink(name="vrrp.52", parent="eth1", mac=MAC)
    for wanted in (VMAC, IPVLAN, other):
        machine.make(made, wanted)
    made.gone("vrrp.51")
    assert machine.left() == ["ipvl.51", "vrrp.52"]
    assert machine.left() == ["ipvl.51", "vrrp.52"]


def test_file_goes_with_the_last_link(machine: Machine) -> None:
    made = machine.daemon()
    assert not machine.file.exists()
    machine.make(made)
    assert machine.file.exists()
    made.gone("vrrp.51")
    assert not machine.file.exists()


def test_killed_between_making_and_noting_its_index(machine: Machine) -> None:
    machine.daemon().making(VMAC, machine.link("eth0"))
    machine.kernel.perform([AddLink(VMAC)])
    assert machine.left() == ["vrrp.51"]


@pytest.mark.parametrize(
    "other",
    [
        VMAC,
        VirtualLink(name="vrrp.51", parent="eth1", mac=MAC),
        VirtualLink(name="vrrp.51", parent="eth0", mac=bytes(6)),
        VirtualLink(name="vrrp.51", parent="eth0", kind="ipvlan"),
        VirtualLink(name="vrrp.53", parent="eth0", mac=MAC),
    ],
    ids=["index", "parent", "mac", "kind", "name"],
)
def test_link_made_by_somebody_in_its_place_is_theirs(machine: Machine, other: VirtualLink) -> None:
    machine.make(machine.daemon())
    machine.kernel.remove_interface("vrrp.51")
    assert machine.left() == []
    machine.make(machine.daemon())
    machine.kernel.remove_interface("vrrp.51")
    machine.kernel.perform([AddLink(other)])
    assert machine.left() == []


def test_link_of_somebody_that_is_used_stays_theirs(machine: Machine) -> None:
    made = machine.daemon()
    machine.make(made)
    machine.kernel.remove_interface("vrrp.51")
    machine.kernel.perform([AddLink(VMAC)])
    made.made(machine.link("vrrp.51"))
    assert machine.left() == []


def test_macvlan_on_a_macvlan_is_known_by_what_the_kernel_has_below(machine: Machine) -> None:
    """It stands beside it, not above it."""
    machine.kernel.perform([AddLink(VirtualLink(name="base", parent="eth0", mac=bytes(6)))])
    upper = VirtualLink(name="vrrp.51", parent="base", mac=MAC)
    machine.daemon().making(upper, machine.link("base"))
    machine.kernel.perform([AddLink(upper)])
    assert machine.left() == ["vrrp.51"]


def test_journal_of_another_namespace_or_boot_says_nothing(machine: Machine) -> None:
    machine.make(machine.daemon())
    machine.file.write_text("elsewhere" + machine.file.read_text())
    assert machine.left() == []


def test_damaged_lines_do_no_harm(machine: Machine) -> None:
    machine.make(machine.daemon())
    whole = machine.file.read_text()
    machine.file.write_text(whole + "vrrp.51\tmacvlan\tx\tzz\t\nvrrp.9\tmacvlan\t1\n\t\t\t\t\n\0")
    assert machine.left() == ["vrrp.51"]


def test_file_does_not_grow_with_time(machine: Machine) -> None:
    """An interface that comes and goes for years."""
    made = machine.daemon()
    machine.make(made, IPVLAN)
    for _ in range(3000):
        made.making(VMAC, machine.link("eth0"))
        made.gone("vrrp.51")
    assert machine.file.stat().st_size < 30_000
    assert machine.left() == ["ipvl.51"]


def test_journal_that_cannot_be_written_is_told_and_done_without(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "missing" / "links")
    made = machine.daemon()
    machine.make(made)
    assert made.trouble.endswith("No such file or directory")
