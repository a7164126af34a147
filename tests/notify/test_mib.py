"""The objects of SNMP against a walk of keepalived 2.2.7 with the same configuration; requests on the sorted view."""

from __future__ import annotations

from pathlib import Path

import pytest

from pykeepalived.config.environment import Environment
from pykeepalived.config.files import FileKind, FileStat, FileTable
from pykeepalived.config.interfaces import Interface, InterfaceAddress
from pykeepalived.config.load import LoadOptions, load
from pykeepalived.config.model import Config
from pykeepalived.config.model.values import Ip
from pykeepalived.notify.agentx import Oid, Pdu, PduType, SearchRange, Syntax, Value, VarBind
from pykeepalived.notify.mib import MibView, integer, text
from pykeepalived.notify.mib_rfc import VRRP_MIB, VRRPV3_MIB, rfc2787_entries, rfc6527_entries
from pykeepalived.notify.mib_traps import TRAP_OID, trap_bindings
from pykeepalived.notify.mib_vrrp import KEEPALIVED, VRRP, vrrp_entries
from pykeepalived.notify.queue import Trap
from pykeepalived.observe.snapshot import (
    InterfaceSnapshot,
    Taken,
    TrackFileSnapshot,
    TrackScriptSnapshot,
    VrrpCounters,
    VrrpGroupSnapshot,
    VrrpInstanceSnapshot,
    VrrpSnapshot,
    VrrpState,
)

DATA = Path(__file__).parent / "data"
MAC = bytes.fromhex("E22F987756D5")
LINK_LOCAL = Ip.parse("fe80::e02f:98ff:fe77:56d5")


@pytest.fixture(scope="module")
def config() -> Config:
    program = {"/bin": FileStat(FileKind.DIRECTORY), "/bin/true": FileStat(FileKind.FILE)}
    link = {"index": 3, "mac": MAC, "addresses": (InterfaceAddress(Ip.parse("10.9.9.1"), 24),)}
    environment = Environment(
        interfaces={"d0": Interface(name="d0", **link), "d1": Interface(name="d1", index=2)},
        files=FileTable({**program, "/lab": FileStat(FileKind.DIRECTORY)}),
        hostname="vm",
        canonical_name=lambda: "vm",
    )
    loaded = load(str(DATA / "walk.conf"), environment, LoadOptions())
    assert loaded.config is not None
    return loaded.config


def instance(name: str, **more) -> VrrpInstanceSnapshot:
    words = {
        "state": VrrpState.MASTER,
        "wantstate": VrrpState.MASTER,
        "group": "G1",
        "interface": "d0",
        "interface_index": 3,
        "base_priority": 150,
        "effective_priority": 150,
        "vips_set": True,
        "addresses_set": (True, True),
        "excluded_set": (True,),
        "routes_set": (True,),
        "rules_set": (True,),
        "counters": VrrpCounters(become_master=1, advert_sent=2),
        **more,
    }
    return VrrpInstanceSnapshot(name=name, **words)


SNAPSHOT = VrrpSnapshot(
    taken=Taken(10_000_000_000, 0),
    instances=(
        instance("VI_1", effective_priority=160, source_address=Ip.parse("10.9.9.1"), last_transition_ns=1),
        instance("VI_6", source_address=LINK_LOCAL, last_transition_ns=9_000_000_000),
    ),
    groups=(VrrpGroupSnapshot(name="G1", state=VrrpState.MASTER),),
    scripts=(TrackScriptSnapshot(name="s1", good=True, last_status=0),),
    files=(TrackFileSnapshot(name="f1", value=0),),
    interfaces=(InterfaceSnapshot(name="d0", index=3, mac=MAC),),
)


def recorded() -> dict[Oid, str]:
    """Object to what snmpwalk -Ox printed of it; long strings go on in the next line."""
    found: dict[Oid, str] = {}
    name: Oid = ()
    for line in (DATA / "walk-2.2.7.txt").read_text().splitlines():
        if line.startswith("."):
            words, _, value = line.partition(" = ")
            name = tuple(int(word) for word in words[1:].split("."))
            found[name] = value.strip()
        else:
            found[name] += " " + line.strip()
    return found


def shown(value: Value) -> str:
    """A value as snmpwalk -Ox prints it."""
    match value.syntax:
        case Syntax.OCTETS if value.data == b"":
            return '""'
        case Syntax.OCTETS:
            assert isinstance(value.data, bytes)
            return "Hex-STRING: " + " ".join(f"{byte:02X}" for byte in value.data)
        case Syntax.IP_ADDRESS:
            assert isinstance(value.data, bytes)
            return "IpAddress: " + ".".join(str(byte) for byte in value.data)
        case Syntax.TIME_TICKS:
            return "Timeticks"
        case syntax:
            names = {Syntax.INTEGER: "INTEGER", Syntax.GAUGE32: "Gauge32"}
            names |= {Syntax.COUNTER32: "Counter32", Syntax.COUNTER64: "Counter64"}
            return f"{names[syntax]}: {value.data}"


OURS = {
    "version": (*KEEPALIVED, 1, 1),
    "sender, of the host": (*KEEPALIVED, 1, 3, 4),
    "new in 2.4": (*KEEPALIVED, 1, 12),
    "scripts are shown as configured": (*VRRP, 3, 1, 22),
    "the same, generic": (*VRRP, 3, 1, 26),
    "the same, group": (*VRRP, 1, 1, 6),
    "the same, group generic": (*VRRP, 1, 1, 9),
    "commands too": (*VRRP, 9, 1, 3),
    "path, new in 2.4": (*VRRP, 9, 1, 10),
    "interval, new in 2.4": (*VRRP, 9, 1, 11),
    "timeout, new in 2.4": (*VRRP, 9, 1, 12),
    "IPv6 VIPs are advertised": (*VRRP, 6, 1, 11, 2),
    "file of the test": (*VRRP, 13, 1, 3),
    "a master knows who the master is": (*VRRP_MIB, 1, 3, 1, 7),
}


def test_objects_are_keepalived_s(config):
    ours = {
        **dict(vrrp_entries(config, SNAPSHOT, "Keepalived")),
        **dict(rfc2787_entries(config, SNAPSHOT)),
        **dict(rfc6527_entries(config, SNAPSHOT)),
    }

    def comparable(name: Oid) -> bool:
        return not any(name[: len(prefix)] == prefix for prefix in OURS.values())

    made = {name: shown(value) for name, value in ours.items() if comparable(name)}
    expected = {
        name: "Timeticks" if value.startswith("Timeticks") else value
        for name, value in recorded().items()
        if comparable(name)
    }
    assert set(made) == set(expected)
    assert {name: value for name, value in made.items() if value != expected[name]} == {}
    assert len(expected) > 230


def test_uptime_and_master(config):
    entries = dict(rfc2787_entries(config, SNAPSHOT))
    assert entries[(*VRRP_MIB, 1, 3, 1, 13, 3, 51)] == Value(Syntax.TIME_TICKS, 999)
    assert entries[(*VRRP_MIB, 1, 3, 1, 7, 3, 51)] == Value(Syntax.IP_ADDRESS, b"\x0a\x09\x09\x01")


VIEW = MibView([((1, 2, 1), integer(1)), ((1, 2, 3), integer(3)), ((1, 2, 2), text("two")), ((1, 3, 1), integer(9))])
END = Value(Syntax.END_OF_MIB_VIEW)


def test_get():
    assert VIEW.get((1, 2, 2)) == VarBind((1, 2, 2), text("two"))
    assert VIEW.get((1, 2, 0)).value.syntax == Syntax.NO_SUCH_INSTANCE
    assert VIEW.get((1, 9, 1)).value.syntax == Syntax.NO_SUCH_OBJECT


def test_next():
    assert VIEW.next(SearchRange((1, 2), False, ())).name == (1, 2, 1)
    assert VIEW.next(SearchRange((1, 2, 1), False, ())).name == (1, 2, 2)
    assert VIEW.next(SearchRange((1, 2, 1), True, ())).name == (1, 2, 1)
    assert VIEW.next(SearchRange((1, 2, 3), False, (1, 3))) == VarBind((1, 2, 3), END)
    assert VIEW.next(SearchRange((1, 3, 1), False, ())) == VarBind((1, 3, 1), END)


def test_bulk():
    request = Pdu(
        type=PduType.GET_BULK,
        ranges=(SearchRange((1, 2), False, ()), SearchRange((1, 2), False, (1, 3)), SearchRange((1, 3), False, ())),
        non_repeaters=1,
        max_repetitions=10,
    )
    answer = VIEW.answer(request)
    assert [binding.name for binding in answer] == [
        (1, 2, 1),
        *((1, 2, 1), (1, 3, 1)),
        *((1, 2, 2), (1, 3, 1)),
        *((1, 2, 3), (1, 3, 1)),
        *((1, 2, 3), (1, 3, 1)),
    ]
    assert [binding.value for binding in answer[-2:]] == [END, END]


def test_traps(config):
    made = list(trap_bindings(config, SNAPSHOT, Trap("instance", "VI_1", VrrpState.MASTER)))
    assert [bindings[0] for bindings in made] == [
        VarBind(TRAP_OID, Value(Syntax.OID, name))
        for name in ((*VRRP, 10, 0, 2), (*VRRP_MIB, 0, 1), (*VRRPV3_MIB, 0, 1))
    ]
    assert made[0][1:] == [
        VarBind((*VRRP, 3, 1, 2), text("VI_1")),
        VarBind((*VRRP, 3, 1, 4), integer(2)),
        VarBind((*VRRP, 3, 1, 5), integer(1)),
        VarBind((*KEEPALIVED, 1, 2, 0), text("LAB_A")),
    ]
    assert made[1][1].name == (*VRRP_MIB, 1, 3, 1, 7, 3, 51)
    assert [binding.name for binding in made[2][1:]] == [
        (*VRRPV3_MIB, 1, 1, 1, 1, 3, 3, 51, 1),
        (*VRRPV3_MIB, 1, 2, 5, 1, 2, 3, 51, 1),
    ]
    assert len(list(trap_bindings(config, SNAPSHOT, Trap("instance", "VI_1", VrrpState.BACKUP)))) == 1
    stop = list(trap_bindings(config, SNAPSHOT, Trap("group", "G1", VrrpState.STOP)))
    assert stop[0][1:3] == [VarBind((*VRRP, 1, 1, 2), text("G1")), VarBind((*VRRP, 1, 1, 3), integer(5))]
    assert list(trap_bindings(config, SNAPSHOT, Trap("instance", "unknown", 2))) == []
