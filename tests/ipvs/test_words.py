"""The words that all checkers share, from the text of a file to what is dialled, when, and what is said."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from pykeepalived.config.environment import gather
from pykeepalived.config.load import load
from pykeepalived.config.model import Config
from pykeepalived.config.model.ipvs import Connection
from pykeepalived.config.model.values import Ip
from pykeepalived.ipvs import dial
from pykeepalived.ipvs.checks.attempt import Outcome, Reason, Transport
from pykeepalived.ipvs.core import IpvsCore
from tests.ipvs.harness import SECOND, Lab

PATH = "virtual_server/real_server"
REFUSED = Outcome(False, Reason.READ_FAILED, "Connection refused", 111)
DIALLING = ["TCP_CHECK", "HTTP_GET", "SSL_GET", "SMTP_CHECK", "DNS_CHECK", "PING_CHECK", "UDP_CHECK"]
INSIDE = {"HTTP_GET": "url {\n path /\n}", "SSL_GET": "url {\n path /\n}", "MISC_CHECK": 'misc_path "/bin/true"'}


def read(folder: Path, kind: str, words: str, outside: str = "", service: str = "") -> Config:
    text = f"""
virtual_server 10.99.0.1 80 {{
    protocol TCP
    lvs_sched rr
    lvs_method NAT
    {service}
    real_server 10.10.0.11 80 {{
        {outside}
        {kind} {{
            {INSIDE.get(kind, "")}
            {words}
        }}
    }}
}}
"""
    file = folder / "keepalived.conf"
    file.write_text("global_defs {\n script_user root\n}\n" + text)
    config = load(str(file), gather()).config
    assert config is not None
    return config


def marked(kinds: list[str], *words: str) -> list[Any]:
    """A parameter for each kind, with the keywords that the test proves for it."""
    return [
        pytest.param(
            kind, marks=[pytest.mark.keyword(f"{PATH}/{kind}/{word}" if word else f"{PATH}/{kind}") for word in words]
        )
        for kind in kinds
    ]


class Watched(Lab):
    """A lab that notes when attempts start; every attempt ends at once, and well while `good`."""

    def __init__(self, config: Config, warmup: float = 0.0) -> None:
        super().__init__(config)
        self.core = IpvsCore(config, lambda limit: int(limit * warmup))
        self.times: list[float] = []
        self.good = True
        self.attempts: list[Any] = []
        self.answer = self._note

    def _note(self, effect: Any) -> Outcome:
        self.times.append(round(self.now / SECOND, 2))
        self.attempts.append(effect.attempt)
        script = effect.attempt.transport is Transport.SCRIPT
        if self.good:
            return Outcome(True, Reason.SCRIPT_ENDED if script else Reason.SUCCESS, "HTTP status code")
        return Outcome(False, Reason.SCRIPT_ENDED, "", 1) if script else REFUSED


CONNECTION = ("connect_ip", "connect_port", "bindto", "bind_port", "bind_if", "connect_timeout", "fwmark")


@pytest.mark.parametrize("kind", marked(DIALLING, "", *CONNECTION))
def test_where_and_from_where_a_checker_connects(tmp_path: Path, kind: str) -> None:
    lines = "connect_ip 10.10.0.99\nconnect_port 81\nbindto 10.10.0.1\nbind_port 4444\nbind_if lo"
    lab = Watched(read(tmp_path, kind, f"{lines}\nconnect_timeout 1.5\nfwmark 7"))
    lab.start().run(1)
    assert lab.attempts[0].connection == Connection(
        address=Ip.parse("10.10.0.99"),
        port=81,
        bind_address=Ip.parse("10.10.0.1"),
        bind_port=4444,
        bind_interface="lo",
        timeout_us=1_500_000,
        fwmark=7,
    )
    assert lab.attempts[0].timeout_us == 1_500_000


HOST = tuple(f"host/{word}" for word in CONNECTION)


@pytest.mark.parametrize("kind", marked(["SMTP_CHECK"], *HOST))
def test_a_host_block_is_a_checker_of_its_own(tmp_path: Path, kind: str) -> None:
    lines = (
        "connect_ip 10.10.0.98\nconnect_port 82\nbindto 10.10.0.2\nbind_port 5\nbind_if lo\nconnect_timeout 2\nfwmark 8"
    )
    lab = Watched(read(tmp_path, kind, f"connect_timeout 1\nhost {{\n{lines}\n}}"))
    lab.start().run(1)
    found = {attempt.connection.address: attempt.connection for attempt in lab.attempts}
    assert set(found) == {Ip.parse("10.10.0.11"), Ip.parse("10.10.0.98")}
    host = found[Ip.parse("10.10.0.98")]
    assert (host.port, host.bind_port, host.bind_interface, host.timeout_us, host.fwmark) == (82, 5, "lo", 2_000_000, 8)


ALL = [*DIALLING, "MISC_CHECK"]
TIMES = ("retry", "delay_before_retry", "warmup", "delay_loop", "log_all_failures")


@pytest.mark.parametrize("kind", marked(ALL, *TIMES))
def test_when_a_checker_runs_and_what_it_says(tmp_path: Path, kind: str) -> None:
    words = "retry 2\ndelay_before_retry 0.5\nwarmup 4\ndelay_loop 3\nlog_all_failures"
    lab = Watched(read(tmp_path, kind, words), warmup=0.5)
    lab.start().run(3.1)
    assert lab.times == [3.0], "a second and half of the warmup after the start"
    lab.good = False
    lab.take_lines()
    lab.run(3)
    assert lab.times == [3.0, 6.0]
    first = lab.take_lines()
    assert len(first) == 1, "the single failure is told"
    assert lab.weights() == {"10.10.0.11:80": 1}
    lab.run(0.5)
    assert lab.weights() == {"10.10.0.11:80": 1}
    lab.run(0.5)
    assert lab.times == [3.0, 6.0, 6.5, 7.0]
    assert lab.weights() == {}
    lab.run(3)
    assert lab.times[-1] == 10.0
    assert len(lab.times) in (5, 7), "a checker that is down runs every delay_loop (SMTP_CHECK: with its retries)"


@pytest.mark.parametrize("kind", marked(ALL, "alpha"))
def test_an_alpha_checker_starts_down(tmp_path: Path, kind: str) -> None:
    lab = Watched(read(tmp_path, kind, "alpha\nwarmup 0"))
    lab.start()
    assert lab.weights() == {}
    lab.run(1)
    assert lab.weights() == {"10.10.0.11:80": 1}


SERVER = [pytest.mark.keyword(f"{PATH}/{word}") for word in ("retry", "delay_before_retry", "warmup", "delay_loop")]


@pytest.mark.parametrize(
    "outside",
    [
        pytest.param(True, marks=SERVER),
        pytest.param(False, marks=[pytest.mark.keyword("virtual_server/warmup")]),
    ],
)
def test_checkers_inherit_from_the_real_server_and_that_from_the_virtual_server(tmp_path: Path, outside: bool) -> None:
    words = "retry 1\ndelay_before_retry 0.5\nwarmup 2\ndelay_loop 4"
    lab = Watched(read(tmp_path, "TCP_CHECK", "", words if outside else "", "" if outside else words), warmup=1.0)
    lab.start().run(3.1)
    lab.good = False
    lab.run(4.5)
    assert lab.times == [3.0, 7.0, 7.5]
    assert lab.weights() == {}


@pytest.mark.keyword(f"{PATH}/connect_timeout")
@pytest.mark.keyword("virtual_server/connect_timeout")
def test_the_connect_timeout_is_inherited(tmp_path: Path) -> None:
    for server, service, expected in (
        ("connect_timeout 2", "connect_timeout 9", 2),
        ("", "connect_timeout 9", 9),
        ("", "", 5),
    ):
        lab = Watched(read(tmp_path, "TCP_CHECK", "", server, service))
        lab.start().run(1)
        assert lab.attempts[0].timeout_us == expected * 1_000_000


@pytest.mark.keyword(f"{PATH}/smtp_alert")
@pytest.mark.keyword("global_defs/no_checker_emails")
def test_mails_about_a_real_server_can_be_turned_off(tmp_path: Path) -> None:
    for words, count in (("smtp_alert on", 1), ("smtp_alert off", 0)):
        lab = Watched(read(tmp_path, "TCP_CHECK", "warmup 0\ndelay_loop 1\nretry 0", words))
        lab.start().run(1)
        lab.good = False
        lab.run(1)
        assert len(lab.mails) == count


@pytest.mark.netns
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_options_of_a_connection_are_on_its_socket() -> None:
    connection = Connection(
        address=Ip.parse("127.0.0.1"),
        port=1,
        bind_address=Ip.parse("127.0.0.7"),
        bind_interface="lo",
        fwmark=7,
    )
    for transport in (Transport.TCP, Transport.UDP):
        sock = dial._open(transport, connection)
        try:
            assert sock.getsockopt(socket.SOL_SOCKET, 36) == 7
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).rstrip(b"\0") == b"lo"
            assert sock.getsockname()[0] == "127.0.0.7"
        finally:
            sock.close()
