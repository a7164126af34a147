"""Tracked files, local addresses, and the nftables maps of nftables_ipvs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from pykeepalived.config.model import Config
from pykeepalived.config.model.globals import Firewall, GlobalDefs, ReceiveBuffer
from pykeepalived.config.model.ipvs import GroupEntry, Protocol, VirtualServerGroup
from pykeepalived.config.model.values import Ip
from pykeepalived.config.model.vrrp import TrackFile
from pykeepalived.ipvs import effects, surroundings
from pykeepalived.ipvs.core import IpvsCore
from pykeepalived.ipvs.effects import MarkElement
from pykeepalived.ipvs.marks import MarkTables
from pykeepalived.ipvs.surroundings import AddressWatch, TrackedFiles
from pykeepalived.netlink.facts import Address, AddressAdded, AddressRemoved, Event, Facts
from pykeepalived.observe.cause import LogLine
from pykeepalived.runtime.loop import Loop
from pykeepalived.runtime.tracked_files import write_initial
from tests.ipvs.harness import Lab, config, real, virtual

SECOND = 1_000_000_000


def run_until(loop: Loop, seen: list[tuple[str, int]], count: int) -> None:
    end = loop.now() + 10 * SECOND
    while len(seen) < count and loop.now() < end:
        loop.run_once(until=end)


@pytest.mark.keyword("track_file/file")
def test_tracked_files_are_told_at_once_and_after_every_change(tmp_path: Path) -> None:
    loop = Loop()
    seen: list[tuple[str, int]] = []
    lines: list[LogLine] = []
    files = TrackedFiles(loop, lines.append, lambda name, value: seen.append((name, value)))
    path = tmp_path / "f1"
    path.write_text("3\n")
    files.watch([TrackFile(name="F1", path=str(path)), TrackFile(name="F2", path=str(tmp_path / "none"))])
    assert seen == [("F1", 3), ("F2", 0)]
    path.write_text("-7")
    run_until(loop, seen, 3)
    assert seen[2:3] == [("F1", -7)]
    other = tmp_path / "new"
    other.write_text("12")
    other.rename(path)
    run_until(loop, seen, 4)
    assert seen[-1] == ("F1", 12)
    path.unlink()
    run_until(loop, seen, len(seen) + 1)
    assert seen[-1] == ("F1", 0)
    path.write_text("99999999999")
    end = loop.now() + 10 * SECOND
    while not lines and loop.now() < end:
        loop.run_once(until=end)
    assert [line.text for line in lines] == [f"Invalid number 99999999999 read from {path} - ignoring"]
    files.close()
    loop.close()


@pytest.mark.keyword("track_file/init_file")
def test_addresses_that_are_gone_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Event] = []

    class Quiet:
        event_fd = 0

        def __init__(self, *_buffers: object) -> None:
            pass

        def facts(self) -> Facts:
            return Facts(links={}, addresses=())

        def read_events(self) -> list[Event]:
            return [events.pop(0) for _ in list(events)]

    class Idle:
        def add_reader(self, fd: int, callback: object) -> None:
            pass

    monkeypatch.setattr(surroundings, "Kernel", Quiet)
    told: list[tuple[Ip, int]] = []
    core = IpvsCore(Config(), lambda limit: 0)

    def changed(address: Ip, count: int) -> None:
        told.append((address, count))
        core.receive(effects.AddressChanged(address, count), 0)

    watch = AddressWatch(cast(Loop, Idle()), ReceiveBuffer(), changed)
    one, other = (Address(index=index, address=Ip.parse("fe80::1"), prefix_length=64) for index in (1, 2))
    events += [AddressAdded(one), AddressAdded(other), AddressRemoved(one), AddressRemoved(other)]
    watch._read()
    assert told == [(one.address, count) for count in (1, 2, 1, 0)]
    assert not watch._places
    assert not core._addresses


def test_init_file_writes_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "f"
    lines: list[LogLine] = []
    write_initial(TrackFile(name="F", path=str(path), init_value=5), lines.append)
    assert path.read_text() == "5\n"
    write_initial(TrackFile(name="F", path=str(path), init_value=6), lines.append)
    assert path.read_text() == "5\n"
    write_initial(TrackFile(name="F", path=str(path), init_value=6, overwrite=True), lines.append)
    assert path.read_text() == "6\n"
    assert lines == []
    write_initial(TrackFile(name="F", path=str(tmp_path / "no/f"), init_value=5), lines.append)
    assert "errno 2 (No such file or directory)" in lines[0].text


# nftables_ipvs

SETTINGS = Firewall(nftables_ipvs_table="keepalived_ipvs", nftables_ipvs_priority=-1)


def element(protocol: str, first: str, last: str, port: int, mark: int) -> MarkElement:
    return MarkElement(protocol, Ip.parse(first), Ip.parse(last), port, mark)


TCP_RANGE = element("tcp", "10.99.1.1", "10.99.1.3", 80, 1000)
TCP_ONE = element("tcp", "10.99.2.1", "10.99.2.1", 8080, 1000)
UDP_ONE = element("udp", "10.99.2.1", "10.99.2.1", 8080, 1001)
TCP6 = element("tcp", "fd00:99::1", "fd00:99::9", 80, 1000)

LISTING = """table ip keepalived_ipvs {
~map tcp_map {
~~type ipv4_addr . inet_service : mark
~~flags interval
~~elements = { 10.99.1.1-10.99.1.3 . 80 : 0x000003e8,
~~~     10.99.2.1 . 8080 : 0x000003e8 }
~}

~map udp_map {
~~type ipv4_addr . inet_service : mark
~~flags interval
~~elements = { 10.99.2.1 . 8080 : 0x000003e9 }
~}

~chain in {
~~type filter hook input priority filter - 1; policy accept;
~~meta mark set ip daddr . tcp dport map @tcp_map return
~~meta mark set ip daddr . udp dport map @udp_map return
~}
}
""".replace("~", "\t")


def test_tables_are_made_once_and_dropped_at_the_end() -> None:
    tables = MarkTables(SETTINGS)
    first = tables.change([TCP_RANGE], [])
    assert first.count("add map ip keepalived_ipvs tcp_map") == 1
    assert first.endswith("add element ip keepalived_ipvs tcp_map { 10.99.1.1-10.99.1.3 . 80 : 0x000003e8 }\n")
    again = tables.change([TCP_ONE], [TCP_RANGE])
    assert again.splitlines() == [
        "delete element ip keepalived_ipvs tcp_map { 10.99.1.1-10.99.1.3 . 80 }",
        "add element ip keepalived_ipvs tcp_map { 10.99.2.1 . 8080 : 0x000003e8 }",
    ]
    assert "ip6 keepalived_ipvs" in tables.change([TCP6], [])
    assert tables.drop() == "delete table ip keepalived_ipvs\ndelete table ip6 keepalived_ipvs\n"
    assert tables.drop() == ""


@pytest.fixture
def namespace() -> Iterator[str]:
    name = f"pkipn{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def nft(namespace: str, *words: str, commands: str = "") -> str:
    run = ["ip", "netns", "exec", namespace, "nft", *words]
    return subprocess.run(run, input=commands, capture_output=True, text=True, check=True).stdout


@pytest.mark.netns
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft"), reason="needs root and nft")
@pytest.mark.keyword("global_defs/nftables_ipvs")
@pytest.mark.keyword("global_defs/nftables_counters")
def test_the_kernel_takes_the_commands(namespace: str) -> None:
    tables = MarkTables(SETTINGS)
    nft(namespace, "-f", "-", commands=tables.change([TCP_RANGE, TCP_ONE, UDP_ONE], []))
    assert nft(namespace, "list", "ruleset") == LISTING
    nft(namespace, "-f", "-", commands=tables.change([TCP6], [UDP_ONE]))
    assert "fd00:99::1-fd00:99::9 . 80" in nft(namespace, "list", "ruleset")
    nft(namespace, "-f", "-", commands=tables.drop())
    assert nft(namespace, "list", "ruleset") == ""
    counting = MarkTables(Firewall(nftables_ipvs_table="x", nftables_counters=True))
    nft(namespace, "-f", "-", commands=counting.change([TCP_ONE], []))
    assert nft(namespace, "list", "ruleset").count("counter") >= 2


@pytest.mark.keyword("global_defs/nftables_ipvs_start_fwmark")
def test_a_group_becomes_one_fwmark_service_a_protocol() -> None:
    entries = (GroupEntry(first=Ip.parse("10.99.1.1"), last=Ip.parse("10.99.1.3"), port=80),)
    group = VirtualServerGroup(name="G1", entries=entries)
    one = virtual(real("10.10.0.11"), address=None, group="G1")
    two = virtual(real("10.10.0.13"), address=None, group="G1", group_index=1, protocol=Protocol.UDP)
    settings = GlobalDefs(firewall=Firewall(nftables_ipvs_table="t", nftables_ipvs_start_fwmark=1000))
    lab = Lab(config(one, two, globals=settings, virtual_server_groups=(group,))).start()
    assert lab.operations() == [
        "NEW_SERVICE Fwm 1000",
        "NEW_DEST Fwm 1000 -> 10.10.0.11:80 weight 1",
        "NEW_SERVICE Fwm 1001",
        "NEW_DEST Fwm 1001 -> 10.10.0.13:80 weight 1",
    ]
    tcp = element("tcp", "10.99.1.1", "10.99.1.3", 80, 1000)
    assert lab.other[:1] == [effects.SetMarks(add=(tcp,))]
    more = VirtualServerGroup(name="G1", entries=(*entries, GroupEntry(first=Ip.parse("10.99.2.1"), port=81)))
    lab.other.clear()
    lab.reload(config(one, two, globals=settings, virtual_server_groups=(more,)))
    assert lab.operations() == []
    added = MarkElement(Protocol.TCP, Ip.parse("10.99.2.1"), Ip.parse("10.99.2.1"), 81, 1000)
    assert effects.SetMarks(add=(added,)) in lab.other
    lab.stop()
    assert effects.DropMarks() in lab.other
    assert lab.kernel.services == {}


def test_a_respawned_checker_replaces_the_marks_of_all_groups_at_once() -> None:
    """It does not know what is in the tables: the first change of one group would empty them of all others."""
    groups = tuple(
        VirtualServerGroup(name=f"G{n}", entries=(GroupEntry(first=Ip.parse(f"10.99.{n}.1"), port=80),)) for n in (1, 2)
    )
    settings = GlobalDefs(firewall=Firewall(nftables_ipvs_table="t", nftables_ipvs_start_fwmark=1000))
    both = [virtual(real("10.10.0.11", checkers=()), address=None, group=f"G{n}") for n in (1, 2)]
    first = Lab(config(*both, globals=settings, virtual_server_groups=groups)).start()
    first.operations()
    lab = Lab(config(*both, globals=settings, virtual_server_groups=groups), first.kernel).start(respawned=True)
    assert lab.operations() == []
    marks = [effect for effect in lab.other if isinstance(effect, effects.SetMarks)]
    wanted = tuple(element("tcp", f"10.99.{n}.1", f"10.99.{n}.1", 80, 999 + n) for n in (1, 2))
    assert marks == [effects.SetMarks(add=wanted)]
    lab.stop()
    assert effects.DropMarks() in lab.other


def test_dont_release_ipvs_leaves_the_marks_too() -> None:
    group = VirtualServerGroup(name="G1", entries=(GroupEntry(first=Ip.parse("10.99.1.1"), port=80),))
    settings = GlobalDefs(firewall=Firewall(nftables_ipvs_table="t"))
    one = virtual(real("10.10.0.11"), address=None, group="G1")
    lab = Lab(config(one, globals=settings, virtual_server_groups=(group,))).start()
    lab.stop(keep=True)
    assert effects.DropMarks() not in lab.other
    assert lab.stopped
