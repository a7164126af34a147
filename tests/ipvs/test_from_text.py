"""Words of virtual servers and groups, from the text of a file to the kernel's table and to who is told."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from pykeepalived.config.model import Config
from pykeepalived.ipvs import effects
from pykeepalived.ipvs.agent import CheckerAgent
from pykeepalived.ipvs.marks import MarkTables
from pykeepalived.ipvs.report import snapshot
from pykeepalived.netlink.services import (
    FORWARD_DIRECT,
    FORWARD_MASQUERADE,
    FORWARD_TUNNEL,
    DestinationSettings,
    ServiceSettings,
)
from pykeepalived.notify.messages import virtual_server_event
from pykeepalived.notify.mib_checker import REAL_TABLE, VIRTUAL_TABLE, checker_entries
from pykeepalived.observe.snapshot import IpvsSnapshot
from pykeepalived.runtime.child import DaemonOptions
from pykeepalived.runtime.log import Log
from pykeepalived.runtime.loop import Loop
from tests.config_lvs.loading import read
from tests.ipvs.harness import SECOND, Lab

ALL_ONES = 0xFFFFFFFF
SERVER = "virtual_server/real_server"
TWO = "real_server 10.10.0.11 80 {\n}\nreal_server 10.10.0.12 80 {\n weight 2\n}\n"


def loaded(text: str) -> Config:
    config = read(text).config
    assert config is not None
    return config


def lab(words: str, *, head: str = "10.99.0.1 80", servers: str = TWO, before: str = "") -> Lab:
    """Start with one virtual server."""
    return Lab(loaded(f"{before}\nvirtual_server {head} {{\n{words}\n{servers}}}\n")).start()


def service(words: str, **options: str) -> ServiceSettings:
    """The settings of the only service that the kernel got."""
    (settings,) = lab(words, **options).kernel.services.values()
    return settings


def destinations(running: Lab) -> dict[str, DestinationSettings]:
    (found,) = running.kernel.destinations.values()
    return {str(key): values for key, values in found.items()}


def keyword(path: str) -> pytest.MarkDecorator:
    return pytest.mark.keyword(f"virtual_server/{path}")


def case(path: str, *values: Any) -> Any:
    return pytest.param(*values, marks=keyword(path), id=path)


@pytest.mark.parametrize(
    ("words", "scheduler", "flags"),
    [
        case("lvs_sched", "protocol TCP\nlvs_sched mh", "mh", 0),
        case("lb_algo", "protocol TCP\nlb_algo sed", "sed", 0),
        case("hashed", "protocol TCP\nlvs_sched sh\nhashed", "sh", 0),
        case("ops", "protocol UDP\nlvs_sched rr\nops", "rr", 0x04),
        case("flag-1", "protocol TCP\nlvs_sched rr\nflag-1", "rr", 0x08),
        case("flag-2", "protocol TCP\nlvs_sched rr\nflag-2", "rr", 0x10),
        case("flag-3", "protocol TCP\nlvs_sched rr\nflag-1\nflag-3", "rr", 0x28),
        case("sh-port", "protocol TCP\nlvs_sched sh\nsh-port", "sh", 0x10),
        case("sh-fallback", "protocol TCP\nlvs_sched sh\nsh-fallback\nsh-port", "sh", 0x18),
        case("mh-port", "protocol TCP\nlvs_sched mh\nmh-port", "mh", 0x10),
        case("mh-fallback", "protocol TCP\nlvs_sched mh\nmh-fallback", "mh", 0x08),
        pytest.param("protocol TCP\nops\nmh-port", "wlc", 0, id="not for this service"),
    ],
)
def test_scheduler_and_its_flags(words: str, scheduler: str, flags: int) -> None:
    assert service(words) == ServiceSettings(scheduler, flags, 0, ALL_ONES)


@pytest.mark.parametrize(
    ("words", "timeout", "netmask", "engine"),
    [
        case("persistence_timeout", "persistence_timeout 50", 50, ALL_ONES, ""),
        case("persistence_granularity", "persistence_granularity 255.255.255.0", 360, 0xFFFFFF00, ""),
        case("persistence_engine", "persistence_engine sip\npersistence_timeout", 360, ALL_ONES, "sip"),
    ],
)
def test_persistence(words: str, timeout: int, netmask: int, engine: str) -> None:
    found = service(f"protocol UDP\nlvs_sched rr\n{words}")
    assert found == ServiceSettings("rr", 0x01, timeout, netmask, engine)


def test_an_engine_without_persistence_is_not_told_to_the_kernel() -> None:
    assert service("protocol UDP\nlvs_sched rr\npersistence_engine sip") == ServiceSettings("rr", 0, 0, ALL_ONES)


def test_the_granularity_of_ipv6_is_a_prefix_length() -> None:
    words = "protocol TCP\nlvs_sched rr\npersistence_granularity 64"
    six = "real_server fd00::11 80 {\n}\n"
    assert service(words, head="fd00:99::1 80", servers=six).netmask == 64
    assert service("protocol TCP", head="fd00:99::1 80", servers=six).netmask == 128


@keyword("protocol")
@pytest.mark.keyword("virtual_server")
@pytest.mark.parametrize(
    ("head", "words", "expected"),
    [
        ("10.99.0.1 80", "protocol sctp", "10.99.0.1:sctp:80"),
        ("10.99.0.1 80", "", "10.99.0.1:udp:80"),
        ("fwmark 5", "protocol TCP", "Fwm 5"),
        ("group G", "protocol UDP", "10.99.0.9:udp:53"),
    ],
)
def test_the_service_of_each_kind_of_head(head: str, words: str, expected: str) -> None:
    running = lab(words, head=head, before="virtual_server_group G {\n 10.99.0.9 53\n}\n")
    assert [str(key) for key in running.kernel.services] == [expected]


@keyword("ip_family")
@pytest.mark.parametrize(("words", "family"), [("ip_family inet6", 6), ("ip_family inet", 4), ("", 4)])
def test_the_family_of_a_mark(words: str, family: int) -> None:
    tunnels = "real_server fd00::11 {\n lvs_method TUN\n}\nreal_server 10.10.0.11 {\n lvs_method TUN\n}\n"
    running = lab(f"lvs_sched rr\n{words}", head="fwmark 5", servers=tunnels)
    assert [key.family for key in running.kernel.services] == [family]
    assert set(destinations(running)) == {"fd00::11:0", "10.10.0.11:0"}


GROUP = """
virtual_server_group G {
    10.99.1.1-3 80
    10.99.2.0/31 81
    fd00:99::1-a 82
    10.99.3.1 83
    fwmark 7 inet
    fwmark 7 inet6
}
"""


@pytest.mark.keyword("virtual_server_group:ADDRESS")
@pytest.mark.keyword("virtual_server_group:fwmark")
def test_every_address_and_mark_of_a_group_has_every_server() -> None:
    tunnels = "real_server 10.10.0.11 80 {\n}\nreal_server 10.10.0.12 80 {\n}\n"
    running = lab("protocol TCP\nlvs_sched rr\nlvs_method TUN", head="group G", servers=tunnels, before=GROUP)
    found = [str(key) for key in running.kernel.services]
    six = [f"fd00:99::{number:x}:tcp:82" for number in range(1, 11)]
    four = [f"10.99.1.{number}:tcp:80" for number in (1, 2, 3)] + ["10.99.2.0:tcp:81", "10.99.2.1:tcp:81"]
    assert found == [*four, *six, "10.99.3.1:tcp:83", "Fwm 7", "Fwm 7 inet6"]
    for key, servers in running.kernel.destinations.items():
        assert [str(place) for place in servers] == [f"10.10.0.11:{key.port}", f"10.10.0.12:{key.port}"]


@keyword("lb_kind")
@keyword("lvs_method")
@keyword("sorry_server_lvs_method")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("lb_kind DR", (FORWARD_DIRECT, 0, 0, 0)),
        ("lvs_method DR", (FORWARD_DIRECT, 0, 0, 0)),
        ("lvs_method NAT", (FORWARD_MASQUERADE, 0, 0, 0)),
        ("lvs_method TUN", (FORWARD_TUNNEL, 0, 0, 0)),
        ("lvs_method TUN type gue port 6080 remcsum", (FORWARD_TUNNEL, 1, 6080, 2)),
        ("lvs_method TUN type gre csum", (FORWARD_TUNNEL, 2, 0, 1)),
    ],
)
def test_how_packets_are_forwarded(words: str, expected: tuple[int, ...]) -> None:
    sorry = "sorry_server 10.10.0.14 80\nsorry_server_inhibit\n"
    own = words.replace("lvs_method", "sorry_server_lvs_method") if words.startswith("lvs_method") else ""
    good = "protocol TCP\nlvs_sched rr\n"
    for text in (f"{good}{words}\n{sorry}", f"{good}{sorry}{own}\n{words}"):
        found = destinations(lab(text))
        assert {tuple(values)[1:2] + tuple(values)[4:] for values in found.values()} == {expected}


@keyword("weight")
@keyword("real_server")
@keyword("real_server/weight")
def test_the_weight_of_the_virtual_server_is_that_of_servers_without_one() -> None:
    running = lab("protocol TCP\nlvs_sched wrr\nlvs_method NAT\nweight 7")
    assert running.weights() == {"10.10.0.11:80": 7, "10.10.0.12:80": 2}
    assert "Gained quorum 1+0=1 <= 9 for VS [10.99.0.1]:tcp:80" in running.lines


@keyword("quorum")
@keyword("real_server/weight")
@pytest.mark.parametrize("sorry", ["", "sorry_server 10.10.0.14 80"])
def test_servers_of_weight_0_alone_are_no_quorum(sorry: str) -> None:
    """As when all are drained: their checks must not tell the quorum up and down in turn."""
    servers = "".join(
        f"real_server 10.10.0.1{number} 80 {{\n weight 0\n TCP_CHECK {{\n warmup 0\n delay_loop 1\n retry 0\n }}\n}}\n"
        for number in (1, 2)
    )
    running = lab(f"protocol TCP\n{sorry}", servers=servers)
    assert running.weights() == ({"10.10.0.14:80": 1} if sorry else {"10.10.0.11:80": 0, "10.10.0.12:80": 0})
    for up in ({"10.10.0.11"}, {"10.10.0.11", "10.10.0.12"}, set(), {"10.10.0.12"}):
        running.up = set(up)
        running.run(1)
        running.check_table()
    assert [line for line in running.told if line.startswith("VS")] == (["VS [10.99.0.1]:tcp:80 DOWN"] if sorry else [])
    running.say(effects.SetWeight("[10.99.0.1]:tcp:80", "[10.10.0.12]:tcp:80", 1))
    assert running.told[-1] == "VS [10.99.0.1]:tcp:80 UP"
    assert running.weights() == {"10.10.0.12:80": 1}


@keyword("real_server/uthreshold")
@keyword("real_server/lthreshold")
@keyword("real_server/lvs_method")
def test_words_of_a_server_alone() -> None:
    servers = "real_server 10.10.0.11 80 {\n uthreshold 90\n lthreshold 50\n lvs_method DR\n}\n"
    values = destinations(lab("protocol TCP\nlvs_sched rr\nlvs_method NAT", servers=servers))["10.10.0.11:80"]
    assert (values.forwarding, values.upper, values.lower) == (FORWARD_DIRECT, 90, 50)


MAIL = "global_defs {{\n notification_email {{\n a@b\n }}\n smtp_server 10.0.0.9\n {}\n}}\n"


@keyword("smtp_alert")
@pytest.mark.keyword("global_defs/smtp_alert_checker")
@pytest.mark.keyword("global_defs/smtp_alert")
@pytest.mark.parametrize(
    ("words", "defaults", "of_servers", "of_quorum"),
    [
        ("", "", True, False),
        ("smtp_alert", "", True, True),
        ("", "smtp_alert_checker on", True, True),
        ("", "smtp_alert_checker off", False, False),
        ("smtp_alert on", "smtp_alert_checker off", False, True),
        ("smtp_alert off", "smtp_alert_checker", True, False),
        ("", "smtp_alert on\nsmtp_alert_checker off", False, False),
        ("", "smtp_alert on", True, True),
        ("", "smtp_alert off", False, False),
    ],
)
def test_who_gets_mail_of_whom(words: str, defaults: str, of_servers: bool, of_quorum: bool) -> None:
    servers = "real_server 10.10.0.11 80 {\n TCP_CHECK {\n warmup 0\n delay_loop 1\n retry 0\n }\n}\n"
    running = lab(f"protocol TCP\n{words}", servers=servers, before=MAIL.format(defaults))
    running.up = {"10.10.0.11"}
    running.run(1)
    running.up = set()
    running.tells.clear()
    running.run(1)
    assert bool(running.mails) == of_servers
    (quorum,) = [tell for tell in running.tells if tell.real is None]
    settings = running.core.config.globals
    event = virtual_server_event(settings, quorum.virtual, quorum.virtual_name, quorum.up, quorum.body)
    assert (event.mail is not None) == of_quorum


@pytest.mark.keyword("global_defs/lvs_flush_onstop")
@pytest.mark.keyword("global_defs/lvs_flush_on_stop")
@pytest.mark.parametrize("word", ["lvs_flush_on_stop", "lvs_flush_onstop"])
@pytest.mark.parametrize(("how", "expected"), [("", ["FLUSH"]), ("VS", ["DEL_SERVICE 10.99.0.1:tcp:80"])])
def test_the_table_is_flushed_at_the_end(word: str, how: str, expected: list[str]) -> None:
    running = lab("protocol TCP", before=f"global_defs {{\n {word} {how}\n}}\n")
    running.operations()
    running.stop()
    assert running.operations() == expected


@pytest.mark.keyword("global_defs/nftables_ipvs_priority")
@pytest.mark.keyword("global_defs/nftables_ipvs")
@pytest.mark.keyword("global_defs/nftables_ipvs_start_fwmark")
@pytest.mark.keyword("global_defs/nftables_counters")
def test_the_names_and_numbers_of_the_marks() -> None:
    words = "nftables_ipvs mine\n nftables_ipvs_priority -7\n nftables_ipvs_start_fwmark 500\n nftables_counters"
    group = "virtual_server_group G {\n 10.99.1.1-3 80\n}\n"
    running = lab("protocol TCP", head="group G", before=f"global_defs {{\n {words}\n}}\n{group}")
    assert [str(key) for key in running.kernel.services] == ["Fwm 500"]
    (marks,) = [effect for effect in running.other if isinstance(effect, effects.SetMarks)]
    commands = MarkTables(running.core.config.globals.firewall).change(marks.add, marks.remove).splitlines()
    assert "add chain ip mine in { type filter hook input priority -7 ; policy accept ; }" in commands
    assert commands[-1] == "add element ip mine tcp_map { 10.99.1.1-10.99.1.3 . 80 : 0x000001f4 }"
    assert [command.count("counter") for command in commands if "map" in command] == [1, 1, 0]


@keyword("snmp_name")
@keyword("real_server/snmp_name")
def test_names_for_snmp() -> None:
    servers = "real_server 10.10.0.11 80 {\n snmp_name first\n}\nreal_server 10.10.0.12 80 {\n}\n"
    running = lab("protocol TCP\nsnmp_name web", servers=servers)
    shown = dict(checker_entries(running.core.config, snapshot(running.core)))
    names = {oid: value.data for oid, value in shown.items() if oid[:-1] == (*VIRTUAL_TABLE, 71)}
    assert list(names.values()) == [b"web"]
    names = {oid: value.data for oid, value in shown.items() if oid[:-2] == (*REAL_TABLE, 55)}
    assert names == {(*REAL_TABLE, 55, 1, 1): b"first"}


@pytest.mark.keyword("global_defs/snmp_rs_stats_update_interval")
@pytest.mark.keyword("global_defs/snmp_vs_stats_update_interval")
@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("", 5),
        ("snmp_vs_stats_update_interval 2", 2),
        ("snmp_rs_stats_update_interval 3", 3),
        ("snmp_vs_stats_update_interval 4\n snmp_rs_stats_update_interval 0.5", 0.5),
    ],
)
def test_traffic_is_looked_at_at_most_so_often(words: str, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    config = loaded(f"global_defs {{\n {words}\n}}\nvirtual_server 10.99.0.1 80 {{\n protocol TCP\n{TWO}}}\n")
    looks: list[int] = []
    now = 10 * SECOND
    with closing(Loop()) as loop:
        monkeypatch.setattr(loop, "now", lambda: now)
        agent = CheckerAgent(loop, Log(), DaemonOptions(), IpvsSnapshot, lambda: looks.append(now))
        agent.publish(config)
        for _ in range(int(seconds * 20)):
            agent.about_to_show()
            agent._state()
            now += SECOND // 10
    assert [look - 10 * SECOND for look in looks] == [0, seconds * SECOND]
