"""Dumps of other people's configurations against those keepalived 2.2.7 made of them: every dump, line by line.

Read in place; nothing of the corpus is kept here. Passed over are lines of state, lines that keepalived 2.4 has and 2.2
has not or words otherwise, and the exceptions named in ALLOWED, each with its reason.
"""

from __future__ import annotations

import re
from difflib import unified_diff

import pytest

from pykeepalived.observe.dump.bfd import bfd_data
from pykeepalived.observe.dump.ipvs import ipvs_data
from pykeepalived.observe.dump.parent import parent_data
from pykeepalived.observe.dump.vrrp import vrrp_data
from pykeepalived.observe.snapshot import BfdSnapshot, IpvsSnapshot

from .wild import WILD, Recording, recordings

STATE = re.compile(
    r"(State|Wantstate|Last transition|Read timeout|Master down timer|fd_(in|out)|No sockets|Effective priority"
    r"|Total priority|Number of|Master router|Master priority|Master advert|Last advert|Flags|Num member|Result|Status"
    r"|alive|VS alive|quorum_state|RS set|num failed|Init state|Highest other|VRRP Sync Group|Has run|Up =|Enabled"
    r"|Alive:|i/f down|base i/f down|no source IP address|current realtime|thread|send error"
    r"|(local|remote) (disc|state|diag|min|demand|detect|tx|deta))"
)
PASSED_OVER = {
    "libnftnl|Regex options|Regex ref": "libraries that keepalived is built with and we are not",
    "SNMP RFC|Replace sym|Don't set supp|Use VRRPv2|VRRPv3 uses|SNMP .S stats|DBus no|json_version|iproute|tls_compl"
    "|Path =": ("2.4.3 has the line, 2.2.7 not, or the other way round"),
    "Password": "2.4.3 shows asterisks, 2.2.7 nothing or the password",
    "Address owner": "new in 2.4",
    "Gratuitous ARP lower": "4294967295 in 2.2.7 where nothing is set",
    "LVS (UDP|TCP) timeout": "2.2.7 mixes the two up",
    "Default interface": "2.2.7 shows eth0 whatever is configured, and not in the parent",
    "Default script uid": "2.2.7 shows it once some script has asked for it",
    "Unicast config option": "a flag that 2.2.7 shows for unicast words without a peer; the check has a finding for it",
}
"""Lines of every dump that are passed over, and why."""
VERSION = re.compile("|".join(PASSED_OVER))
SECTIONS = ("Sockpool", "Interfaces", "BFD Data")

ALLOWED = {
    ("w001-include", "vrrp"): ("DBus", "the recording machine had no message bus, keepalived switched D-Bus off"),
    ("w007-lvs-dr", "checker"): (
        r"",
        "keepalived gives the real servers of a virtual server that it dropped to the one before; ours go with it",
    ),
    ("w050-bfd", "checker"): (
        "Alpha|Delay|Warmup|Retries|Default delay",
        "2.2.7 shows values that a BFD_CHECK does not have, unset; 2.4.3 does not show them",
    ),
    ("w083-seq", "parent"): (
        "nftables",
        "ours shows the table that the VRRP process uses, keepalived what was written",
    ),
    ("w100-vmac", "vrrp"): (
        "Master state transition script",
        "a script before enable_script_security makes root the default user of all; ours knows no such order",
    ),
    ("w107-script", "vrrp"): (
        r"",
        "keepalived never finds a script without a path for a user other than root, ours does",
    ),
    ("w169-bfd", "vrrp"): (
        "(Global|VRRP|LVS) notify fifo",
        "FIFOs before script_user belong to root; ours to script_user, wherever it stands",
    ),
    ("w174-smtp-check", "checker"): (
        "Dest|Timeout",
        "2.4.3 gives the connection options of a host block to the check itself, 2.2.7 to a further one",
    ),
    ("w246-seq", "checker"): (r"", "the configuration is made of random numbers"),
}
"""Where ours is known to differ: (configuration, process) to the lines it may differ in, and why."""


def comparable(lines: list[str]) -> list[str]:
    kept: list[str] = []
    skipping = False
    for line in lines:
        if line.startswith("------<"):
            skipping = any(section in line for section in SECTIONS)
        text = line.strip()
        if skipping or not text or STATE.match(text) or VERSION.match(text):
            continue
        # Interfaces have other numbers on the recording machine.
        text = re.sub(r", ifindex \d+", "", text)
        text = re.sub(r"fe80:[0-9a-f:]+:[0-9a-f]{4}:[0-9a-f:]+", "<lladdr>", text)
        # 2.4 shows the directory of a script apart, and marks more routes as tracked and as set.
        text = re.sub(r"Command = '/\S*/", "Command = '", text)
        kept.append(re.sub(r"( no_track)?( set)?$", "", text))
    return kept


def made(recording: Recording, process: str) -> list[str]:
    """Our dump of that process."""
    if process == "vrrp":
        return vrrp_data(recording.config, recording.vrrp_snapshot()).splitlines()
    if process == "checker":
        return ipvs_data(recording.config, IpvsSnapshot()).splitlines()
    if process == "bfd":
        return bfd_data(recording.config, BfdSnapshot()).splitlines()
    return parent_data(recording.config).splitlines()


def without_globals(lines: list[str]) -> list[str]:
    """From the second section on: the global definitions were recorded of the first process only."""
    return lines[next((n for n, line in enumerate(lines) if n and line.startswith("------<")), len(lines)) :]


def differences(recording: Recording, process: str) -> list[str]:
    expected, ours = recording.processes[process], made(recording, process)
    if not any("Global definitions" in line for line in expected):
        ours = without_globals(ours)
    lines = list(unified_diff(comparable(expected), comparable(ours), n=0))[2:]
    return [line for line in lines if line[0] in "+-"]


@pytest.mark.skipif(not WILD.is_dir(), reason="needs the corpus")
def test_configurations_of_others_dump_alike() -> None:
    compared, wrong, needed = 0, [], set()
    for recording in recordings():
        for process in recording.processes:
            compared += 1
            found = differences(recording, process)
            allowed = ALLOWED.get((recording.name, process))
            if found and allowed is not None:
                needed.add((recording.name, process))
                found = [line for line in found if not re.match(allowed[0], line[1:])]
            wrong += [f"{recording.name} {process}: {line}" for line in found]
    assert wrong == []
    assert compared >= 185
    assert needed == set(ALLOWED), "an exception that is no longer needed"
