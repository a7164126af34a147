"""keepalived_check.data against the file that keepalived 2.4.3 wrote for a configuration with every kind of checker."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from pathlib import Path

from pykeepalived.config.environment import Environment
from pykeepalived.config.files import FileKind, FileStat, FileTable
from pykeepalived.config.interfaces import Interface
from pykeepalived.config.load import LoadOptions, load
from pykeepalived.observe.dump.ipvs import ipvs_data
from pykeepalived.observe.snapshot import (
    CheckerSnapshot,
    GroupEntrySnapshot,
    IpvsSnapshot,
    RealServerSnapshot,
    Taken,
    TrackFileSnapshot,
    VirtualServerSnapshot,
)
from tests.config.support import run

DATA = Path(__file__).parent / "data"
RS1 = "[10.10.0.11]:tcp:80"

CHECKERS = {
    "PingCheck": CheckerSnapshot(up=False),
    "FileCheck": CheckerSnapshot(has_run=True, current_weight=3),
}
SNAPSHOT = IpvsSnapshot(
    taken=Taken(1, 1),
    ipvs_version="1.2.1",
    groups=((GroupEntrySnapshot(tcp=1), GroupEntrySnapshot(ipv4=1)),),
    files=(TrackFileSnapshot(name="F1", value=1),),
    virtual_servers=(
        VirtualServerSnapshot(
            name="[10.99.0.1]:tcp:80",
            alive=True,
            real_servers=(RealServerSnapshot(name=RS1, effective_weight=4, failed_checkers=1),),
            sorry_server=RealServerSnapshot(name="[10.10.0.14]:tcp:80", alive=True, set=True),
            sorry_in_use=True,
        ),
        VirtualServerSnapshot(
            name="[G1]:0",
            alive=True,
            quorum_up=True,
            real_servers=(RealServerSnapshot(name="[10.10.0.12]:tcp:80", alive=True, set=True),),
        ),
    ),
)


def environment() -> Environment:
    scripts = ("/lab/notify.sh", "/lab/misc.sh")
    entries = {"/lab": FileStat(FileKind.DIRECTORY), **{path: FileStat(FileKind.FILE) for path in scripts}}
    return Environment(
        interfaces={"lo": Interface(name="lo", index=1, flags=0x49, arp_type=772)},
        files=FileTable(entries, dict.fromkeys(scripts, b"#!/bin/sh\n")),
    )


def ours_differ(line: str) -> bool:
    """Lines of a library, of unset defaults, and of two faults of keepalived (regex options, DNS names) are ours."""
    return line.strip().startswith(
        ("libnftnl", "Gratuitous ARP lower", "Regex options:", "Name =", "Network namespace", "iproute")
    )


def test_file_is_keepalived_s():
    config = load(str(DATA / "checker.conf"), environment(), LoadOptions()).config
    assert config is not None
    real = SNAPSHOT.virtual_servers[0].real_servers[0]
    kinds = [type(checker).__name__ for checker in config.virtual_servers[0].real_servers[0].checkers]
    checkers = tuple(CHECKERS.get(kind, CheckerSnapshot()) for kind in kinds)
    virtual = replace(SNAPSHOT.virtual_servers[0], real_servers=(replace(real, checkers=checkers),))
    snapshot = replace(SNAPSHOT, virtual_servers=(virtual, SNAPSHOT.virtual_servers[1]))
    made = [line for line in ipvs_data(config, snapshot, UTC).splitlines() if not ours_differ(line)]
    recorded = (DATA / "checker-2.4.3.data").read_text().splitlines()
    assert made == [line for line in recorded if not ours_differ(line) and line]


def test_only_the_options_that_are_set_are_listed():
    config = load(str(DATA / "checker.conf"), environment(), LoadOptions()).config
    assert config is not None
    lines = ipvs_data(config, SNAPSHOT, UTC).splitlines()
    assert [line for line in lines if "Regex options" in line] == ["     Regex options: caseless"]


def test_lines_as_keepalived_2_3_4_printed_them_for_this_text() -> None:
    text = (
        "virtual_server 10.0.0.1 80 {\n protocol TCP\n lvs_sched rr\n lvs_method DR\n"
        " virtualhost www.x\n snmp_name foo\n"
        "real_server 10.255.1.10 80 {\n lvs_method TUN type gre\n virtualhost rvh\n snmp_name rsn\n}\n"
        "real_server 10.255.1.11 80 {\n lvs_method TUN type gue port 6080 csum\n}\n"
        "real_server 10.255.1.12 80 {\n lvs_method TUN type gue port 6080 remcsum\n}\n"
        "real_server 10.255.1.13 80 {\n lvs_method TUN\n"
        "HTTP_GET {\n virtualhost x.y\n url {\n path /\n virtualhost u.v\n }\n}\n}\n}\n"
    )
    loaded = run(text).config
    assert loaded is not None
    lines = ipvs_data(loaded, IpvsSnapshot(), UTC).splitlines()
    for line in (
        "   VirtualHost = www.x",
        "   SNMP name = 'foo'",
        "   default forwarding method = DR",
        "   forwarding method = TUN, type = GRE, no checksum",
        "    VirtualHost = 'rvh'",
        "   SNMP name = rsn",
        "   forwarding method = TUN, type = GUE, port = 6080, checksum",
        "   forwarding method = TUN, type = GUE, port = 6080, remote checksum",
        "   forwarding method = TUN, type = IPIP",
        "   Virtualhost = x.y",
        "     Virtual host = u.v",
    ):
        assert line in lines, line
