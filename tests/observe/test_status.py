"""`status` and `why`: what is said of each kind of object, and that only plain values leave."""

from __future__ import annotations

import json
from dataclasses import replace

from pykeepalived.config.model.values import Ip, Span
from pykeepalived.observe.cause import Cause
from pykeepalived.observe.snapshot import (
    BfdSessionSnapshot,
    BfdSnapshot,
    CheckerSnapshot,
    IpvsSnapshot,
    RealServerSnapshot,
    Taken,
    TrackScriptSnapshot,
    VirtualServerSnapshot,
    VrrpCounters,
    VrrpGroupSnapshot,
    VrrpInstanceSnapshot,
    VrrpSnapshot,
    VrrpState,
)
from pykeepalived.observe.status import known_names, status_view, why_view
from tests.vrrp.lan import config, instance, vip

S = 1_000_000_000
TAKEN = Taken(monotonic_ns=1000 * S, wall_ns=2_000_000_000 * S)

VRRP = VrrpSnapshot(
    taken=TAKEN,
    instances=(
        VrrpInstanceSnapshot(
            name="VI_1",
            state=VrrpState.BACKUP,
            previous_state=VrrpState.MASTER,
            last_transition_ns=990 * S,
            cause=Cause("higher_priority", "192.0.2.2", "200 > 100", 990 * S, Span("k.conf", 7)),
            interface="eth0",
            master_address=Ip.parse("192.0.2.2"),
            master_priority=200,
            base_priority=100,
            effective_priority=80,
            contributions=(("script", "chk", -30), ("file", "f", 10)),
            group="G",
            counters=VrrpCounters(advert_sent=5, advert_rcvd=9, become_master=1),
        ),
        VrrpInstanceSnapshot(
            name="VI_2",
            state=VrrpState.FAULT,
            cause=Cause("interface_down", "eth1"),
            faults=(Cause("interface_down", "eth1"),),
            scripts_init=1,
        ),
    ),
    groups=(VrrpGroupSnapshot(name="G", state=VrrpState.BACKUP, members_fault=1),),
    scripts=(TrackScriptSnapshot(name="chk", good=False, last_status=3, ending="exit status 3", result=-1),),
)
IPVS = IpvsSnapshot(
    taken=TAKEN,
    ipvs_version="1.2.1",
    virtual_servers=(
        VirtualServerSnapshot(
            name="[192.0.2.9]:tcp:80",
            quorum_up=True,
            weight_sum=1,
            last_change_ns=400 * S,
            real_servers=(
                RealServerSnapshot(name="[192.0.2.10]:tcp:80", alive=True, set=True),
                RealServerSnapshot(
                    name="[192.0.2.11]:tcp:80",
                    failed_checkers=1,
                    checkers=(CheckerSnapshot(up=False, has_run=True, runs=4, failures=2, text="connection refused"),),
                ),
            ),
        ),
    ),
)
BFD = BfdSnapshot(taken=TAKEN, sessions=(BfdSessionSnapshot(name="b1", local_state="Up", last_change_ns=999 * S),))


def test_status_names_state_since_and_reason():
    view = status_view([VRRP, IPVS, BFD])
    assert json.loads(json.dumps(view)) == view
    first, second = view["vrrp"]["instances"]
    assert first == {
        "name": "VI_1",
        "state": "BACKUP",
        "since": 1_999_999_990.0,
        "for_s": 10.0,
        "why": "higher_priority 192.0.2.2 (200 > 100) [k.conf:7]",
        "interface": "eth0",
        "priority": 80,
        "configured_priority": 100,
        "group": "G",
        "master": "192.0.2.2",
        "master_priority": 200,
        "addresses_set": False,
        "adverts_sent": 5,
        "adverts_received": 9,
        "became_master": 1,
    }
    assert (second["why"], second["since"]) == ("interface_down eth1", None)
    server = view["checker"]["virtual_servers"][0]
    assert (server["state"], server["for_s"], server["weight"]) == ("up", 600.0, 1)
    assert [real["state"] for real in server["real_servers"]] == ["up", "down"]
    assert server["real_servers"][1]["why"] == "connection refused"
    assert view["bfd"]["sessions"][0]["state"] == "Up"


def test_status_of_nothing():
    assert status_view([]) == {}


def test_why_an_instance_is_what_it_is():
    (view,) = why_view("VI_1", [VRRP, IPVS])
    assert view["facts"] == [
        "higher_priority 192.0.2.2 (200 > 100) [k.conf:7], for 10.0 s",
        "the master is 192.0.2.2 with priority 200, ours is 80",
        "trackers change the priority 100 to 80: script chk -30, file f +10",
        "it follows sync group G",
    ]
    assert view["before"] == "MASTER"


def test_why_of_everything_else():
    assert why_view("G", [VRRP])[0]["facts"] == ["1 members are in fault"]
    assert why_view("chk", [VRRP])[0]["facts"] == ["its last run: exit status 3", "result -1"]
    new = replace(VRRP, scripts=(TrackScriptSnapshot(name="new"),))
    assert why_view("new", [new])[0]["facts"] == ["has not run yet", "result 0"]
    # in FAULT for its only fault, which is told once; one script has not run yet
    assert why_view("VI_2", [VRRP])[0]["facts"] == ["interface_down eth1", "scripts that have no result yet: 1"]
    (view,) = why_view("[192.0.2.11]:tcp:80", [IPVS])
    assert view["facts"] == ["a check fails: connection refused (4 runs, 2 failures)"]
    assert view["of"] == "[192.0.2.9]:tcp:80"
    assert why_view("b1", [BFD])[0]["kind"] == "bfd_instance"
    assert why_view("nothing", [VRRP, IPVS, BFD]) == []
    assert len(why_view("", [VRRP, IPVS, BFD])) == 8


def test_objects_are_found_by_what_an_operator_knows_of_them():
    first = instance("VI_1", virtual_addresses=(vip("203.0.113.9"),), excluded_addresses=(vip("2001:db8::9"),))
    second = instance("VI_2", interface="eth1", virtual_addresses=())
    known = config(first, second)

    def found(word):
        return [view["name"] for view in why_view(word, [VRRP, IPVS, BFD], known)]

    assert found("203.0.113.9") == found("2001:db8::9") == found("eth0") == found("VI_1") == ["VI_1"]
    assert found("eth1") == ["VI_2"]
    assert found("192.0.2.10") == found("192.0.2.10:80") == found("[192.0.2.10]:80") == ["[192.0.2.10]:tcp:80"]
    assert found("192.0.2.10:81") == found("eth2") == found("203.0.113.1") == []
    assert known_names([VRRP, BFD]) == ["VI_1", "VI_2", "G", "chk", "b1"]


def test_a_backup_without_a_master_tells_how_long_it_waits():
    alone = VrrpInstanceSnapshot(name="VI_1", state=VrrpState.BACKUP, timer_expires_ns=1002 * S + S // 2)
    (view,) = why_view("VI_1", [VrrpSnapshot(taken=TAKEN, instances=(alone,))])
    assert view["facts"] == ["no master has been heard; the wait for one ends in 2.5 s"]


def test_a_master_tells_whether_it_has_its_addresses():
    for held, text in (
        ((True, True), "its addresses are in place"),
        ((True, False), "1 of its 2 addresses are not in place"),
    ):
        master = VrrpInstanceSnapshot(name="VI_1", state=VrrpState.MASTER, addresses_set=held)
        (view,) = why_view("VI_1", [VrrpSnapshot(taken=TAKEN, instances=(master,))])
        assert view["facts"] == [text]


def test_why_a_session_is_down():
    cause = Cause("detection_time_expired", "192.0.2.1", "no packet for 300 ms", 990 * S, Span("k.conf", 4))
    down = BfdSessionSnapshot(
        name="b1",
        remote_state="Up",
        local_diagnostic="Control Detection Time Expired",
        last_seen_ns=990 * S,
        packets_discarded=3,
        cause=cause,
    )
    new = BfdSessionSnapshot(name="b2", cause=Cause("start", "b2"))
    snapshot = BfdSnapshot(taken=TAKEN, sessions=(down, new))
    assert why_view("b1", [snapshot])[0]["facts"] == [
        "detection_time_expired 192.0.2.1 (no packet for 300 ms) [k.conf:4], for 10.0 s",
        "the last packet of the neighbor came 10.0 s ago",
        "the neighbor's state is Up, its diagnostic No Diagnostic",
        "our diagnostic is Control Detection Time Expired",
        "3 packets were discarded",
    ]
    assert why_view("b2", [snapshot])[0]["facts"][:2] == ["start b2", "no packet of the neighbor has come yet"]
    shown = status_view([snapshot])["bfd"]["sessions"][0]
    assert shown["why"] == "detection_time_expired 192.0.2.1 (no packet for 300 ms) [k.conf:4]"
    assert shown["diagnostic"] == "Control Detection Time Expired"
