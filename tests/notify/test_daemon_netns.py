"""The whole daemon in a network namespace: what a FIFO reader, scripts and dump files see, against a recording.

The recorded host ran keepalived 2.4.3 with the same configuration and the same events: start, track file to -5, link
down, link up, stop.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.observe.test_exporters import read_data

pytestmark = [pytest.mark.netns, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

NAMESPACE = f"pkno-tell{os.getpid()}"
CONFIGURATION = """
global_defs {{
    router_id LAB_A
    script_user root
    enable_script_security
    vrrp_notify_fifo {lab}/fifo
    vrrp_notify_priority_changes true
    json_version 2
}}
track_file f1 {{
    file "{lab}/f1"
    weight 2
    init_file 0 overwrite
}}
vrrp_script s1 {{
    script "{lab}/ok.sh"
    interval 1
    weight 10
    rise 2
    fall 3
}}
vrrp_sync_group G1 {{
    group {{
        VI_1
        VI_6
    }}
    sync_group_tracking_weight
    notify "{lab}/log.sh grp"
    notify_master "{lab}/log.sh grp_master"
    notify_stop "{lab}/log.sh grp_stop"
}}
vrrp_instance VI_1 {{
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority 150
    advert_int 1
    track_script {{
        s1
    }}
    track_file {{
        f1
    }}
    notify "{lab}/log.sh generic"
    notify_master "{lab}/log.sh master"
    notify_backup "{lab}/log.sh backup"
    notify_fault "{lab}/log.sh fault"
    notify_stop "{lab}/log.sh stop"
    virtual_ipaddress {{
        192.0.2.100
    }}
    virtual_ipaddress_excluded {{
        192.0.2.200
        2001:db8:77::200/64
    }}
    virtual_routes {{
        203.0.113.0/24 via 192.0.2.254 dev eth0 src 192.0.2.100 metric 7
    }}
    virtual_rules {{
        from 192.0.2.100 table 100 priority 1000
    }}
}}
vrrp_instance VI_6 {{
    state BACKUP
    interface eth0
    virtual_router_id 61
    priority 150
    advert_int 1
    virtual_ipaddress {{
        fe80::100
        2001:db8:77::100/64
    }}
}}
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, timeout=60)


@pytest.fixture
def namespace():
    subprocess.run(["ip", "netns", "del", NAMESPACE], stderr=subprocess.DEVNULL, timeout=60)
    ip("netns", "add", NAMESPACE)
    inside = ("-n", NAMESPACE)
    try:
        ip(*inside, "link", "add", "eth0", "type", "veth", "peer", "name", "other")
        ip(*inside, "link", "set", "eth0", "addrgenmode", "none")
        ip(*inside, "link", "set", "lo", "up")
        ip(*inside, "link", "set", "other", "up")
        ip(*inside, "addr", "add", "192.0.2.1/24", "dev", "eth0")
        ip(*inside, "addr", "add", "fe80::a/64", "dev", "eth0", "nodad")
        ip(*inside, "addr", "add", "2001:db8:77::1/64", "dev", "eth0", "nodad")
        ip(*inside, "link", "set", "eth0", "up")
        yield NAMESPACE
    finally:
        ip("netns", "del", NAMESPACE)


class Daemon:
    def __init__(self, namespace: str, lab: Path) -> None:
        self.lab = lab
        (lab / "k.conf").write_text(CONFIGURATION.format(lab=lab))
        for name, body in (("ok.sh", "exit 0"), ("log.sh", f'echo "$@" >> {lab}/calls; chmod 600 {lab}/calls')):
            (lab / name).write_text(f"#!/bin/sh\n{body}\n")
            (lab / name).chmod(0o755)
        program = Path(sys.executable).parent / "pykeepalived"
        words = [program, "-n", "-l", "-P", "-B", "-f", lab / "k.conf", "-p", lab / "pid", "-r", lab / "vrrp.pid"]
        self.log = lab / "log"
        self._fifo = -1
        self.received = ""
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", namespace, *map(str, words)],
                stdout=log,
                stderr=log,
                cwd="/",
                env={**os.environ, "TMPDIR": str(lab)},
            )

    def until(self, condition: Callable[[], object], limit_s: float = 60) -> None:
        end = time.monotonic() + limit_s
        while not condition():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text() + self.received
            time.sleep(0.02)

    def lines(self) -> list[str]:
        if self._fifo < 0 and (self.lab / "fifo").exists():
            self._fifo = os.open(self.lab / "fifo", os.O_RDONLY | os.O_NONBLOCK)
        if self._fifo >= 0:
            try:
                self.received += os.read(self._fifo, 65536).decode()
            except BlockingIOError:
                pass
        return self.received.splitlines()

    def calls(self) -> list[str]:
        path = self.lab / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def dump(self, signum: int, name: str) -> str:
        (self.lab / name).unlink(missing_ok=True)
        self.process.send_signal(signum)
        self.until((self.lab / name).exists)
        return (self.lab / name).read_text()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@pytest.fixture
def daemon(namespace, tmp_path):
    daemon = Daemon(namespace, tmp_path)
    yield daemon
    daemon.stop()


FIFO = """\
GROUP "G1" BACKUP 0
INSTANCE "VI_1" BACKUP 150
INSTANCE "VI_6" BACKUP 150
INSTANCE "VI_1" BACKUP_PRIORITY 160
INSTANCE "VI_6" MASTER 150
INSTANCE "VI_1" MASTER 160
GROUP "G1" MASTER 0
INSTANCE "VI_1" MASTER_PRIORITY 150
INSTANCE "VI_1" FAULT 150
INSTANCE "VI_6" FAULT 150
GROUP "G1" FAULT 0
INSTANCE "VI_6" BACKUP 150
INSTANCE "VI_1" BACKUP 150
GROUP "G1" BACKUP 0
INSTANCE "VI_1" MASTER 150
INSTANCE "VI_6" MASTER 150
GROUP "G1" MASTER 0
"""


def test_fifo_scripts_and_dumps(daemon, namespace):
    daemon.until(lambda: 'GROUP "G1" MASTER 0' in daemon.lines())
    (daemon.lab / "f1").write_text("-5\n")
    daemon.until(lambda: 'INSTANCE "VI_1" MASTER_PRIORITY 150' in daemon.lines())
    check_dumps(daemon)
    ip("-n", namespace, "link", "set", "other", "down")
    daemon.until(lambda: 'GROUP "G1" FAULT 0' in daemon.lines())
    ip("-n", namespace, "link", "set", "other", "up")
    daemon.until(lambda: daemon.lines().count('GROUP "G1" MASTER 0') == 2)
    lines = daemon.lines()
    assert blocks(lines) == blocks(FIFO.splitlines())
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(60) == 0
    daemon.lines()
    stopped = daemon.received.splitlines()[len(lines) :]
    assert sorted(stopped) == ['GROUP "G1" STOP 0', 'INSTANCE "VI_1" STOP 150', 'INSTANCE "VI_6" STOP 150']
    assert not (daemon.lab / "fifo").exists()
    check_calls(daemon.calls())


def blocks(lines: list[str]) -> list[list[str]]:
    """Lines up to each line of the group; which of two instances moves first is a matter of microseconds."""
    found: list[list[str]] = [[]]
    for line in lines:
        found[-1].append(line)
        if line.startswith("GROUP"):
            found[-1].sort()
            found.append([])
    return found


def check_calls(calls: list[str]) -> None:
    """Per object the scripts ran in the order of the events, one after the other."""
    first = [call for call in calls if not call.startswith("grp")]
    assert first == [
        *("backup", "generic INSTANCE VI_1 BACKUP 150"),
        *("master", "generic INSTANCE VI_1 MASTER 160"),
        *("fault", "generic INSTANCE VI_1 FAULT 150"),
        *("backup", "generic INSTANCE VI_1 BACKUP 150"),
        *("master", "generic INSTANCE VI_1 MASTER 150"),
        *("stop", "generic INSTANCE VI_1 STOP 150"),
    ]
    group = [call for call in calls if call.startswith("grp")]
    assert group == [
        "grp GROUP G1 BACKUP 0",
        *("grp_master", "grp GROUP G1 MASTER 0"),
        "grp GROUP G1 FAULT 0",
        "grp GROUP G1 BACKUP 0",
        *("grp_master", "grp GROUP G1 MASTER 0"),
        *("grp_stop", "grp GROUP G1 STOP 0"),
    ]


def check_dumps(daemon: Daemon) -> None:
    recorded = (Path(__file__).parents[1] / "observe" / "data" / "keepalived-2.4.3.data").read_text()
    text = daemon.dump(signal.SIGUSR1, "keepalived.data")
    assert shape(text, str(daemon.lab)) == shape(recorded, "/etc/keepalived/lab")
    assert (daemon.lab / "keepalived.data").stat().st_mode & 0o777 == 0o600
    instances, scripts = read_data(text)
    assert [(entry["name"], entry["State"]) for entry in instances] == [("VI_1", "MASTER"), ("VI_6", "MASTER")]
    assert scripts[0]["Status"] == "GOOD"
    assert "VRRP Instance: VI_1\n" in daemon.dump(signal.SIGUSR2, "keepalived.stats")
    entries = json.loads(daemon.dump(signal.SIGRTMIN + 2, "keepalived.json"))["vrrp"]
    assert [entry["data"]["state"] for entry in entries] == [2, 2]
    assert entries[0]["data"]["effective_priority"] == 150
    assert entries[0]["data"]["vipset"] is True
    daemon.dump(signal.SIGRTMAX - 1, "keepalived.stats")
    cleared = daemon.dump(signal.SIGUSR2, "keepalived.stats")
    assert "  Became master: 0\n" in cleared
    ours, theirs = interfaces(text), interfaces(recorded)
    assert ours["lo"] == theirs["lo"]
    assert ours["eth0"] == theirs["eth0"]


def interfaces(text: str) -> dict[str, list[str]]:
    """The blocks of the section "Interfaces", without numbers and hardware addresses."""
    blocks: dict[str, list[str]] = {}
    for line in text.partition("------< Interfaces >------\n")[2].splitlines():
        if line.startswith(" Name = "):
            block = blocks.setdefault(line[8:], [])
        elif not re.match(r"   (index|MAC =)", line):
            block.append(line.partition("Last checked")[0])
    return blocks


def shape(text: str, lab: str) -> list[str]:
    """The dump without what differs from run to run: times, descriptors, interface numbers and hardware addresses."""
    lines = []
    for line in text.replace(lab, "LAB").replace("okk.sh", "ok.sh").splitlines():
        if line.startswith("------< Interfaces"):
            break
        if re.match(r" *(libnftnl|Last transition|Read timeout|Last advert|Interval =|Result =|iproute)", line):
            continue
        line = re.sub(r"fd_(in|out)( =)? \d+", r"fd_\1\2 N", line)
        lines.append(re.sub(r"ifindex \d+", "ifindex N", line))
    return lines
