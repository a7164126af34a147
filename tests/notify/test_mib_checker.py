"""The objects of the checker against a walk of keepalived 2.4.3 with the same configuration, and its traps."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pykeepalived.config.environment import Environment
from pykeepalived.config.files import FileKind, FileStat, FileTable
from pykeepalived.config.interfaces import Interface
from pykeepalived.config.load import LoadOptions, load
from pykeepalived.config.model import Config
from pykeepalived.notify.agentx import Oid, Syntax, Value
from pykeepalived.notify.mib_checker import CHECK, REAL_TABLE, VIRTUAL_TABLE, checker_entries, checker_traps, weight_of
from pykeepalived.notify.mib_vrrp import GLOBAL
from pykeepalived.notify.queue import Trap
from pykeepalived.observe.snapshot import (
    CheckerSnapshot,
    IpvsSnapshot,
    RealServerSnapshot,
    TrafficSnapshot,
    VirtualServerSnapshot,
    VirtualTrafficSnapshot,
)

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def config() -> Config:
    entries = {"/bin": FileStat(FileKind.DIRECTORY), "/bin/true": FileStat(FileKind.FILE)}
    environment = Environment(
        interfaces={"lo": Interface(name="lo", index=1, flags=0x49, arp_type=772)}, files=FileTable(entries)
    )
    loaded = load(str(DATA / "walk-checker.conf"), environment, LoadOptions())
    assert loaded.config is not None
    return loaded.config


def real(weight: int, *checkers: CheckerSnapshot) -> RealServerSnapshot:
    return RealServerSnapshot(name="", alive=True, set=True, effective_weight=weight, checkers=checkers)


def virtual(*reals: RealServerSnapshot) -> VirtualServerSnapshot:
    return VirtualServerSnapshot(name="", alive=True, quorum_up=True, real_servers=reals)


NOTHING = TrafficSnapshot()
SNAPSHOT = IpvsSnapshot(
    virtual_servers=(virtual(real(5), real(6, CheckerSnapshot(has_run=True))), virtual(real(1)), virtual(real(1))),
    traffic=(
        VirtualTrafficSnapshot(real_servers=(NOTHING, NOTHING)),
        VirtualTrafficSnapshot(real_servers=(NOTHING,)),
        VirtualTrafficSnapshot(real_servers=(NOTHING,)),
    ),
)


def recorded() -> dict[Oid, str]:
    found: dict[Oid, str] = {}
    for line in (DATA / "walk-checker-2.4.3.txt").read_text().splitlines():
        match = re.fullmatch(r"\.([0-9.]+) = (\S+: .*)", line)
        if match and "Error" not in line:
            found[tuple(int(word) for word in match[1].split("."))] = match[2].strip()
    return found


def shown(value: Value, like: str) -> str:
    """A value as snmpwalk printed it: text or hex as in the line to compare with."""
    if value.syntax == Syntax.OCTETS:
        assert isinstance(value.data, bytes)
        if like.startswith("Hex"):
            return "Hex-STRING: " + " ".join(f"{byte:02X}" for byte in value.data)
        return f'STRING: "{value.data.decode()}"'
    names = {Syntax.INTEGER: "INTEGER", Syntax.GAUGE32: "Gauge32", Syntax.COUNTER32: "Counter32"}
    names[Syntax.COUNTER64] = "Counter64"
    return f"{names[value.syntax]}: {value.data}"


def test_objects_are_keepalived_s(config):
    """The recording ends in the table of real servers, where keepalived died; that run knew no scripts."""
    expected = recorded()
    made = dict(checker_entries(config, SNAPSHOT))
    assert len(expected) > 400
    # keepalived shows the IPv6 granularity of IPv4 servers without a granularity of their own.
    expected = {name: value for name, value in expected.items() if name[:-1] != (*VIRTUAL_TABLE, 51)}
    different = {name: (value, made.get(name)) for name, value in expected.items() if name not in made}
    assert different == {}
    wrong = {name: (value, shown(made[name], value)) for name, value in expected.items()}
    assert {name: pair for name, pair in wrong.items() if pair[0] != pair[1]} == {}


def test_writable_weight_is_clamped(config):
    heavy = IpvsSnapshot(virtual_servers=(virtual(real(2**40), real(-3)),))
    entries = dict(checker_entries(config, heavy))
    assert entries[(*REAL_TABLE, 7, 1, 2)].data == 2**31 - 1
    assert entries[(*REAL_TABLE, 7, 1, 3)].data == 0


def test_statistics_stand_in_their_columns(config):
    """Every number of a different size; 64-bit rates are shown whole, in halves, and as far as 32 bits go."""
    big = 2**32
    carried = TrafficSnapshot(
        connections=1,
        packets_in=big + 2,
        packets_out=3,
        bytes_in=big + 4,
        bytes_out=5,
        connection_rate=6,
        packet_rate_in=7,
        packet_rate_out=8,
        byte_rate_in=9,
        byte_rate_out=10 * big + 11,
        active=12,
        inactive=13,
        persistent=14,
    )
    traffic = VirtualTrafficSnapshot(total=carried, real_servers=(NOTHING, carried))
    entries = dict(checker_entries(config, replace(SNAPSHOT, traffic=(traffic,))))
    columns = {name[-2]: value.data for name, value in entries.items() if name[:-2] == VIRTUAL_TABLE and name[-1] == 1}
    assert [columns[column] for column in range(27, 37)] == [1, 2, 3, big + 4, 5, 6, 7, 8, 9, big - 1]
    assert [columns[column] for column in range(38, 51)] == [1, big + 2, 3, 6, 0, 7, 0, 8, 0, 9, 0, 11, 10]
    assert [columns[column] for column in range(74, 79)] == [6, 7, 8, 9, 10 * big + 11]
    # the first virtual server has a sorry server: the second real server is the third row
    columns = {name[-3]: value.data for name, value in entries.items() if name[:-3] == REAL_TABLE and name[-1] == 3}
    assert [columns[column] for column in range(14, 27)] == [1, 12, 13, 14, 2, 3, big + 4, 5, 6, 7, 8, 9, big - 1]
    assert [columns[column] for column in range(27, 40)] == [1, big + 2, 3, 6, 0, 7, 0, 8, 0, 9, 0, 11, 10]
    assert [columns[column] for column in range(58, 63)] == [6, 7, 8, 9, 10 * big + 11]


def test_no_statistics_of_servers_that_were_not_looked_at(config):
    names = set(dict(checker_entries(config, replace(SNAPSHOT, traffic=SNAPSHOT.traffic[:1]))))
    assert (*VIRTUAL_TABLE, 27, 1) in names
    assert (*VIRTUAL_TABLE, 27, 2) not in names
    unseen = dict(checker_entries(config, replace(SNAPSHOT, traffic=None)))
    assert (*VIRTUAL_TABLE, 27, 1) not in unseen


def test_only_weights_of_real_servers_can_be_written(config):
    weight = (*REAL_TABLE, 7)
    assert weight_of(config, (*weight, 1, 2)) == ("[10.99.0.1]:tcp:80", "[10.10.0.11]:tcp:80")
    assert weight_of(config, (*weight, 1, 3)) == ("[10.99.0.1]:tcp:80", "[10.10.0.12]:tcp:80")
    assert weight_of(config, (*weight, 3, 1)) == ("FWM 99", "[10.10.0.13]:none:0")
    for name in ((*weight, 1, 1), (*weight, 1, 4), (*weight, 4, 1), (*weight, 1), (*weight, 1, 2, 0), (*weight, 0, 1)):
        assert weight_of(config, name) is None, name
    assert weight_of(config, (*REAL_TABLE, 8, 1, 2)) is None
    assert weight_of(config, (*VIRTUAL_TABLE, 7, 1, 2)) is None


def test_real_server_trap(config):
    name = "[10.99.0.1]:tcp:80 [10.10.0.12]:tcp:80"
    (bindings,) = checker_traps(config, SNAPSHOT, Trap("real_server", name, 0))
    assert bindings[0].value == Value(Syntax.OID, (*CHECK, 5, 0, 1))
    assert [(binding.name, binding.value.data) for binding in bindings[1:]] == [
        ((*REAL_TABLE, 3), 1),
        ((*REAL_TABLE, 4), b"\x0a\x0a\x00\x0c"),
        ((*REAL_TABLE, 5), 80),
        ((*REAL_TABLE, 6), 2),
        ((*VIRTUAL_TABLE, 2), 2),
        ((*VIRTUAL_TABLE, 5), 1),
        ((*VIRTUAL_TABLE, 6), b"\x0a\x63\x00\x01"),
        ((*VIRTUAL_TABLE, 7), 80),
        ((*VIRTUAL_TABLE, 8), 1),
        ((*VIRTUAL_TABLE, 21), 2),
        ((*VIRTUAL_TABLE, 20), 2),
        ((*GLOBAL, 2, 0), b"LAB"),
    ]


def test_quorum_trap(config):
    (bindings,) = checker_traps(config, SNAPSHOT, Trap("virtual_server", "FWM 99", 2))
    assert [(binding.name[-1], binding.value.data) for binding in bindings[1:]] == [
        (2, 1),
        (4, 99),
        (8, 2),
        (23, 2),
        (22, 1),
        (21, 1),
        (20, 1),
        (0, b"LAB"),
    ]
    assert list(checker_traps(config, SNAPSHOT, Trap("virtual_server", "unknown", 1))) == []
