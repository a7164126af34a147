"""Which checkers are the same over a reload, what they hand over; and the snapshot of the whole core."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from pykeepalived.config.model.ipvs import (
    BfdCheck,
    Checker,
    Connection,
    DnsCheck,
    FileCheck,
    GroupEntry,
    HttpCheck,
    MiscCheck,
    PingCheck,
    Regex,
    SmtpCheck,
    SorryServer,
    TcpCheck,
    UdpCheck,
    Url,
    VirtualServerGroup,
)
from pykeepalived.config.model.values import Account, Ip, Script
from pykeepalived.ipvs.checks.factory import make
from pykeepalived.ipvs.report import snapshot
from pykeepalived.ipvs.state import Real, Virtual
from pykeepalived.observe.snapshot import GroupEntrySnapshot
from tests.ipvs.harness import Lab, config, real, virtual

WHERE = Connection(address=Ip.parse("10.10.0.11"), port=80)
ELSEWHERE = dataclasses.replace(WHERE, timeout_us=1)
SCRIPT = Script(("/bin/true",), Account(0, 0))
URL = Url(path="/", regex=Regex(pattern="a"))
HTTP = HttpCheck(connection=WHERE, urls=(URL,))


def state(model: Checker) -> Any:
    service = virtual(real("10.10.0.11"))
    return make(model, Real(service.real_servers[0], Virtual(service, None)), "rs", "vs", lambda _n: 0)


SAME: list[tuple[Checker, Checker, bool]] = [
    (TcpCheck(connection=WHERE), TcpCheck(connection=WHERE, retry=9, delay_loop_us=1), True),
    (TcpCheck(connection=WHERE), TcpCheck(connection=ELSEWHERE), False),
    (TcpCheck(connection=WHERE), PingCheck(connection=WHERE), False),
    (UdpCheck(connection=WHERE), UdpCheck(connection=WHERE, payload=b"x"), True),
    (PingCheck(connection=WHERE), PingCheck(connection=ELSEWHERE), False),
    (HTTP, dataclasses.replace(HTTP, http_protocol="1.1", sni=True, fast_recovery=True), True),
    (HTTP, dataclasses.replace(HTTP, sni_name="x"), False),
    (HTTP, dataclasses.replace(HTTP, virtualhost="x"), False),
    (HTTP, dataclasses.replace(HTTP, urls=(URL, URL)), False),
    (HTTP, dataclasses.replace(HTTP, urls=(dataclasses.replace(URL, regex=Regex(pattern="b")),)), False),
    (HTTP, dataclasses.replace(HTTP, tls=True), False),
    (SmtpCheck(connection=WHERE), SmtpCheck(connection=WHERE, helo_name="x"), False),
    (DnsCheck(connection=WHERE), DnsCheck(connection=WHERE, type="A"), False),
    (DnsCheck(connection=WHERE), DnsCheck(connection=WHERE, retry=7), True),
    (MiscCheck(script=SCRIPT), MiscCheck(script=SCRIPT, timeout_us=9), True),
    (MiscCheck(script=SCRIPT), MiscCheck(script=SCRIPT, dynamic=True), False),
    (BfdCheck(name="a"), BfdCheck(name="a"), True),
    (BfdCheck(name="a"), BfdCheck(name="b"), False),
]


@pytest.mark.parametrize(("old", "new", "same"), SAME)
def test_identity(old: Checker, new: Checker, same: bool) -> None:
    assert state(new).same_as(state(old)) == same


@pytest.mark.parametrize(
    "model", [TcpCheck(connection=WHERE, retry=3), HTTP, MiscCheck(script=SCRIPT, retry=3), DnsCheck(connection=WHERE)]
)
def test_what_a_checker_hands_over(model: Checker) -> None:
    old = state(model)
    old.has_run, old.is_up, old.runs, old.failures = True, False, 12, 5
    new = state(model)
    new.adopt(old)
    assert (new.has_run, new.is_up, new.runs, new.failures) == (True, False, 12, 5)
    assert new.retry_it == model.retry + 1
    up = state(model)
    up.has_run, up.retry_it = True, 1
    new.adopt(up)
    assert new.is_up
    assert new.retry_it == min(1, model.retry)
    fresh = state(dataclasses.replace(model, alpha=True))
    fresh.is_up = False
    fresh.adopt(state(model))
    assert not fresh.is_up, "a checker that never ran has nothing to hand over"


def test_a_misc_check_keeps_its_weight_over_a_change_of_the_configured_one() -> None:
    model = MiscCheck(script=SCRIPT, dynamic=True)
    old = state(model)
    old.has_run, old.last_status, old.weight = True, 52, 40
    new = state(model)
    new.adopt(old)
    assert new.weight == 50 - new.real.model.weight


def test_snapshot() -> None:
    group = VirtualServerGroup(
        name="G1",
        entries=(GroupEntry(first=Ip.parse("10.99.1.1"), last=Ip.parse("10.99.1.2"), port=80), GroupEntry(fwmark=7)),
    )
    sorry = SorryServer(address=Ip.parse("10.10.0.14"), port=80)
    one = virtual(real("10.10.0.11", weight=3), real("10.10.0.12"), sorry_server=sorry)
    two = virtual(real("10.10.0.13", checkers=(FileCheck(track_file="F1"),)), address=None, group="G1")
    lab = Lab(config(one, two, virtual_server_groups=(group,)))
    lab.up = {"10.10.0.11"}
    lab.start().run(1.5)
    taken = snapshot(lab.core)
    first, second = taken.virtual_servers
    assert (first.name, first.alive, first.quorum_up, first.weight_sum) == ("[10.99.0.1]:tcp:80", True, True, 3)
    up, down = first.real_servers
    assert (up.alive, up.set, up.effective_weight, up.failed_checkers) == (True, True, 3, 0)
    assert (down.alive, down.set, down.failed_checkers) == (False, False, 1)
    assert (down.checkers[0].up, down.checkers[0].has_run, down.checkers[0].failures) == (False, True, 1)
    assert down.cause is not None
    assert (down.cause.fact, down.cause.subject) == ("check_failed", "TcpCheck")
    assert first.sorry_server is not None
    assert (first.sorry_server.alive, first.sorry_in_use) == (False, False)
    assert second.name == "[G1]:0"
    assert taken.groups == ((GroupEntrySnapshot(tcp=1), GroupEntrySnapshot(ipv4=1)),)
