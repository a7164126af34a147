"""How the operator's commands show their answers."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest

from pykeepalived.cli import control_commands
from pykeepalived.cli.control_commands import table
from pykeepalived.observe.snapshot import (
    CheckWorkerSnapshot,
    TrackFileSnapshot,
    TrackProcessSnapshot,
    TrackScriptSnapshot,
)
from pykeepalived.observe.status import status_view, why_view
from tests.observe.test_status import BFD, IPVS, VRRP


def show(monkeypatch, command, result, *argv):
    monkeypatch.setattr(control_commands, "ask", lambda path, name, arguments: {"ok": True, "result": result})
    out, err = io.StringIO(), io.StringIO()
    status = control_commands.run(command, argv, out, err)
    assert err.getvalue() == ""
    return status, out.getvalue().splitlines()


def test_tables():
    assert list(table(("A", "LONG"), [("xyz", 1), (None, "")])) == ["A    LONG", "xyz  1", ""]


def test_status(monkeypatch):
    head = {"product": "P", "pid": 1, "phase": "running", "uptime_s": 3700.2, "processes": [], "last_reload": "bad"}
    head |= {"last_reload_s": 90.0, "log_lines_lost": 2}
    status, lines = show(monkeypatch, "status", head | status_view([VRRP, IPVS, BFD]))
    assert status == 0
    assert lines[:2] == ["P, pid 1, running, up 1h1m", "last reload 1m30s ago: bad"]
    rows = [line.split() for line in lines]
    assert ["VI_1", "BACKUP", "10.0s", "80", "eth0", "192.0.2.2"] in [row[:6] for row in rows]
    assert ["[192.0.2.9]:tcp:80", "up", "10m0s", "1"] in rows
    assert "  [192.0.2.11]:tcp:80" in "\n".join(lines)
    assert ["b1", "Up", "1.0s", "Down", "No", "Diagnostic"] in rows


def test_status_shows_what_instances_depend_on_and_what_is_missing(monkeypatch):
    head = {"product": "P", "pid": 1, "phase": "running", "uptime_s": 1.0, "processes": [], "last_reload": ""}
    vrrp = replace(
        VRRP,
        scripts=(*VRRP.scripts, TrackScriptSnapshot(name="new", good=True)),
        files=(TrackFileSnapshot(name="f1", value=-5),),
        processes=(TrackProcessSnapshot(name="nginx", current=2, have_quorum=True),),
        log_dropped=3,
    )
    checker = replace(IPVS, ipvs_version="", log_dropped=4)
    _, lines = show(monkeypatch, "status", head | status_view([vrrp, checker, BFD]))
    assert "7 log lines lost: the journal or syslog did not take them" in lines
    assert "IPVS is not there (no ip_vs in the kernel): servers are checked, nothing is balanced" in lines
    start = lines.index("TRACKED  NAME   STATE")
    assert lines[start + 1 : start + 5] == [
        "script   chk    bad    exit status 3",
        "script   new    good   has not run yet",
        "file     f1     -5",
        "process  nginx  good   2 running",
    ]
    _, lines = show(monkeypatch, "status", head | status_view([IPVS]))
    assert not [line for line in lines if "TRACKED" in line or "IPVS" in line or "lost" in line]
    _, lines = show(monkeypatch, "why", why_view("nginx", [vrrp]), "nginx")
    assert lines == ["vrrp_track_process nginx: good", "  2 processes match"]


def test_status_shows_check_workers(monkeypatch):
    workers = (CheckWorkerSnapshot(pid=4711, checkers=612, restarts=1), CheckWorkerSnapshot(pid=0, checkers=598))
    head = {"product": "P", "pid": 1, "phase": "running", "uptime_s": 1.0, "processes": [], "last_reload": ""}
    _, lines = show(monkeypatch, "status", head | status_view([replace(IPVS, workers=workers)]))
    assert lines[-3:] == ["CHECK WORKER  CHECKERS  RESTARTS", "4711          612       1", "(starting)    598       0"]
    _, lines = show(monkeypatch, "status", head | status_view([IPVS]))
    assert not [line for line in lines if "WORKER" in line]


def test_why(monkeypatch):
    _, lines = show(monkeypatch, "why", why_view("VI_1", [VRRP]), "VI_1")
    assert lines[0].startswith("vrrp_instance VI_1: BACKUP since ")
    assert lines[0].endswith(", before that MASTER")
    assert lines[2] == "  the master is 192.0.2.2 with priority 200, ours is 80"


def test_json_is_the_whole_answer(monkeypatch):
    _, lines = show(monkeypatch, "why", [], "--json")
    assert json.loads("\n".join(lines)) == {"ok": True, "result": []}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0, "0.0s"), (59.94, "59.9s"), (60, "1m0s"), (3599, "59m59s"), (86399, "23h59m"), (90000, "1d1h")],
)
def test_durations(seconds, text):
    assert control_commands._duration(seconds) == text


@pytest.mark.parametrize(
    ("argv", "path"),
    [
        ((), "/run/keepalived/pykeepalived.sock"),
        (("--instance", "I"), "/run/keepalived/pykeepalived_I.sock"),
        (("--namespace", "n"), "/run/keepalived/n/pykeepalived.sock"),
        (("--namespace", "n", "--instance", "I"), "/run/keepalived/n/pykeepalived_I.sock"),
        (("-p", "/x/k.pid"), "/x/k.sock"),
        (("--socket", "/y"), "/y"),
    ],
)
def test_where_the_daemon_is_looked_for(monkeypatch, argv, path):
    asked = []
    monkeypatch.setattr(
        control_commands, "ask", lambda where, name, arguments: asked.append(where) or {"ok": True, "result": []}
    )
    control_commands.run("why", argv, io.StringIO(), io.StringIO())
    assert asked == [path]


def test_a_process_that_is_no_daemon():
    out, err = io.StringIO(), io.StringIO()
    assert control_commands.run("status", ["--main-pid", "999999999"], out, err) == 2
    assert err.getvalue() == "no daemon answers: process 999999999 has no control socket\n"


def test_a_socket_that_others_may_not_use(monkeypatch):
    def refuse(connection, path):
        raise PermissionError(13, "Permission denied")

    class Socket(control_commands.socket.socket):
        connect = refuse

    monkeypatch.setattr(control_commands.socket, "socket", Socket)
    with pytest.raises(control_commands.NoDaemonError) as raised:
        control_commands.ask("/x.sock", "status")
    assert str(raised.value) == "no daemon answers on /x.sock: Permission denied; the socket is root's"


def test_a_record_is_a_file_that_has_become_another(tmp_path, monkeypatch):
    """A directory changes when the daemon fails to make a file in it."""
    assert control_commands._stamp(str(tmp_path)) is None
    (tmp_path / "x").write_text("1")
    assert control_commands._stamp(str(tmp_path / "x")) is not None
