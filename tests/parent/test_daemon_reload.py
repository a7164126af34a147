"""Reload of the whole daemon, with real processes: what reaches the children, what is refused, what is told."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.parent.wanted import ALL, VRRP

# reload


def test_reload_reaches_every_child_and_completes(daemon):
    running = daemon(ALL)
    running.wait_line("Startup complete")
    running.write({**ALL, "globals": {"process_name": "x"}})
    running.signal(signal.SIGHUP)
    running.wait_line("Reload complete")
    for kind in ("vrrp", "checker", "bfd"):
        running.wait_line(f"{kind} adopted generation 2")
    lines = running.lines()
    assert lines.index("Reloading ...") < lines.index("Reloading") < lines.index("Reload complete")


def test_a_bad_file_leaves_the_service_alone_and_says_why(daemon):
    running = daemon(VRRP)
    running.wait_line("Startup complete")
    pid = running.pid("v")
    running.write({"bad": "(Line 3) something is wrong"})
    running.signal(signal.SIGHUP)
    running.wait_line("Reload refused: the new configuration cannot be used, the running one stays in force")
    assert "(Line 3) something is wrong" in running.lines()
    os.unlink(running.directory / "config")
    running.signal(signal.SIGHUP)
    running.wait_line("Reload refused", 2)
    assert running.pid("v") == pid
    running.write(VRRP)
    running.signal(signal.SIGHUP)
    running.wait_line("Reload complete")
    assert running.stop() == 0


def test_a_respawn_after_a_refused_reload_uses_the_running_configuration(daemon):
    running = daemon(VRRP)
    running.wait_line("Startup complete")
    running.write({"bad": "x"})
    running.signal(signal.SIGHUP)
    running.wait_line("Reload refused")
    os.kill(running.pid("v"), signal.SIGKILL)
    running.wait_line("vrrp respawned")
    running.wait_line("vrrp running generation 1", 2)


def test_many_requests_become_at_most_one_more(daemon):
    running = daemon({**VRRP, "children": {"vrrp": {}}})
    running.wait_line("Startup complete")
    for _ in range(20):
        running.signal(signal.SIGHUP)
    running.wait_line("Reload complete")
    time.sleep(0.5)
    assert 1 <= running.lines().count("Reload complete") <= 20
    assert running.lines().count("Reload complete") == running.lines().count("Reloading ...")


def test_a_request_during_the_start_is_served_after_it(daemon):
    script = ["/bin/sleep", "1"]
    running = daemon({**VRRP, "globals": {"startup_script": script}}, "-D")
    running.wait_line("Running startup script /bin/sleep 1")
    running.signal(signal.SIGHUP)
    running.wait_line("Reload already in progress, request queued")
    running.wait_line("Reload complete")
    lines = running.lines()
    assert lines.index("Startup complete") < lines.index("Reloading ...")


def test_a_child_told_to_reload_has_the_whole_daemon_reload(daemon):
    running = daemon(ALL)
    running.wait_line("Startup complete")
    os.kill(running.pid("c"), signal.SIGHUP)
    running.wait_line("Reload complete")
    running.wait_line("vrrp adopted generation 2")


@pytest.mark.keyword("instance")
def test_settings_that_need_a_restart_refuse_the_reload(daemon):
    running = daemon(VRRP)
    running.wait_line("Startup complete")
    running.write({**VRRP, "globals": {"instance": "other"}})
    running.signal(signal.SIGHUP)
    running.wait_line("Cannot change instance name at a reload - please restart keepalived")
    running.wait_line("Reload refused")
    assert "Reload complete" not in running.lines()


@pytest.mark.keyword("global_defs/reload_check_config")
def test_a_checked_reload_refuses_what_only_has_errors(daemon):
    running = daemon({**VRRP, "globals": {"reload_check_config": "/dev/null"}})
    running.wait_line("Startup complete")
    path = str(running.directory / "report")
    config = {**VRRP, "globals": {"reload_check_config": path}}
    running.write(config)
    running.signal(signal.SIGHUP)
    running.wait_line("Reload complete")
    running.write({**config, "messages": ["(Line 1) Unknown keyword 'x'"]})
    running.signal(signal.SIGHUP)
    running.wait_line(f"New config failed validation, see {path} for details")
    assert Path(path).read_text() == "(Line 1) Unknown keyword 'x'\n"
    running.write(config)
    running.signal(signal.SIGHUP)
    running.wait_line("Reload complete", 2)
    assert Path(path).read_text() == ""


def test_a_report_that_nobody_reads_holds_up_no_reload(daemon):
    running = daemon(VRRP)
    running.wait_line("Startup complete")
    report = running.directory / "report"
    os.mkfifo(report)
    running.write({**VRRP, "globals": {"reload_check_config": str(report), "reload_file": str(report)}})
    running.signal(signal.SIGHUP)
    running.wait_line("Reload complete")
    running.signal(signal.SIGHUP)
    running.wait_line("Reload complete", 2)


def test_without_the_check_errors_are_told_and_the_rest_is_applied(daemon):
    running = daemon(VRRP)
    running.wait_line("Startup complete")
    running.write({**VRRP, "messages": ["(Line 1) Unknown keyword 'x'"]})
    running.signal(signal.SIGHUP)
    running.wait_line("Reload complete")
    assert "(Line 1) Unknown keyword 'x'" in running.lines()


def test_a_child_that_cannot_adopt_goes_on(daemon):
    running = daemon(VRRP)
    running.wait_line("Startup complete")
    pid = running.pid("v")
    running.write({**VRRP, "children": {"vrrp": {"x": 1}}})
    running.signal(signal.SIGHUP)
    running.wait_line("Reload complete")
    refusing = {**VRRP, "children": {"vrrp": {"refuse_reload": True}}}
    running.write(refusing)
    running.signal(signal.SIGHUP)
    running.wait_line("Reload complete", 2)
    running.write({**refusing, "globals": {"process_name": "y"}})
    running.signal(signal.SIGHUP)
    running.wait_line("The vrrp process could not adopt the new configuration: ValueError: told to refuse")
    running.wait_line("Reload complete", 3)
    assert running.pid("v") == pid


@pytest.mark.keyword("global_defs/reload_time_file")
def test_a_reload_at_a_time(daemon, tmp_path):
    when = tmp_path / "when"
    running = daemon({**VRRP, "globals": {"reload_time_file": str(when)}})
    running.wait_line("Startup complete")
    when.write_text("nonsense\n")
    running.wait_line("Reload time nonsense format is incorrect - ignoring")
    soon = time.time() + 2
    when.write_text(time.strftime("%Y-%m-%d %H:%M:%S\n", time.localtime(soon)))
    running.wait_line("Scheduling reload for ")
    running.wait_line("Reload complete")
    assert time.time() >= int(soon)
    assert not when.exists()


@pytest.mark.keyword("global_defs/reload_file")
def test_the_reload_file_stands_while_files_are_read(daemon, tmp_path):
    mark = tmp_path / "reloading"
    config = {**VRRP, "globals": {"reload_file": str(mark)}, "look_at": str(mark)}
    running = daemon(config)
    running.wait_line("Startup complete")
    assert "look_at: False" in running.lines()
    running.signal(signal.SIGHUP)
    running.wait_line("Reload complete")
    assert "look_at: True" in running.lines()
    assert not mark.exists()
    running.stop()
    mark.write_text("left by a crash")
    again = daemon(config)
    again.wait_line("Startup complete", 2)
    assert not mark.exists()
