"""The parent as a real process with fake children: start, signals, pid files, death, reload, stop, exit statuses."""

from __future__ import annotations

import os
import resource
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest

from tests.parent.running import ROOT, alive, wait_for
from tests.parent.wanted import ALL, VRRP


def test_start_and_stop_lines_in_order(daemon):
    running = daemon(VRRP)
    running.wait_line("Startup complete")
    assert running.stop() == 0
    lines = running.lines()
    parent = [line for line in lines if not line.startswith((" ", "vrrp "))]
    pid = int(lines[next(i for i, x in enumerate(lines) if x.startswith("Starting VRRP"))].rpartition("=")[2])
    assert parent[0] == "Starting Fake v1.0.0 (01/01,2026)"
    assert parent[1].startswith("Running on Linux ")
    assert parent[2].startswith("Command line: '")
    assert parent[3:6] == [
        "NOTICE: setting config option max_auto_priority should result in better keepalived performance",
        f"Starting VRRP child process, pid={pid}",
        "Startup complete",
    ]
    # the child is told before the log is, and may be the quicker one
    assert sorted(parent[6:8]) == ["Stopped", "Stopping"]
    assert parent[8:] == ["Stopped Fake v1.0.0 (01/01,2026)"]


@pytest.mark.keyword("global_defs/max_auto_priority")
def test_minus_one_silences_the_notice(daemon):
    running = daemon({**VRRP, "globals": {"max_auto_priority": -1}})
    running.wait_line("Startup complete")
    running.stop()
    assert not [line for line in running.lines() if "NOTICE" in line]


def test_children_start_in_order_and_all_stop(daemon):
    running = daemon(ALL)
    running.wait_line("Startup complete")
    kinds = [line.split()[1] for line in running.lines() if line.startswith("Starting ") and "child" in line]
    assert kinds == ["Healthcheck", "VRRP", "BFD"]
    pids = [running.pid(name) for name in "vcb"]
    assert all(alive(pid) for pid in pids)
    assert running.stop() == 0
    assert not any(alive(pid) for pid in pids)
    assert running.lines().count("Stopped") == 3


def test_stop_takes_no_longer_than_the_children(daemon):
    running = daemon(ALL)
    running.wait_line("Startup complete")
    begun = time.monotonic()
    assert running.stop() == 0
    assert time.monotonic() - begun < 4
    assert not [line for line in running.lines() if "failed to die" in line]


@pytest.mark.keyword("child_wait_time")
def test_a_child_that_does_not_leave_is_killed(daemon):
    running = daemon({**VRRP, "globals": {"child_wait_time_s": 1}, "children": {"vrrp": {"stop_ms": 600_000}}})
    running.wait_line("Startup complete")
    assert running.stop() == 0
    assert "vrrp process failed to die - forcing termination" in running.lines()


def test_pid_files(daemon):
    running = daemon(ALL)
    running.wait_line("Startup complete")
    assert running.pid("k") == running.process.pid
    for name in "kvcb":
        path = Path(running.pid_path(name))
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
        assert path.read_text() == f"{running.pid(name)}\n"
    running.stop()
    assert [p.name for p in running.directory.iterdir() if p.suffix in (".pid", ".sock")] == []


def test_pid_files_of_children_that_do_not_run_are_not_left(daemon):
    running = daemon(VRRP)
    running.wait_line("Startup complete")
    assert sorted(p.name for p in running.directory.glob("*.pid")) == ["k.pid", "v.pid"]


def test_a_second_daemon_is_refused_with_status_0(daemon):
    running = daemon(VRRP)
    running.wait_line("Startup complete")
    second_log = running.directory / "log2"
    second = running.launch(second_log)
    assert second.wait(60) == 0
    text = second_log.read_text()
    assert f"Another process has pid file {running.pid_path('k')} locked" in text
    assert text.rstrip().endswith("daemon is already running")
    assert "Stopped" not in text
    assert running.pid("k") == running.process.pid
    assert running.process.poll() is None


def test_what_a_killed_daemon_left_does_not_hinder(daemon, tmp_path):
    running = daemon(ALL)
    running.wait_line("Startup complete")
    children = [running.pid(name) for name in "vcb"]
    running.signal(signal.SIGKILL)
    assert running.process.wait(60) == -signal.SIGKILL
    for pid in children:
        wait_for(lambda pid=pid: not alive(pid), "children leave with the parent")
    assert Path(running.pid_path("k")).exists()
    assert running.lines().count("Stopped") == 3
    again = daemon(ALL)
    again.wait_line("Startup complete", 2)
    assert again.pid("k") == again.process.pid
    assert again.stop() == 0


def test_sigint_stops_unless_told_otherwise(daemon):
    running = daemon(VRRP)
    running.wait_line("Startup complete")
    running.signal(signal.SIGINT)
    assert running.process.wait(60) == 0
    other = daemon(VRRP, "--ignore", directory=running.directory / "other")
    other.wait_line("Startup complete")
    other.signal(signal.SIGINT)
    os.kill(other.pid("v"), signal.SIGINT)
    other.signal(signal.SIGUSR1)
    other.wait_line("vrrp dump data")
    assert other.process.poll() is None
    assert "Stopped" not in other.lines()


def test_other_signals_do_nothing(daemon):
    running = daemon(VRRP)
    running.wait_line("Startup complete")
    for signum in (signal.SIGALRM, signal.SIGQUIT, signal.SIGPIPE, signal.SIGTSTP, signal.SIGRTMIN, signal.SIGXCPU):
        running.signal(signum)
        os.kill(running.pid("v"), signum)
    running.signal(signal.SIGUSR1)
    running.wait_line("vrrp dump data")
    assert running.process.poll() is None


def test_dump_signals_are_passed_on(daemon):
    running = daemon(ALL)
    running.wait_line("Startup complete")
    running.signal(signal.SIGUSR1)
    for kind in ("vrrp", "checker", "bfd"):
        running.wait_line(f"{kind} dump data")
    running.signal(signal.SIGUSR2)
    running.wait_line("vrrp dump stats")
    running.signal(signal.SIGRTMAX - 1)
    running.wait_line("vrrp dump stats_clear")
    running.signal(signal.SIGRTMIN + 2)
    running.wait_line("vrrp dump json")
    assert not [line for line in running.lines() if line.startswith(("checker dump s", "bfd dump s"))]


def test_the_parent_writes_its_data_file(daemon, tmp_path):
    running = daemon(VRRP, environment={"TMPDIR": str(tmp_path)})
    running.wait_line("Startup complete")
    running.signal(signal.SIGUSR1)
    path = tmp_path / "keepalived_parent.data"
    wait_for(path.exists, "dump of the parent")
    assert path.read_text().startswith("------< Global definitions >------\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    running.signal(signal.SIGUSR1)
    running.wait_line("vrrp dump data", 2)
    assert running.stop() == 0


def test_a_bad_tmpdir_is_told(daemon):
    running = daemon(VRRP, environment={"TMPDIR": "/nonexistent"})
    running.wait_line("Environment TMPDIR=/nonexistent not a directory")


def test_a_killed_child_is_back_with_its_pid_file(daemon):
    running = daemon(ALL)
    running.wait_line("Startup complete")
    first = running.pid("v")
    os.kill(first, signal.SIGKILL)
    running.wait_line("vrrp respawned")
    second = wait_for(lambda: running.pid("v") not in (0, first) and running.pid("v"), "new pid")
    assert alive(second)
    running.wait_line("bfd peer vrrp started")
    text = f"pid {first} exited due to signal 9 (Killed) - has rlimit_rttime been exceeded?"
    assert text in running.lines()
    assert f"VRRP child process({first}) died: Respawning" in running.lines()
    assert running.stop() == 0


def test_a_stopped_child_is_found_hung_and_replaced(daemon):
    running = daemon(VRRP)
    running.wait_line("Startup complete")
    first = running.pid("v")
    os.kill(first, signal.SIGSTOP)
    running.wait_line(f"VRRP child process({first}) silent for 5 s: killing it")
    running.wait_line("vrrp respawned")
    second = wait_for(lambda: running.pid("v") not in (0, first) and running.pid("v"), "new pid")
    running.wait_line(f"pid {first} exited due to signal 9 (Killed) - has rlimit_rttime been exceeded?")
    assert alive(second)
    assert not alive(first)
    assert running.stop() == 0


@pytest.mark.parametrize(("status", "word"), [(1, "FATAL"), (2, "CONFIG"), (4, "missing permission")])
def test_permanent_errors_are_the_daemons_exit_status(daemon, status, word):
    running = daemon({**ALL, "children": {"checker": {"exit": status}}})
    assert running.process.wait(60) == status
    assert any(line.endswith(f"exited with permanent error {word}. Terminating") for line in running.lines())


def test_without_respawn_the_daemon_leaves_with_its_child(daemon):
    running = daemon(ALL, "-R")
    running.wait_line("Startup complete")
    first = running.pid("v")
    os.kill(first, signal.SIGKILL)
    assert running.process.wait(60) == 0
    assert f"VRRP child process({first}) died: Exiting" in running.lines()


def test_a_configuration_that_cannot_be_read_is_status_6(daemon, tmp_path):
    running = daemon(VRRP, "-f", str(tmp_path / "nothing"))
    assert running.process.wait(60) == 6


def test_nothing_to_run_waits_for_a_reload(daemon):
    running = daemon({"wants": []})
    running.wait_line("Warning - keepalived has no configuration to run")
    running.write(VRRP)
    running.signal(signal.SIGHUP)
    running.wait_line("Reload complete")
    assert alive(running.pid("v"))
    assert running.stop() == 0


@pytest.mark.parametrize(
    ("words", "children"), [(("-P",), "vb"), (("-C",), "cb"), (("-B",), "vc"), (("-P", "-C"), "b")]
)
def test_switched_off_children_do_not_run(daemon, words, children):
    running = daemon(ALL, *words)
    running.wait_line("Startup complete")
    assert sorted(p.stem for p in running.directory.glob("*.pid")) == sorted("k" + children)


def test_all_starts_all(daemon):
    running = daemon({"wants": []}, "--all")
    running.wait_line("Startup complete")
    assert sorted(p.stem for p in running.directory.glob("*.pid")) == sorted("kvcb")


# scripts


@pytest.mark.keyword("global_defs/startup_script")
@pytest.mark.keyword("global_defs/shutdown_script")
def test_scripts_run_before_and_after_the_children(daemon, tmp_path):
    mark = tmp_path / "mark"
    settings = {
        "startup_script": ["/bin/sh", "-c", f"echo up >> {mark}; exit 3"],
        "shutdown_script": ["/bin/sh", "-c", f"echo down >> {mark}"],
    }
    running = daemon({**VRRP, "globals": settings}, "-D")
    running.wait_line("Startup complete")
    assert mark.read_text() == "up\n"
    assert running.stop() == 0
    assert mark.read_text() == "up\ndown\n"
    lines = running.lines()
    failed = lines.index("startup script script failed, status 3")
    assert failed < next(i for i, line in enumerate(lines) if line.startswith("Starting VRRP"))
    assert next(i for i, line in enumerate(lines) if line.startswith("Stopped - used")) < lines.index(
        "shutdown script script succeeded"
    )


def test_scripts_get_the_limits_the_daemon_was_started_with(daemon, tmp_path):
    mark = tmp_path / "limit"
    script = ["/bin/sh", "-c", f"ulimit -S -c > {mark}"]
    before = resource.getrlimit(resource.RLIMIT_CORE)
    if before[1] != resource.RLIM_INFINITY:
        pytest.skip("core files are limited here")
    resource.setrlimit(resource.RLIMIT_CORE, (4096, before[1]))
    try:
        running = daemon({**VRRP, "globals": {"startup_script": script}}, "-m")
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)
    running.wait_line("Startup complete")
    assert mark.read_text() in ("4096\n", "8\n")
    limits = Path(f"/proc/{running.process.pid}/limits").read_text()
    assert [line.split()[4] for line in limits.splitlines() if line.startswith("Max core file size")] == ["unlimited"]


@pytest.mark.keyword("global_defs/startup_script_timeout")
def test_a_startup_script_that_hangs_is_ended_and_the_start_goes_on(daemon):
    settings = {"startup_script": ["/bin/sleep", "600"], "startup_script_timeout_s": 1}
    running = daemon({**VRRP, "globals": settings})
    running.wait_line("startup script timed out")
    running.wait_line("Startup complete")


def test_stop_during_the_startup_script(daemon):
    running = daemon({**VRRP, "globals": {"startup_script": ["/bin/sleep", "600"]}}, "-D")
    running.wait_line("Running startup script")
    assert running.stop() == 0
    assert not [line for line in running.lines() if line.startswith("Starting VRRP")]


# detaching, umask, systemd


def test_blocked_signals_and_closed_descriptors_of_the_starter_do_not_matter(daemon, tmp_path):
    running = daemon(VRRP)
    running.wait_line("Startup complete")
    running.stop()

    def hostile() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    log = tmp_path / "k.log"
    closing = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *running.command, f"-g{log}"]
    running.process = subprocess.Popen(closing, cwd=ROOT, preexec_fn=hostile)
    wait_for(lambda: log.exists() and "Startup complete" in log.read_text(), "start")
    child = running.pid("v")
    assert [os.readlink(f"/proc/{child}/fd/{fd}") for fd in range(3)] == ["/dev/null"] * 3
    os.kill(child, signal.SIGKILL)
    wait_for(lambda: running.pid("v") != child, "respawn")
    running.signal(signal.SIGHUP)
    wait_for(lambda: "Reload complete" in log.read_text(), "reload")
    assert running.stop() == 0


def test_it_detaches_without_n(daemon, tmp_path):
    running = daemon(VRRP)
    running.wait_line("Startup complete")
    running.stop()
    command = [word for word in running.command if word not in ("-n", "-l")]
    log = tmp_path / "k.log"
    assert subprocess.run([*command, f"-g{log}"], cwd=ROOT, check=False).returncode == 0
    wait_for(lambda: log.exists() and "Startup complete" in log.read_text(), "start of the detached daemon")
    pid = running.pid("k")
    try:
        assert os.getsid(pid) == pid
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        assert [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)] == ["/dev/null"] * 3
        assert (tmp_path / "k_vrrp.log").read_text().endswith("vrrp running generation 1\n")
        assert Path(f"/proc/{pid}/comm").read_text() == "keepalived\n"
    finally:
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not alive(pid), "end of the detached daemon")
    assert "Stopped Fake" in log.read_text()


@pytest.mark.parametrize(("words", "umask"), [((), "0177"), (("-u", "022"), "0022")])
def test_umask(daemon, words, umask):
    running = daemon(VRRP, *words)
    running.wait_line("Startup complete")
    status = Path(f"/proc/{running.pid('v')}/status").read_text()
    assert f"Umask:\t{umask}" in status


@pytest.mark.keyword("global_defs/umask")
@pytest.mark.parametrize(("words", "umask"), [((), "0027"), (("-u", "022"), "0022")])
def test_umask_of_the_configuration_gives_way_to_the_command_line(daemon, words, umask):
    running = daemon({**VRRP, "globals": {"umask": 0o27}}, *words)
    running.wait_line("Startup complete")
    assert f"Umask:\t{umask}" in Path(f"/proc/{running.pid('v')}/status").read_text()


@pytest.mark.keyword("global_defs/process_names")
@pytest.mark.keyword("global_defs/process_name")
@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, ["keepalived"] * 4),
        ({"process_names": True}, ["keepalived", "keepalived_vrrp", "keepalived_lvs", "keepalived_bfd"]),
        ({"process_name": "ka"}, ["ka"] * 4),
        ({"process_name": "ka", "process_names": True}, ["ka", "keepalived_vrrp", "keepalived_lvs", "keepalived_bfd"]),
    ],
)
def test_process_names(daemon, settings, names):
    running = daemon({**ALL, "globals": settings})
    running.wait_line("Startup complete")
    assert [Path(f"/proc/{running.pid(name)}/comm").read_text().rstrip() for name in "kvcb"] == names


def test_a_child_whose_code_is_broken_costs_only_itself(daemon):
    running = daemon(ALL, environment={"FAKE_BROKEN": "checker"})
    running.wait_line("Startup complete")
    assert "Unable to run the checker process - ImportError: told to fail" in running.lines()
    assert sorted(path.stem for path in running.directory.glob("*.pid")) == ["b", "k", "v"]


def test_systemd_hears_of_everything(daemon, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
        running = daemon(VRRP, environment=environment)

        def next_message() -> dict[str, str]:
            while True:
                message = dict(line.split("=", 1) for line in manager.recv(4096).decode().splitlines())
                if "WATCHDOG" not in message:
                    return message

        ready = next_message()
        assert ready["READY"] == "1"
        assert ready["MAINPID"] == str(running.process.pid)
        assert ready["STATUS"] == "Running vrrp"
        running.signal(signal.SIGHUP)
        reloading = next_message()
        assert reloading["RELOADING"] == "1"
        assert 0 < int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
        assert next_message()["READY"] == "1"
        assert manager.recv(4096) == b"WATCHDOG=1"
        running.write({"bad": "x"})
        running.signal(signal.SIGHUP)
        assert next_message()["RELOADING"] == "1"
        refused = next_message()
        assert refused["READY"] == "1"
        assert refused["STATUS"].startswith("Running vrrp; Reload refused")
        running.signal(signal.SIGTERM)
        assert next_message()["STOPPING"] == "1"
        assert running.process.wait(60) == 0


def test_systemd_hears_ready_also_with_nothing_to_run(daemon, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        daemon({"wants": []}, environment={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        assert b"READY=1" in manager.recv(4096)
