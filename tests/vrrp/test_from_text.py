"""Words of VRRP, from the text of a file to what is on the wire, in the kernel, and said."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest

from pykeepalived.config.model import Config
from pykeepalived.vrrp import effects as fx
from pykeepalived.vrrp import inputs
from tests.config_lvs.loading import read
from tests.vrrp.lan import SECOND, Lan, Node, address, interface, ip, view

MASTER = 3.609375
"""Seconds until a lonely router of priority 100 is MASTER."""
GLOBAL, INSTANCE = "global_defs", "vrrp_instance"


def loaded(text: str) -> Config:
    result = read(text)
    assert result.config is not None, result.findings
    return result.config


def block(words: str, *, name: str = "VI_1", vrid: int = 51, vip: str = "10.0.0.100") -> str:
    """An instance with these words; eth0 and priority 100 unless they say otherwise."""
    where = "" if "interface" in words.split() else "interface eth0\n"
    vips = f"virtual_ipaddress {{\n {vip}\n}}\n" if vip else ""
    return f"vrrp_instance {name} {{\n{where}virtual_router_id {vrid}\npriority 100\n{words}\n{vips}}}\n"


TWO = block("") + block("", name="VI_2", vrid=52, vip="10.0.0.101")


def host(lan: Lan, text: str, last: int = 1, name: str = "A") -> Node:
    """A router with this file; it has 10.0.0.LAST and fe80::LAST on eth0, 10.0.1.LAST on eth1."""
    machine = view(
        address(f"10.0.0.{last}/24"),
        address(f"fe80::{last}/64"),
        address(f"10.0.1.{last}/24", "eth1"),
        interfaces=(interface(), interface("eth1", 3)),
    )
    return lan.node(name, loaded(text), machine)


def alone(words: str = "", everywhere: str = "", seconds: float = MASTER, **block_words: Any) -> Node:
    """One router after some seconds: words of its instance, words of global_defs."""
    lan = Lan()
    node = host(lan, f"global_defs {{\n{everywhere}\n}}\n{block(words, **block_words)}")
    lan.run(seconds)
    return node


def keywords(*paths: str) -> Callable[[Any], Any]:
    """Marks a test with each of these keywords."""

    def mark(function: Any) -> Any:
        for path in paths:
            function = pytest.mark.keyword(path)(function)
        return function

    return mark


@keywords("vrrp_instance", f"{GLOBAL}/vrrp_version", f"{INSTANCE}/version")
@pytest.mark.parametrize(
    ("everywhere", "words", "version"),
    [("", "", 2), ("vrrp_version 3", "", 3), ("", "version 3", 3), ("vrrp_version 3", "version 2", 2)],
)
def test_the_version_on_the_wire(everywhere: str, words: str, version: int) -> None:
    (sent,) = alone(words, everywhere).lan.wire
    assert sent.message[0] == version << 4 | 1


@keywords(f"{GLOBAL}/vrrp_mcast_group4", f"{GLOBAL}/vrrp_mcast_group6", f"{INSTANCE}/native_ipv6")
@pytest.mark.parametrize(
    ("everywhere", "words", "vip", "destination"),
    [
        ("", "", "10.0.0.100", "224.0.0.18"),
        ("vrrp_mcast_group4 224.0.0.99", "", "10.0.0.100", "224.0.0.99"),
        ("", "version 3", "fe80::100", "ff02::12"),
        ("vrrp_mcast_group6 ff02::99", "version 3", "fe80::100", "ff02::99"),
        ("", "version 3\nnative_ipv6", "fe80::100", "ff02::12"),
    ],
)
def test_the_group_that_adverts_go_to(everywhere: str, words: str, vip: str, destination: str) -> None:
    (sent,) = alone(words, everywhere, vip=vip).lan.wire
    assert str(sent.flow.destination) == destination


@keywords(f"{INSTANCE}/mcast_src_ip", f"{INSTANCE}/interface")
@pytest.mark.parametrize(
    ("words", "where"),
    [
        ("", ("eth0", "10.0.0.1")),
        ("interface eth1", ("eth1", "10.0.1.1")),
        ("mcast_src_ip 10.0.0.7", ("eth0", "10.0.0.7")),
    ],
)
def test_where_adverts_come_from(words: str, where: tuple[str, str]) -> None:
    (sent,) = alone(words).lan.wire
    assert (sent.flow.pool.interface, str(ip_source(sent.data))) == where


@keywords(f"{GLOBAL}/default_interface", "static_ipaddress:dev")
@pytest.mark.parametrize(
    ("everywhere", "line", "name"),
    [("", "", "eth0"), ("default_interface eth1", "", "eth1"), ("default_interface eth1", "dev eth0", "eth0")],
)
def test_the_interface_of_static_addresses(everywhere: str, line: str, name: str) -> None:
    head = f"global_defs {{\n{everywhere}\n}}\nstatic_ipaddress {{\n 10.7.0.1/24 {line}\n}}\n"
    assert host(Lan(), head + block("")).addresses == {(name, ip("10.7.0.1"))}


def ip_source(packet: bytes) -> Any:
    return ip(".".join(str(octet) for octet in packet[12:16]))


@keywords(f"{INSTANCE}/no_virtual_ipaddress")
def test_an_instance_without_addresses() -> None:
    node = alone("no_virtual_ipaddress", vip="")
    (sent,) = node.lan.wire
    assert (node.state(), sent.message[3], node.addresses) == ("MASTER", 0, set())


@keywords(f"{INSTANCE}/authentication", f"{INSTANCE}/authentication/auth_type", f"{INSTANCE}/authentication/auth_pass")
def test_the_password_is_in_the_advert() -> None:
    (sent,) = alone("authentication {\n auth_type PASS\n auth_pass tell\n}").lan.wire
    assert (sent.message[4], sent.message[-8:]) == (1, b"tell\0\0\0\0")


@keywords(f"{GLOBAL}/v3_checksum_as_v2", f"{INSTANCE}/v3_checksum_as_v2")
@pytest.mark.parametrize(
    ("everywhere", "words", "old"),
    [("", "", False), ("v3_checksum_as_v2", "", True), ("", "v3_checksum_as_v2", True)],
)
def test_the_checksum_of_version_3(everywhere: str, words: str, old: bool) -> None:
    (sent,) = alone(f"version 3\n{words}", everywhere).lan.wire
    pseudo = sent.data[12:20] + struct.pack("!BBH", 0, 112, len(sent.message))
    assert (checksum(sent.message) == 0) == old
    assert (checksum(pseudo + sent.message) == 0) == (not old)


def checksum(data: bytes) -> int:
    """0 for data with a right checksum in it (RFC 1071)."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    return (total % 0xFFFF or 0xFFFF) ^ 0xFFFF


@keywords(f"{GLOBAL}/vrrp_down_timer_adverts", f"{INSTANCE}/down_timer_adverts")
@pytest.mark.parametrize(
    ("everywhere", "words", "adverts"),
    [("", "", 3), ("vrrp_down_timer_adverts 5", "", 5), ("vrrp_down_timer_adverts 5", "down_timer_adverts 2", 2)],
)
def test_how_many_missing_adverts_make_a_master(everywhere: str, words: str, adverts: int) -> None:
    lan = alone(words, everywhere, 10).lan
    assert lan.adverts()[0] == (adverts + MASTER - 3, 100)


@keywords(f"{INSTANCE}/preempt", f"{INSTANCE}/nopreempt")
@pytest.mark.parametrize(("words", "master"), [("", "B"), ("nopreempt", "A"), ("nopreempt\npreempt", "B")])
def test_who_takes_over(words: str, master: str) -> None:
    lan = Lan()
    host(lan, block(""))
    lan.run(10)
    host(lan, block(words).replace("priority 100", "priority 200"), 2, "B")
    lan.run(10)
    assert [node.name for node in lan.nodes if node.is_master] == [master]


def announcements(node: Node) -> list[tuple[float, str]]:
    """(seconds after becoming MASTER, address) of every frame."""
    return [
        (round((at - node.lan.start) / SECOND - MASTER, 6), str(frame.address))
        for at, effect in node.effects(fx.SendFrames)
        for frame in effect.frames  # type: ignore[attr-defined]
    ]


@keywords(
    f"{GLOBAL}/vrrp_min_garp",
    f"{GLOBAL}/vrrp_garp_master_repeat",
    f"{GLOBAL}/vrrp_garp_master_delay",
    f"{GLOBAL}/vrrp_garp_master_refresh",
    f"{GLOBAL}/vrrp_garp_master_refresh_repeat",
)
@pytest.mark.parametrize(
    ("everywhere", "expected"),
    [
        ("", [0] * 5 + [5] * 5),
        ("vrrp_min_garp", [0]),
        ("vrrp_garp_master_repeat 2\nvrrp_garp_master_delay 3", [0, 0, 3, 3]),
        ("vrrp_min_garp\nvrrp_garp_master_refresh 6\nvrrp_garp_master_refresh_repeat 3", [0, 6, 6, 6]),
    ],
)
def test_announcements_of_all_instances(everywhere: str, expected: list[float]) -> None:
    assert [at for at, _ in announcements(alone("", everywhere, MASTER + 11))] == expected


@keywords("garp_group", "garp_group/interface", "garp_group/interfaces", "garp_group/garp_interval")
@pytest.mark.parametrize("where", ["interface eth0", "interfaces {\n eth0\n eth1\n}"])
def test_the_pace_of_an_interface(where: str) -> None:
    lan = Lan()
    group = f"garp_group {{\n garp_interval 0.25\n {where}\n}}\n"
    node = host(lan, group + block("garp_master_repeat 3\ngarp_master_delay 0"))
    lan.run(MASTER + 2)
    assert [at for at, _ in announcements(node)] == [0, 0.25, 0.5]


@keywords("garp_group/gna_interval", "garp_group/interface")
def test_the_pace_of_neighbour_advertisements() -> None:
    lan = Lan()
    group = "garp_group {\n gna_interval 0.5\n interface eth0\n}\n"
    node = host(lan, group + block("version 3\ngarp_master_repeat 3\ngarp_master_delay 0", vip="fe80::100"))
    lan.run(MASTER + 2)
    assert [at for at, _ in announcements(node)] == [0, 0.5, 1]


@keywords(f"{GLOBAL}/vrrp_strict", f"{INSTANCE}/strict_mode")
@pytest.mark.parametrize(
    ("everywhere", "words", "strict"),
    [
        ("", "", False),
        ("vrrp_strict", "", True),
        ("", "strict_mode on", True),
        ("vrrp_strict", "strict_mode off", False),
    ],
)
def test_strictly_nobody_but_an_owner_accepts(everywhere: str, words: str, strict: bool) -> None:
    node = alone(words, everywhere)
    assert any(isinstance(operation, fx.DropTraffic) for operation in node.operations()) == strict


@keywords(f"{GLOBAL}/vrrp_check_unicast_src", f"{INSTANCE}/check_unicast_src")
@pytest.mark.parametrize(
    ("everywhere", "words", "heard"),
    [("", "", True), ("vrrp_check_unicast_src", "", False), ("", "check_unicast_src", False)],
)
def test_adverts_of_strangers(everywhere: str, words: str, heard: bool) -> None:
    """B sends to A, which knows another peer only."""
    lan = Lan()
    ours = host(lan, f"global_defs {{\n{everywhere}\n}}\n" + block(f"{words}\nunicast_peer {{\n 10.0.0.9\n}}"))
    peer = block("unicast_peer {\n 10.0.0.1\n}").replace("priority 100", "priority 200")
    host(lan, peer, 2, "B")
    lan.run(20)
    assert ours.is_master == (not heard)


@keywords(f"{GLOBAL}/vrrp_skip_check_adv_addr", f"{INSTANCE}/skip_check_adv_addr")
@pytest.mark.parametrize(
    ("everywhere", "words", "skips"),
    [("", "", False), ("vrrp_skip_check_adv_addr", "", True), ("", "skip_check_adv_addr", True)],
)
def test_addresses_of_a_known_master(everywhere: str, words: str, skips: bool) -> None:
    lan = Lan()
    ours = host(lan, f"global_defs {{\n{everywhere}\n}}\n" + block(words))
    host(lan, block("", vip="10.0.0.200").replace("priority 100", "priority 200"), 2, "B")
    lan.run(13.3)
    heard = ours.snapshot().counters
    assert heard.advert_rcvd == 11
    assert heard.addr_list_err == (1 if skips else 11)


@keywords(f"{GLOBAL}/vrrp_owner_ignore_adverts", f"{INSTANCE}/owner_ignore_adverts")
@pytest.mark.parametrize(
    ("everywhere", "words", "ignores"),
    [("", "", False), ("vrrp_owner_ignore_adverts", "", True), ("", "owner_ignore_adverts", True)],
)
def test_an_owner_that_does_not_listen(everywhere: str, words: str, ignores: bool) -> None:
    lan = Lan()
    owner = "state MASTER\npriority 255"
    ours = host(lan, f"global_defs {{\n{everywhere}\n}}\n" + block(words).replace("priority 100", owner))
    host(lan, block("").replace("priority 100", owner), 2, "B")
    lan.run(10)
    assert (ours.snapshot().counters.advert_rcvd == 0) == ignores


@keywords(f"{INSTANCE}/unicast_fault_no_peer")
@pytest.mark.parametrize(("words", "state"), [("", "MASTER"), ("unicast_fault_no_peer", "FAULT")])
def test_unicast_without_peers(words: str, state: str) -> None:
    assert alone(f"unicast_src_ip 10.0.0.1\n{words}", seconds=10).state() == state


@keywords(f"{INSTANCE}/lvs_sync_daemon_interface", f"{GLOBAL}/lvs_sync_daemon")
@pytest.mark.parametrize(
    ("everywhere", "words"), [("", "lvs_sync_daemon_interface eth1"), ("lvs_sync_daemon eth1 inst VI_1", "")]
)
def test_the_sync_daemon_follows_the_instance(everywhere: str, words: str) -> None:
    node = alone(words, everywhere)
    assert [effect for _, effect in node.effects(fx.SyncDaemon)] == [
        fx.SyncDaemon("VI_1", "BACKUP"),
        fx.SyncDaemon("VI_1", "MASTER"),
    ]


@keywords(
    f"{GLOBAL}/vrrp_garp_extra_if",
    f"{GLOBAL}/vrrp_vmac_garp_intvl",
    f"{INSTANCE}/garp_extra_if",
    f"{INSTANCE}/vmac_garp_intvl",
)
@pytest.mark.parametrize(
    ("everywhere", "words", "expected"),
    [
        ("", "", []),
        ("vrrp_garp_extra_if all 7", "", [7, 14]),
        ("vrrp_vmac_garp_intvl all 6", "", [6, 12]),
        ("vrrp_garp_extra_if 7", "", []),
        ("", "garp_extra_if all 5", [5, 10, 15]),
        ("vrrp_garp_extra_if all 7", "vmac_garp_intvl all 4", [4, 8, 12, 16]),
    ],
)
def test_announcements_on_other_interfaces(everywhere: str, words: str, expected: list[float]) -> None:
    addresses = "10.0.0.100\n 10.0.1.100 dev eth1"
    node = alone(f"garp_master_delay 0\n{words}", everywhere, MASTER + 16.5, vip=addresses)
    later = [(at, where) for at, where in announcements(node) if at > 0]
    assert later == [(at, "10.0.1.100") for at in expected]


@keywords(
    "track_group",
    "track_group/group",
    "static_ipaddress:track_group",
    "static_routes:track_group",
    "static_rules:track_group",
)
@pytest.mark.parametrize(
    "static",
    [
        "static_ipaddress {\n 10.0.1.7/24 dev eth1 track_group T\n}",
        "static_routes {\n 10.8.0.0/16 via 10.0.1.9 dev eth1 track_group T\n}",
        "static_rules {\n iif eth1 table 9 preference 8 track_group T\n}",
    ],
)
def test_instances_depend_on_the_interface_of_a_static_object(static: str) -> None:
    lan = Lan()
    node = host(lan, f"track_group T {{\n group {{\n VI_1\n }}\n}}\n{static}\n{TWO}")
    lan.run(MASTER + 1)
    assert [node.state("VI_1"), node.state("VI_2")] == ["MASTER", "MASTER"]
    node.receive(inputs.InterfaceChanged(interface("eth1", 3, up=False)))
    assert [node.state("VI_1"), node.state("VI_2")] == ["FAULT", "MASTER"]
    node.receive(inputs.InterfaceChanged(interface("eth1", 3)))
    lan.run(MASTER)
    assert node.state("VI_1") == "MASTER"


@keywords(f"{INSTANCE}/thread_timer_expired", f"{INSTANCE}/timer_expired_backup")
@pytest.mark.parametrize(("words", "master"), [("", "A"), ("timer_expired_backup", "B"), ("thread_timer_expired", "B")])
def test_who_is_master_after_a_stall(words: str, master: str) -> None:
    """A stands still for ten seconds, in which B took over."""
    lan = Lan()
    a = host(lan, block(words).replace("priority 100", "priority 150\nnopreempt"))
    lan.run(10)
    host(lan, block(""), 2, "B")
    lan.run(5)
    a.frozen = True
    lan.run(10)
    lan.thaw(a)
    lan.run(5)
    assert [node.name for node in lan.nodes if node.is_master] == [master]


@keywords("vrrp_script", "vrrp_script/user", f"{GLOBAL}/script_user")
@pytest.mark.parametrize(
    ("everywhere", "words", "uid", "gid"),
    [
        ("script_user root", "", 0, 0),
        ("script_user web", "", 33, 33),
        ("script_user web root", "", 33, 0),
        ("script_user root", "user web", 33, 33),
        ("script_user web", "user root web", 0, 33),
    ],
)
def test_the_account_a_script_runs_with(everywhere: str, words: str, uid: int, gid: int) -> None:
    script = f'vrrp_script S {{\n script "/bin/true -x"\n {words}\n}}\n'
    lan = Lan()
    node = host(lan, f"global_defs {{\n{everywhere}\n}}\n{script}" + block("track_script {\n S\n}"))
    lan.run(1)
    (_, begun), *_ = node.effects(fx.StartScript)
    assert isinstance(begun, fx.StartScript)
    assert begun.script.words == ("/bin/true", "-x")
    assert (begun.script.account.uid, begun.script.account.gid) == (uid, gid)


@keywords(f"{GLOBAL}/enable_script_security")
@pytest.mark.parametrize(("everywhere", "runs"), [("", True), ("enable_script_security", False)])
def test_a_script_that_others_may_change(everywhere: str, runs: bool) -> None:
    script = 'vrrp_script S {\n script "/open/x.sh"\n}\n'
    lan = Lan()
    head = f"global_defs {{\nscript_user root\n{everywhere}\n}}\n"
    node = host(lan, head + script + block("track_script {\n S\n}"))
    lan.run(1)
    assert bool(node.effects(fx.StartScript)) == runs


@keywords(f"{GLOBAL}/set_supplementary_groups")
@pytest.mark.parametrize(
    ("everywhere", "user", "supplementary"),
    [
        ("script_user web", "", False),
        ("script_user web\nset_supplementary_groups", "", True),
        ("", "user web", False),
        ("set_supplementary_groups", "user web", True),
        ("", "user web :", True),
    ],
)
def test_the_groups_a_script_runs_with(everywhere: str, user: str, supplementary: bool) -> None:
    script = f'vrrp_script S {{\n script "/bin/true"\n {user}\n}}\n'
    lan = Lan()
    node = host(lan, f"{script}global_defs {{\n{everywhere}\n}}\n" + block("track_script {\n S\n}"))
    lan.run(1)
    (_, begun), *_ = node.effects(fx.StartScript)
    assert isinstance(begun, fx.StartScript)
    assert begun.script.account.supplementary == supplementary


@keywords("linkbeat_use_polling", "linkbeat_interfaces", f"{INSTANCE}/linkbeat_use_polling")
@pytest.mark.parametrize(
    ("before", "words", "polled"),
    [
        ("", "", ()),
        ("", "linkbeat_use_polling", ("eth0",)),
        ("linkbeat_use_polling\n", "", ("eth0",)),
        ("linkbeat_interfaces {\n eth0\n eth1\n}\n", "track_interface {\n eth1\n}", ("eth0", "eth1")),
    ],
)
def test_interfaces_whose_link_is_polled(before: str, words: str, polled: tuple[str, ...]) -> None:
    lan = Lan()
    node = host(lan, before + block(words))
    watched = [effect for _, effect in node.effects(fx.WatchTrackers)]
    assert sorted({name for effect in watched for name in effect.polled_interfaces}) == list(polled)  # type: ignore[attr-defined]


@keywords(f"{INSTANCE}/debug")
def test_debug_changes_nothing_on_the_wire() -> None:
    wires = [
        [(sent.at, sent.data) for sent in alone(words, seconds=8).lan.wire] for words in ("", "debug 0", "debug 3")
    ]
    assert wires[0] == wires[1] == wires[2]
    assert len(wires[0]) == 5
