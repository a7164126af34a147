"""The whole daemon and a real SMTP server (aiosmtpd) in a network namespace: its mails as they are delivered."""

from __future__ import annotations

import mailbox
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path

import pytest

pytest.importorskip("aiosmtpd")
pytestmark = [pytest.mark.netns, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

NAMESPACE = f"pkno-mail{os.getpid()}"
PORT = 2525
CONFIGURATION = f"""
global_defs {{
    router_id LAB_A
    notification_email {{
        "Joe Doe <joe@example.com>"
        ann@example.com
    }}
    notification_email_from "Kee <kee@example.com>"
    smtp_server 127.0.0.1 {PORT}
    smtp_alert true
}}
vrrp_sync_group G1 {{
    group {{
        VI_1
    }}
}}
vrrp_instance VI_1 {{
    interface eth0
    version 3
    virtual_router_id 51
    priority 150
    advert_int 0.2
    virtual_ipaddress {{
        192.0.2.100
    }}
}}
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, timeout=60)


@pytest.fixture
def namespace() -> Iterator[str]:
    subprocess.run(["ip", "netns", "del", NAMESPACE], stderr=subprocess.DEVNULL, timeout=60)
    ip("netns", "add", NAMESPACE)
    try:
        ip("-n", NAMESPACE, "link", "add", "eth0", "type", "veth", "peer", "name", "other")
        for link in ("lo", "other", "eth0"):
            ip("-n", NAMESPACE, "link", "set", link, "up")
        ip("-n", NAMESPACE, "addr", "add", "192.0.2.1/24", "dev", "eth0")
        yield NAMESPACE
    finally:
        ip("netns", "del", NAMESPACE)


@pytest.fixture
def spawn(namespace: str, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> subprocess.Popen[bytes]:
        with open(tmp_path / "log", "ab") as log:
            command = ["ip", "netns", "exec", namespace, *words]
            processes.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path))
        return processes[-1]

    yield start
    for process in reversed(processes):
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def until(condition: Callable[[], object], what: Callable[[], str]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, what()
        time.sleep(0.05)


@pytest.mark.keyword("global_defs/smtp_alert")
@pytest.mark.keyword("global_defs/smtp_server")
def test_alerts_are_delivered(spawn: Callable[..., subprocess.Popen[bytes]], namespace: str, tmp_path: Path) -> None:
    box = tmp_path / "box"
    mailbox.Maildir(box)
    smtp = (sys.executable, "-m", "aiosmtpd", "-n", "-l", f"127.0.0.1:{PORT}", "-c", "aiosmtpd.handlers.Mailbox")
    spawn(*smtp, str(box))
    probe = ["ip", "netns", "exec", namespace, "bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{PORT}"]
    until(lambda: subprocess.run(probe, stderr=subprocess.DEVNULL, timeout=60).returncode == 0, lambda: "no server")
    (tmp_path / "k.conf").write_text(CONFIGURATION)
    program = str(Path(sys.executable).parent / "pykeepalived")
    daemon = spawn(program, "-nlDGPB", "-f", "k.conf", "-p", f"{tmp_path}/pid", "-r", f"{tmp_path}/vrrp.pid")

    def delivered(count: int) -> dict[str, Message]:
        until(lambda: len(mailbox.Maildir(box)) >= count, (tmp_path / "log").read_text)
        return {str(message["Subject"]): message for message in mailbox.Maildir(box)}

    found = delivered(4)
    assert {
        "[LAB_A] VRRP Instance VI_1 - Entering MASTER state",
        "[LAB_A] VRRP Group G1 - Entering MASTER state",
    } <= found.keys()
    message = found["[LAB_A] VRRP Instance VI_1 - Entering MASTER state"]
    assert message["X-RcptTo"] == "joe@example.com, ann@example.com"
    assert message["X-MailFrom"] == "kee@example.com"
    assert message["From"] == "Kee <kee@example.com>"
    assert str(message.get_payload()).strip() == "=> VRRP Instance is now owning VRRP VIPs <="
    ip("-n", namespace, "link", "set", "other", "down")
    assert "[LAB_A] VRRP Instance VI_1 - Entering FAULT state" in delivered(6)
    daemon.terminate()
    assert daemon.wait(60) == 0
