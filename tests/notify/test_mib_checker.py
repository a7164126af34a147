"""The objects of the checker against a walk of keepalived 2.4.3 with the same configuration, and its traps."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pykeepalived.config.environment import Environment
from pykeepalived.config.files import FileKind, FileStat, FileTable
from pykeepalived.config.interfaces import Interface
from pykeepalived.config.load import LoadOptions, load
from pykeepalived.config.model import Config
from pykeepalived.notify.agentx import Oid, Syntax, Value
from pykeepalived.notify.mib_checker import CHECK, REAL_TABLE, VIRTUAL_TABLE, checker_entries, checker_traps
from pykeepalived.notify.mib_vrrp import GLOBAL
from pykeepalived.notify.queue import Trap
from pykeepalived.observe.snapshot import CheckerSnapshot, IpvsSnapshot, RealServerSnapshot, VirtualServerSnapshot

DATA = Path(__file__).parent / "data"
STATISTICS = {3: {*range(27, 37), *range(38, 51), *range(74, 79)}, 4: {*range(14, 40), *range(58, 63)}}
"""Columns of the tables of virtual and real servers that are not served."""


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


SNAPSHOT = IpvsSnapshot(
    virtual_servers=(virtual(real(5), real(6, CheckerSnapshot(has_run=True))), virtual(real(1)), virtual(real(1)))
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
    names = {Syntax.INTEGER: "INTEGER", Syntax.GAUGE32: "Gauge32", Syntax.COUNTER64: "Counter64"}
    return f"{names[value.syntax]}: {value.data}"


def test_objects_are_keepalived_s(config):
    """The recording ends in the table of real servers, where keepalived died; that run knew no scripts."""
    expected = {
        name: value
        for name, value in recorded().items()
        if not (name[len(CHECK)] in STATISTICS and name[len(CHECK) + 2] in STATISTICS[name[len(CHECK)]])
    }
    made = dict(checker_entries(config, SNAPSHOT))
    assert len(expected) > 190
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
