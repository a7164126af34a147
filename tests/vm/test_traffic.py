"""Requests through the director while servers die and return: none is lost but to a dead server not found out yet.

traffic.py does it in a guest, with nginx, haproxy and postfix as real servers; here it is judged.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
PROGRAMS = ("linux.uml", "gcc", "insmod", "ipvsadm", "openssl", "nginx", "haproxy", "postfix", "snmpd", "snmpset")
ALREADY_BEGUN = {"http": 3.5, "https": 3.5, "smtp": 15.5}
"""A request takes this long at most: one that begins so long before its server dies may be lost with it."""
OPERATION = 0.3
"""From the line that says a server leaves to the end of its connections in the kernel, in a busy guest."""
DETECTION = 10
"""More than the check interval, a retry and the time limits together, with much room for a busy machine."""
PORTS = {"http": ":tcp:80 ", "https": ":tcp:443 ", "smtp": ":tcp:25 "}

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What traffic.py saw in the guest."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)}")
    share = tmp_path_factory.mktemp("share")
    script = f"PYTHONPATH={PROJECT} {sys.executable} {HERE}/traffic.py 2>/mnt/share/errors >/mnt/share/seen.json"
    guest = ["bash", str(HERE / "machine/vm.sh"), "-t", "400", "-d", str(share), "--", "bash", "-c", script]
    done = subprocess.run(guest, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + (share / "errors").read_text()
    found: dict[str, Any] = json.loads((share / "seen.json").read_text())
    return found


def moments(seen: dict[str, Any], word: str, server: str, kind: str) -> list[float]:
    """When a server left or entered the table of this kind of request."""
    begin = f"{word} service [10.10.0.1{server[2]}]{PORTS[kind]}"
    return [at for at, line in seen["lines"] if line.startswith(begin)]


def windows(seen: dict[str, Any], kind: str) -> list[tuple[float, float]]:
    """When requests may be lost: from a server's death to its removal."""
    found = []
    for what, death in seen["events"]:
        if what.endswith(" out"):
            removals = [at for at in moments(seen, "Removing", what.split(" ")[1], kind) if at > death]
            if removals:
                assert removals[0] - death < DETECTION, what
                found.append((death, removals[0]))
    return found


@pytest.mark.keyword("virtual_server/lvs_method")
@pytest.mark.keyword("virtual_server/delay_loop")
@pytest.mark.keyword("virtual_server/real_server/HTTP_GET/connect_timeout")
@pytest.mark.keyword("virtual_server/real_server/SSL_GET/enable_sni")
@pytest.mark.keyword("virtual_server/real_server/SMTP_CHECK/helo_name")
@pytest.mark.parametrize("kind", ["http", "https", "smtp"])
def test_only_requests_to_a_dead_server_not_found_out_yet_are_lost(seen: dict[str, Any], kind: str) -> None:
    """NAT (http, smtp) and direct routing (https); death by kill -9 and by a cut cable; reload and checker's death."""
    requests = seen["requests"][kind]
    lost = [(begin, why) for begin, _, why, good in requests if not good]
    allowed = windows(seen, kind)
    assert len(allowed) == (1 if kind == "smtp" else 3)
    late = [
        (begin, why)
        for begin, why in lost
        if not any(death - ALREADY_BEGUN[kind] < begin < removal + OPERATION for death, removal in allowed)
    ]
    assert late == [], allowed
    assert len(requests) - len(lost) > 100
    assert lost, "nobody noticed the deaths: the requests prove nothing"


@pytest.mark.parametrize(("kind", "server"), [("http", "rs1"), ("https", "rs1"), ("http", "rs2"), ("smtp", "rs4")])
def test_a_server_that_is_back_answers_again(seen: dict[str, Any], kind: str, server: str) -> None:
    requests = seen["requests"][kind]
    gone, back = moments(seen, "Removing", server, kind)[0], moments(seen, "Adding", server, kind)[1]
    between = [answer for begin, _, answer, good in requests if good and gone + OPERATION < begin < back - OPERATION]
    assert between
    assert server not in between
    assert server in [answer for begin, _, answer, good in requests if good and begin > back]


def test_a_connection_to_a_server_that_stays_is_not_disturbed(seen: dict[str, Any]) -> None:
    """One answer of rs3 takes as long as everything that happens to the others."""
    assert seen["slow"] == ["complete", 40_000]


@pytest.mark.keyword("global_defs/enable_snmp_checker")
@pytest.mark.keyword("global_defs/snmp_vs_stats_update_interval")
def test_snmp_shows_what_the_kernel_has_counted(seen: dict[str, Any]) -> None:
    """Connections, packets and octets of a virtual server and each of its real servers, row by row as ipvsadm -Ln."""
    shown = {"10.20.0.100:80": seen["snmp"][0]}
    shown |= {f"10.10.0.1{number}:80": row for number, row in enumerate(seen["snmp"][1:], 1)}
    counted = {words[1]: words[2:] for line in seen["ipvsadm"] if (words := line.split())[0] in ("TCP", "->")}
    counted.pop("RemoteAddress:Port")
    assert counted == shown
    assert int(shown["10.20.0.100:80"][0]) > 200


def test_a_manager_may_set_a_weight(seen: dict[str, Any]) -> None:
    """A community that may only read cannot; the value is taken whole, and nothing below zero."""
    assert any("noAccess" in line or "notWritable" in line for line in seen["denied"]), seen["denied"]
    assert any("wrongValue" in line for line in seen["negative"]), seen["negative"]
    assert seen["set"] == ["300"]
    assert seen["shown"] == ["300"]
    line = "Changing weight from 1 to 300 for active service [10.10.0.12]:tcp:80 of VS [10.20.0.100]:tcp:80"
    assert line in [text for _, text in seen["lines"]]


def test_the_table_and_the_end(seen: dict[str, Any]) -> None:
    assert sorted(seen["table"]) == [
        "-A -t 10.10.0.100:443 -s rr",
        "-A -t 10.20.0.100:25 -s rr",
        "-A -t 10.20.0.100:80 -s rr",
        "-a -t 10.10.0.100:443 -r 10.10.0.11:443 -g -w 3",
        "-a -t 10.10.0.100:443 -r 10.10.0.12:443 -g -w 1",
        "-a -t 10.10.0.100:443 -r 10.10.0.13:443 -g -w 1",
        "-a -t 10.20.0.100:25 -r 10.10.0.14:25 -m -w 1",
        "-a -t 10.20.0.100:25 -r 10.10.0.15:25 -m -w 1",
        "-a -t 10.20.0.100:80 -r 10.10.0.11:80 -m -w 3",
        "-a -t 10.20.0.100:80 -r 10.10.0.12:80 -m -w 300",
        "-a -t 10.20.0.100:80 -r 10.10.0.13:80 -m -w 1",
    ]
    assert seen["status"] == 0
