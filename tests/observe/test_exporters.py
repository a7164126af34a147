"""The rules by which the common Prometheus exporter and other scripts read keepalived's dump files."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC

import pytest

from pykeepalived.observe.dump.json import vrrp_json
from pykeepalived.observe.dump.vrrp import vrrp_data, vrrp_stats
from pykeepalived.observe.snapshot import VrrpCounters, VrrpState

from .recorded import CONFIG, SNAPSHOT

STATES = ("INIT", "BACKUP", "MASTER", "FAULT")


def read_data(text: str) -> tuple[list[dict], list[dict]]:
    """A block begins with ` VRRP Instance =` or ` VRRP Script =`; `label = value` inside, VIPs five blanks deep."""
    instances: list[dict] = []
    scripts: list[dict] = []
    current: dict = {}
    in_vips = False
    for line in text.splitlines():
        if line.startswith(" VRRP Instance ="):
            current = {"name": line.split(" = ")[1], "vips": []}
            instances.append(current)
        elif line.startswith(" VRRP Script ="):
            current = {"name": line.split(" = ")[1]}
            scripts.append(current)
        elif line.startswith("   Virtual IP ("):
            in_vips = True
            continue
        elif in_vips and line.startswith("     "):
            words = line.split()
            assert words[1] == "dev"
            current["vips"].append((words[0], words[2]))
            continue
        elif " = " in line and line.startswith("   ") and current:
            label, value = line.strip().split(" = ", 1)
            current.setdefault(label, value)
        in_vips = False
    return instances, scripts


def test_data_rules():
    instances, scripts = read_data(vrrp_data(CONFIG, SNAPSHOT, UTC))
    assert [instance["name"] for instance in instances] == ["VI_1", "VI_6"]
    first = instances[0]
    assert first["State"] in STATES
    assert (first["State"], first["Wantstate"], first["Interface"]) == ("MASTER", "MASTER", "eth0")
    assert int(first["Gratuitous ARP delay"]) == 5
    assert int(first["Virtual Router ID"]) == 51
    assert first["vips"] == [("192.0.2.100", "eth0")]
    assert instances[1]["vips"] == [("fe80::100", "eth0"), ("2001:db8:77::100/64", "eth0")]
    assert [(script["name"], script["Status"], script["State"]) for script in scripts] == [("s1", "GOOD", "idle")]
    assert re.fullmatch(r"\d+\.\d{6} \(.*\)", first["Last transition"])


@pytest.mark.parametrize("state", [VrrpState.INIT, VrrpState.BACKUP, VrrpState.MASTER, VrrpState.FAULT])
def test_states_by_text_and_number(state):
    snapshot = replace(SNAPSHOT, instances=(replace(SNAPSHOT.instances[0], state=state), SNAPSHOT.instances[1]))
    assert read_data(vrrp_data(CONFIG, snapshot, UTC))[0][0]["State"] == state.name
    assert json.loads(vrrp_json(CONFIG, snapshot))["vrrp"][0]["data"]["state"] == STATES.index(state.name)
    found = re.findall(r"^   State = (\w+)$", vrrp_data(CONFIG, snapshot, UTC), re.MULTILINE)
    assert found[0] == state.name


@pytest.mark.parametrize("state", ["idle", "running", "requested termination", "forcing termination"])
def test_script_states(state):
    script = replace(SNAPSHOT.scripts[0], run_state=state, good=False)
    text = vrrp_data(CONFIG, replace(SNAPSHOT, scripts=(script,)), UTC)
    assert (read_data(text)[1][0]["State"], read_data(text)[1][0]["Status"]) == (state, "BAD")


STATS = (
    ("Received", "advert_rcvd"),
    ("Sent", "advert_sent"),
    ("Became master", "become_master"),
    ("Released master", "release_master"),
    ("Length", "packet_len_err"),
    ("TTL", "ip_ttl_err"),
    ("Invalid Type", "invalid_type_rcvd"),
    ("Advertisement Interval", "advert_interval_err"),
    ("Address List", "addr_list_err"),
    ("Invalid Type", "invalid_authtype"),
    ("Type Mismatch", "authtype_mismatch"),
    ("Failure", "auth_failure"),
    ("Missing", "auth_ext_missing"),
    ("Malformed", "auth_ext_malformed"),
    ("Unknown Key", "auth_ext_unknown_key"),
    ("Invalid HMAC", "auth_ext_invalid_hmac"),
    ("Stale", "auth_ext_stale"),
    ("Replay", "auth_ext_replay"),
    ("Received", "pri_zero_rcvd"),
    ("Sent", "pri_zero_sent"),
)


def test_stats_rules():
    """`Label: N` lines in a fixed order below `VRRP Instance: `; each counter reaches its own line."""
    counters = VrrpCounters(**{name: 100 + number for number, (_, name) in enumerate(STATS)})
    snapshot = replace(SNAPSHOT, instances=(replace(SNAPSHOT.instances[0], counters=counters),))
    text = vrrp_stats(snapshot)
    assert text.startswith("VRRP Instance: VI_1\n")
    values = re.findall(r"^ +([A-Za-z ]+): (\d+)$", text, re.MULTILINE)
    assert values == [(label, str(100 + number)) for number, (label, _) in enumerate(STATS)]


def test_json_types_an_exporter_decodes():
    first = replace(CONFIG, globals=replace(CONFIG.globals, json_version=1))
    for entry in json.loads(vrrp_json(first, SNAPSHOT)):
        data = entry["data"]
        for name in ("state", "wantstate", "garp_delay", "vrid"):
            assert type(data[name]) is int
        assert type(data["iname"]) is str
        assert type(data["ifp_ifname"]) is str
        assert all(type(vip) is str for vip in data["vips"])
        assert all(type(count) is int for count in entry["stats"].values())


def test_password_is_nowhere():
    from pykeepalived.config.model.vrrp import AuthType

    instance = replace(CONFIG.vrrp_instances[0], auth_type=AuthType.PASS, auth_pass=b"s3cret!")
    config = replace(CONFIG, vrrp_instances=(instance, *CONFIG.vrrp_instances[1:]))
    text = vrrp_data(config, SNAPSHOT, UTC)
    assert "   Authentication type = SIMPLE_PASSWORD\n   Password = ********\n" in text
    assert "s3cret" not in text + vrrp_json(config, SNAPSHOT)
    data = json.loads(vrrp_json(config, SNAPSHOT))["vrrp"][0]["data"]
    assert (data["auth_type"], data["auth_data"]) == (1, "********")
