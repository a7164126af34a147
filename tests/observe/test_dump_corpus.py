"""Dumps of other people's configurations against those of keepalived 2.2.7, where both are expected to agree.

Read in place; nothing of the corpus is kept here. Left out are lines of state, of the machine, and those that
keepalived 2.4 and 2.2 have differently.
"""

from __future__ import annotations

import re
from difflib import unified_diff

import pytest

from pykeepalived.observe.dump.bfd import bfd_data
from pykeepalived.observe.dump.ipvs import ipvs_data
from pykeepalived.observe.dump.vrrp import vrrp_data
from pykeepalived.observe.snapshot import BfdSnapshot, IpvsSnapshot, VrrpSnapshot

from .wild import WILD, configurations, processes

STATE = re.compile(
    r"(State|Wantstate|Last transition|Read timeout|Master down timer|Using src_ip|fd_in|No sockets|Effective priority"
    r"|Total priority|Number of|Master router|Master priority|Master advert|Last advert|Flags|Num member|Result|Status"
    r"|alive|VS alive|set =|quorum_state|RS set|num failed|effective weight|previous|Current proc|Init state"
    r"|Highest other|VRRP Sync Group|Has run|Up =|Enabled|Retries iter|Alive:|Bfd is|Multicast address|Use VMAC"
    r"|current realtime|VRRP Instance, vmac|Last ran|Default script uid|Default interface|thread|sands|send error"
    r"|(local|remote) (disc|state|diag|min|demand|detect|tx|deta)|!poll|last.seen|Unicast config option|fd_out)"
)
VERSION = re.compile(
    r"(libnftnl|SNMP RFC|Replace sym|Don't set supp|Use VRRPv2|SNMP .S stats|DBus no|json_version|iproute|Password"
    r"|tls_compl|Address owner|LVS (UDP|TCP) timeout|Regex options|Regex ref|Path =|Gratuitous ARP lower)"
)
SECTIONS = ("Sockpool", "Interfaces", "BFD Data")


def comparable(lines: list[str]) -> list[str]:
    kept: list[str] = []
    skipping = False
    for line in lines:
        if line.startswith("------<"):
            skipping = any(section in line for section in SECTIONS)
        text = line.strip()
        if skipping or not text or STATE.match(text) or VERSION.match(text):
            continue
        text = re.sub(r"fe80:[0-9a-f:]+:[0-9a-f]{4}:[0-9a-f:]+", "<lladdr>", text)
        text = re.sub(r"Interface = ([^,]*), .* on .*", r"Interface = \1", text)
        text = re.sub(r"dev vmac_addr\S*|dev \S+ use_vmac", "dev VMAC", text)
        text = re.sub(r"Command = '/\S*/", "Command = '", text)
        kept.append(re.sub(r"( no_track)?( set)?$", "", text))
    return kept


@pytest.mark.skipif(not WILD.is_dir(), reason="needs the corpus")
def test_configurations_of_others_dump_alike():
    makers = {
        "vrrp": lambda config: vrrp_data(config, VrrpSnapshot()),
        "checker": lambda config: ipvs_data(config, IpvsSnapshot()),
        "bfd": lambda config: bfd_data(config, BfdSnapshot()),
    }
    compared = equal = lines_compared = lines_different = 0
    for _, config, lines in configurations():
        for process, expected in processes(lines).items():
            if process not in makers:
                continue
            made = makers[process](config).splitlines()
            if not any("Global definitions" in line for line in expected):
                made = made[next((n for n, line in enumerate(made) if n and line.startswith("------<")), len(made)) :]
            one, other = comparable(expected), comparable(made)
            difference = [
                line for line in unified_diff(one, other, n=0) if line[0] in "+-" and line[:3] not in ("---", "+++")
            ]
            compared += 1
            equal += not difference
            lines_compared += len(one)
            lines_different += len(difference)
    assert compared >= 150
    assert equal >= compared * 0.85, f"{equal} of {compared} dumps agree"
    assert lines_different <= lines_compared * 0.025, f"{lines_different} of {lines_compared} lines differ"
