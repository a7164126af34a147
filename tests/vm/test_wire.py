"""Every checker, with every option that shows on the wire: ours sends what Debian's keepalived sends."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.vm import wire

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
KEEPALIVED = shutil.which("keepalived")
CONNECTING = ("TCP_CHECK", "HTTP_GET", "SSL_GET", "SMTP_CHECK", "DNS_CHECK", "UDP_CHECK", "PING_CHECK")
DIALLING = ("bindto", "bind_port", "bind_if", "fwmark", "connect_ip", "connect_port")
SECOND_LINK = "10.2.0.1"

RESET = "a fixed local port must be free again for the next check"
NOT_YET = "keepalived 2.2.7 does not heed it for this checker"
DIFFERENT = {
    "TCP_CHECK bindto and bind_port": RESET,
    "HTTP_GET bindto and bind_port": RESET,
    "SMTP_CHECK bindto and bind_port": RESET,
    "UDP_CHECK bind_if": NOT_YET,
    "PING_CHECK bindto 10.1.0.3": NOT_YET,
    "PING_CHECK bind_if wireb": NOT_YET,
    "PING_CHECK fwmark 500": NOT_YET,
}


def keywords() -> list[pytest.MarkDecorator]:
    """What the cases prove."""
    paths = [
        f"{kind}/{word}" for kind in CONNECTING for word in DIALLING if (kind, word[:5]) != ("PING_CHECK", "bind_p")
    ]
    paths = [path for path in paths if path not in ("PING_CHECK/connect_ip", "PING_CHECK/connect_port")]
    paths += [f"{kind}/{word}" for kind in ("HTTP_GET", "SSL_GET") for word in ("http_protocol", "virtualhost")]
    paths += ["SSL_GET/enable_sni", "HTTP_GET/url/virtualhost", "SSL_GET/url/virtualhost", "SMTP_CHECK/helo_name"]
    paths += ["UDP_CHECK/payload", "DNS_CHECK/type", "DNS_CHECK/name"]
    return [pytest.mark.keyword(f"virtual_server/real_server/{path}") for path in paths]


pytestmark = [
    *keywords(),
    pytest.mark.vm,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("linux.uml") is None, reason="needs root, user-mode-linux"),
    pytest.mark.skipif(KEEPALIVED is None, reason="no keepalived to compare with"),
]

Notes = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Notes]:
    """What the servers noted of ours and of keepalived's checks, each in a guest of its own."""
    found: dict[str, Notes] = {}
    for who, program in (("ours", str(Path(sys.executable).with_name("pykeepalived"))), ("theirs", str(KEEPALIVED))):
        share = tmp_path_factory.mktemp(who)
        script = f"modprobe ip_vs && cd {PROJECT} && {sys.executable} -B -m tests.vm.wire /mnt/share/noted {program}"
        words = ["bash", str(HERE / "machine/vm.sh"), "-t", "240", "-d", str(share), "--", "bash", "-c", script]
        for _ in range(2):
            done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
            if done.returncode != 124:
                break
        assert done.returncode == 0, done.stdout[-3000:]
        found[who] = json.loads((share / "noted").read_text())
    return found


def test_every_case_was_seen(seen: dict[str, Notes]) -> None:
    for case in wire.cases():
        for notes in seen.values():
            assert len(notes[case.name]) == case.connections, case.name
            assert all("error" not in note for note in notes[case.name]), case.name


def test_ours_sends_what_keepalived_sends(seen: dict[str, Notes]) -> None:
    different = {name for name, noted in seen["ours"].items() if noted != seen["theirs"][name]}
    assert {name: [seen[who][name] for who in seen] for name in different - set(DIFFERENT)} == {}
    assert different == set(DIFFERENT), "a difference that is none any more"


def test_words_of_dialling_show_on_the_wire(seen: dict[str, Notes]) -> None:
    for number, case in enumerate(wire.cases()):
        [whence, port] = seen["ours"][case.name][0]["from"]
        if "bindto" in case.words:
            assert whence == "10.1.0.3", case.name
        elif "bind_if" in case.words or "fwmark" in case.words:
            assert whence == SECOND_LINK, case.name
        elif ":" not in case.address:
            assert whence == "10.1.0.1", case.name
        fixed = "bindto" in case.words and "bind_port" in case.words
        assert port == (wire.FIRST_PORT + number + 1000 if fixed else "any"), case.name
