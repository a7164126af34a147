"""Metrics: the exposition format by a strict parser, and the names dashboards already use."""

from __future__ import annotations

import re
from dataclasses import replace

from pykeepalived.config.model import Config
from pykeepalived.observe.cause import Cause
from pykeepalived.observe.metrics import render
from pykeepalived.observe.snapshot import (
    BfdSessionSnapshot,
    BfdSnapshot,
    CheckerSnapshot,
    Circumstance,
    IpvsSnapshot,
    RealServerSnapshot,
    VirtualServerSnapshot,
)

from .recorded import CONFIG, SNAPSHOT

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*\})? (\S+)')


def parse(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every line must be HELP, TYPE or a sample of the family announced last; no sample twice."""
    assert text.endswith("\n")
    samples: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    announced: set[str] = set()
    current = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            current = line.split(" ")[2]
            assert current not in announced, f"{current} announced twice"
            announced.add(current)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current
            assert kind in ("counter", "gauge")
            assert (kind == "counter") == name.endswith("_total") or name == "keepalived_gratuitous_arp_delay_total"
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert match[1] == current
            labels = frozenset(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2] or ""))
            assert (match[1], labels) not in samples, line
            samples[match[1], labels] = float(match[3])
    return samples


def value(samples, name: str, /, **labels: str) -> float:
    return samples["keepalived_" + name, frozenset(labels.items())]


def test_instances():
    samples = parse(render(CONFIG, [SNAPSHOT]))
    assert value(samples, "up", process="vrrp") == 1
    assert value(samples, "up", process="checker") == 0
    assert value(samples, "vrrp_state", iname="VI_1", intf="eth0", vrid="51", ip_address="192.0.2.100") == 2
    assert value(samples, "vrrp_state", iname="VI_6", intf="eth0", vrid="61", ip_address="2001:db8:77::100/64") == 2
    assert value(samples, "advertisements_sent_total", iname="VI_1", intf="eth0", vrid="51") == 3
    assert value(samples, "become_master_total", iname="VI_6", intf="eth0", vrid="61") == 1
    assert value(samples, "gratuitous_arp_delay_total", iname="VI_1", intf="eth0", vrid="51") == 5
    assert value(samples, "vrrp_last_transition_seconds", iname="VI_1", intf="eth0", vrid="51") == 1795361506.397493
    assert value(samples, "script_status", name="s1") == 1
    assert value(samples, "script_state", name="s1") == 0
    assert value(samples, "track_file_value", name="f1") == -5
    assert value(samples, "vrrp_group_state", group="G1") == 2


def test_the_usual_names_are_there():
    text = render(CONFIG, [SNAPSHOT])
    for name in (
        "advertisements_received_total",
        "advertisements_interval_errors_total",
        "packet_length_errors_total",
        "ip_ttl_errors_total",
        "invalid_type_received_total",
        "address_list_errors_total",
        "authentication_invalid_total",
        "authentication_mismatch_total",
        "authentication_failure_total",
        "priority_zero_received_total",
        "priority_zero_sent_total",
        "release_master_total",
    ):
        assert f'keepalived_{name}{{iname="VI_1",intf="eth0",vrid="51"}} 0\n' in text


def test_servers_and_sessions():
    real = RealServerSnapshot(
        name="[10.0.0.1]:tcp:80",
        alive=True,
        effective_weight=3,
        checkers=(CheckerSnapshot(runs=7, failures=2, duration_us=1500),),
    )
    ipvs = IpvsSnapshot(
        virtual_servers=(
            VirtualServerSnapshot(name="[10.9.9.9]:tcp:80", quorum_up=True, weight_sum=3, real_servers=(real,)),
        ),
        process={"checks_total": 12},
    )
    bfd = BfdSnapshot(sessions=(BfdSessionSnapshot(name="b1", local_state="Up", packets_sent=4),), log_dropped=1)
    samples = parse(render(Config(), [ipvs, bfd]))
    virtual = {"virtual_server": "[10.9.9.9]:tcp:80"}
    server = {**virtual, "real_server": "[10.0.0.1]:tcp:80"}
    assert value(samples, "virtual_server_up", **virtual) == 1
    assert value(samples, "real_server_up", **server) == 1
    assert value(samples, "real_server_weight", **server) == 3
    assert value(samples, "checker_runs_total", **server, checker="0") == 7
    assert value(samples, "checker_duration_seconds", **server, checker="0") == 0.0015
    assert value(samples, "bfd_state", name="b1") == 3
    assert value(samples, "bfd_packets_sent_total", name="b1") == 4
    assert value(samples, "process_checks_total", process="checker") == 12
    assert value(samples, "process_log_dropped_total", process="bfd") == 1


def test_names_are_escaped():
    odd = 'a"b\\c\nd'
    instance = replace(CONFIG.vrrp_instances[0], name=odd)
    snapshot = replace(SNAPSHOT, instances=(replace(SNAPSHOT.instances[0], name=odd),), groups=())
    samples = parse(render(replace(CONFIG, vrrp_instances=(instance,)), [snapshot]))
    assert value(samples, "advertisements_sent_total", iname='a\\"b\\\\c\\nd', intf="eth0", vrid="51") == 3


def test_circumstances_that_hold_can_be_alerted_on():
    moment = SNAPSHOT.taken.monotonic_ns
    told = (
        Circumstance(Cause("other_master", "192.0.2.2"), moment),
        Circumstance(Cause("other_master", "192.0.2.3"), moment + 1),
        Circumstance(Cause("advert_refused", "192.0.2.2"), moment - 1),
        Circumstance(Cause("nopreempt", "192.0.2.2")),
    )
    first, *others = SNAPSHOT.instances
    samples = parse(render(CONFIG, [replace(SNAPSHOT, instances=(replace(first, circumstances=told), *others))]))
    found = [dict(labels)["fact"] for name, labels in samples if name == "keepalived_vrrp_circumstance"]
    assert sorted(found) == ["nopreempt", "other_master"]
    assert "circumstance" not in render(CONFIG, [SNAPSHOT])
