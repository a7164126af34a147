"""The operator's socket: commands, limits, and that no bytes whatever disturb the daemon."""

from __future__ import annotations

import errno
import io
import json
import os
import random
import signal
import socket
import stat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pykeepalived.cli import control_commands
from pykeepalived.observe.control import (
    ACCEPT_RETRY_NS,
    IDLE_NS,
    MAX_CLIENTS,
    MAX_REQUEST,
    ControlServer,
    ProtocolError,
    read_request,
    result,
)
from pykeepalived.runtime.clock import VirtualClock
from pykeepalived.runtime.loop import Loop
from tests.parent.running import wait_for


class Served:
    """A server in this process, driven step by step."""

    def __init__(self, path, handler):
        self.clock = VirtualClock()
        self.loop = Loop(self.clock)
        self.path = str(path)
        self.server = ControlServer(self.loop, self.path, handler)

    def connect(self):
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        client.connect(self.path)
        self.turn()
        return client

    def turn(self):
        for _ in range(50):
            self.loop.run_once(self.loop.now())

    def receive(self, client):
        self.turn()
        data = b""
        while True:
            try:
                part = client.recv(65536)
            except BlockingIOError:
                return data
            if not part:
                return data + b"<end>"
            data += part
            self.turn()


@pytest.fixture
def served(tmp_path):
    def echo(command, arguments, reply):
        if command == "fail":
            raise ValueError("x")
        reply(result([command, *arguments]))

    served = Served(tmp_path / "sock", echo)
    yield served
    served.server.close()
    served.loop.close()


def test_the_socket_is_private(served):
    assert stat.S_IMODE(os.stat(served.path).st_mode) == 0o600


def test_requests_are_answered_in_order_on_one_connection(served):
    client = served.connect()
    client.send(b'{"command":"a","arguments":["x"]}\n{"command":"b"}\n{"comm')
    assert served.receive(client) == b'{"ok": true, "result": ["a", "x"]}\n{"ok": true, "result": ["b"]}\n'
    client.send(b'and":"c"}\n')
    assert served.receive(client) == b'{"ok": true, "result": ["c"]}\n'


def test_a_half_closed_connection_still_gets_its_answer(served):
    client = served.connect()
    client.send(b'{"command":"a"}\n')
    client.shutdown(socket.SHUT_WR)
    assert served.receive(client).startswith(b'{"ok": true, "result": ["a"]}\n')


def test_a_failing_handler_is_told(served):
    client = served.connect()
    client.send(b'{"command":"fail"}\n')
    assert json.loads(served.receive(client)) == {"ok": False, "error": "internal error: ValueError: x"}


@pytest.mark.parametrize(
    "line", [b"", b"x", b"[]", b"{}", b'{"command":1}', b'{"command":"a","arguments":"x"}', b"\xff\xfe", b"[" * 20_000]
)
def test_what_is_not_the_protocol_is_refused_and_hung_up(served, line):
    client = served.connect()
    client.send(line + b"\n")
    answer = served.receive(client)
    assert answer.endswith(b"\n<end>")
    assert json.loads(answer[:-5])["ok"] is False


def test_an_endless_line_is_cut_off(served):
    client = served.connect()
    sent = 0
    try:
        while sent < MAX_REQUEST * 4:
            sent += client.send(b"x" * 4096)
            served.turn()
    except (BrokenPipeError, ConnectionResetError):
        pass
    assert sent < MAX_REQUEST * 4
    assert not served.server._clients


def test_too_many_clients_are_turned_away_and_idle_ones_dropped(served):
    clients = [served.connect() for _ in range(MAX_CLIENTS)]
    late = served.connect()
    assert served.receive(late) == b"<end>"
    assert len(served.server._clients) == MAX_CLIENTS
    served.clock.advance(IDLE_NS)
    served.turn()
    assert not served.server._clients
    assert served.receive(clients[0]) == b"<end>"


def test_a_lack_of_descriptors_makes_connections_wait_and_keeps_nobody_awake(served, monkeypatch):
    refused = []

    class Short:
        def accept(self):
            refused.append(1)
            raise OSError(errno.EMFILE, "Too many open files")

        def __getattr__(self, name):
            return getattr(whole, name)

    whole = served.server._socket
    monkeypatch.setattr(served.server, "_socket", Short())
    client = served.connect()
    assert len(refused) == 1
    monkeypatch.setattr(served.server, "_socket", whole)
    client.send(b'{"command": "a"}\n')
    assert served.receive(client) == b""
    served.clock.advance(ACCEPT_RETRY_NS)
    assert b'"ok": true' in served.receive(client)


def test_work_on_an_answer_may_take_longer_than_a_client_may_be_silent(tmp_path):
    replies = []
    served = Served(tmp_path / "sock", lambda command, arguments, reply: replies.append(reply))
    client = served.connect()
    client.send(b'{"command":"plan"}\n')
    served.turn()
    served.clock.advance(2 * IDLE_NS)
    served.turn()
    replies[0](result("done"))
    assert json.loads(served.receive(client)) == {"ok": True, "result": "done"}
    served.server.close()
    served.loop.close()


def test_a_client_that_never_reads_blocks_nobody(tmp_path):
    served = Served(tmp_path / "sock", lambda command, arguments, reply: reply(result("x" * 5_000_000)))
    slow = served.connect()
    slow.send(b'{"command":"a"}\n')
    served.turn()
    quick = served.connect()
    quick.send(b'{"command":"a"}\n')
    assert len(served.receive(quick)) > 5_000_000
    assert len(served.receive(slow)) > 5_000_000
    served.server.close()
    served.loop.close()


def test_a_left_over_socket_is_replaced_and_the_own_one_removed(tmp_path):
    path = tmp_path / "sock"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    served = Served(path, lambda command, arguments, reply: reply(result(1)))
    client = served.connect()
    client.send(b'{"command":"a"}\n')
    assert served.receive(client) == b'{"ok": true, "result": 1}\n'
    served.server.close()
    assert not path.exists()
    served.loop.close()


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: json.dumps({"command": text}).encode()))
def test_any_bytes_are_a_request_or_a_protocol_error(line):
    try:
        command, arguments = read_request(line)
    except ProtocolError:
        return
    assert isinstance(command, str)
    assert isinstance(arguments, tuple)


# the real daemon


def run(command, *argv):
    out, err = io.StringIO(), io.StringIO()
    status = control_commands.run(command, argv, out, err)
    return status, out.getvalue(), err.getvalue()


def test_status_reload_and_version_of_a_running_daemon(daemon):
    running = daemon({"wants": ["vrrp", "bfd"]})
    running.wait_line("Startup complete")
    where = ("-p", running.pid_path("k"))
    status, out, _ = run("status", *where)
    assert status == 0
    first = out.splitlines()[0]
    assert first.startswith(f"Fake v1.0.0 (01/01,2026), pid {running.process.pid}, running, up ")
    assert [line.split()[:2] for line in out.splitlines() if line.startswith(("vrrp", "bfd"))] == [
        ["vrrp", str(running.pid("v"))],
        ["bfd", str(running.pid("b"))],
    ]
    status, out, _ = run("reload", *where)
    assert status == 0
    assert out.splitlines() == [
        "Reload complete, generation 2",
        "  vrrp: vrrp generation 2",
        "  bfd: bfd generation 2",
    ]
    running.write({"bad": "(Line 7) no good"})
    status, out, err = run("reload", *where)
    assert (status, out) == (1, "")
    assert err.splitlines()[1] == "(Line 7) no good"
    status, out, _ = run("status", "--json", *where)
    view = json.loads(out)["result"]
    assert view["generation"] == 2
    assert view["last_reload"].startswith("Reload refused")
    assert 0 <= view["last_reload_s"] < 120
    assert control_commands.ask(f"{running.directory}/k.sock", "version")["result"]["pid"] == running.process.pid


def test_the_daemon_is_found_by_its_process_id(daemon):
    running = daemon({"wants": []})
    running.wait_line("no configuration to run")
    wait_for(lambda: control_commands.socket_of(running.process.pid), "socket")
    assert run("reload", "--main-pid", str(running.process.pid))[0] == 0
    assert run("status", "--main-pid", str(os.getpid()))[0] == 2
    assert run("status", "--main-pid", "999999999")[0] == 2


def test_status_of_a_child_that_hangs_names_it(daemon):
    running = daemon({"wants": ["vrrp", "bfd"]})
    running.wait_line("Startup complete")
    os.kill(running.pid("v"), signal.SIGSTOP)
    status, out, _ = run("status", "-p", running.pid_path("k"))
    assert status == 0
    assert next(line for line in out.splitlines() if "does not answer" in line).startswith("vrrp")


def test_plan_shows_what_a_reload_would_do_and_does_nothing(daemon, tmp_path):
    running = daemon({"wants": ["vrrp"]})
    running.wait_line("Startup complete")
    where = ("-p", running.pid_path("k"))
    candidate = tmp_path / "candidate"

    def plan(config):
        candidate.write_text(json.dumps(config))
        return run("plan", str(candidate), *where)

    assert plan({"wants": ["vrrp"]}) == (0, "A reload would change nothing.\n", "")
    status, out, _ = plan({"wants": ["vrrp", "bfd"], "globals": {"child_wait_time_s": 9}, "messages": ["(Line 2) odd"]})
    assert status == 0
    lines = out.splitlines()
    assert lines[:2] == ["(Line 2) odd", "process bfd: would be started"]
    assert [line for line in lines if "child_wait_time" in line and line.endswith("5 > 9")]
    status, out, _ = plan({"bad": "(Line 1) broken"})
    assert (status, out) == (1, "(Line 1) broken\nA reload would be refused: the file cannot be used\n")
    status, out, _ = plan({"wants": ["vrrp"], "globals": {"instance": "x"}})
    assert status == 1
    assert "a restart is needed to change instance name" in out
    assert run("plan", str(tmp_path / "missing"), *where)[0] == 1
    assert "Reloading ..." not in running.lines()
    answer = control_commands.ask(f"{running.directory}/k.sock", "version")
    assert answer["result"]["generation"] == 1
    wait_for(lambda: not children_besides(running.process.pid, running.pid("v")), "planners reaped")


def children_besides(parent, *known):
    with open(f"/proc/{parent}/task/{parent}/children") as file:
        return [int(pid) for pid in file.read().split() if int(pid) not in known]


def test_nobody_there(tmp_path):
    status, _, err = run("status", "--socket", str(tmp_path / "nothing"))
    assert status == 2
    assert "no daemon answers" in err


def test_unknown_objects_and_commands(daemon):
    running = daemon({"wants": []})
    running.wait_line("no configuration to run")
    path = f"{running.directory}/k.sock"
    assert run("why", "VI_9", "--socket", path)[::2] == (1, "nothing is called VI_9\n")
    assert "unknown command" in control_commands.ask(path, "bogus")["error"]
    assert "absolute path" in control_commands.ask(path, "plan", ["relative"])["error"]


def test_noise_on_the_socket_does_not_hurt_the_daemon(daemon):
    running = daemon({"wants": ["vrrp"]})
    running.wait_line("Startup complete")
    rng = random.Random(11)
    path = f"{running.directory}/k.sock"
    for _ in range(200):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(path)
            noise = rng.randbytes(rng.randrange(400)) + rng.choice([b"", b"\n"])
            try:
                client.sendall(noise)
                if rng.random() < 0.5:
                    client.shutdown(socket.SHUT_WR)
                    while client.recv(4096):
                        pass
            except (BrokenPipeError, ConnectionResetError):
                pass
    assert control_commands.ask(path, "version")["ok"]
    assert running.process.poll() is None
    assert not [line for line in running.lines() if "Internal error" in line]
