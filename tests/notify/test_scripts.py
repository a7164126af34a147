"""Scripts run by real processes: arguments, account, environment, result, timeout, termination, no zombies."""

from __future__ import annotations

import os
import resource
import signal
import time
from pathlib import Path

import pytest

from pykeepalived.config.model.values import Account, Script
from pykeepalived.notify.scripts import ScriptResult, ScriptRunner
from pykeepalived.notify.spawner import fork_helper

ME = Account(os.geteuid(), os.getegid())
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
NS = 1_000_000_000


def script(tmp_path: Path, body: str, *arguments: str, account: Account = ME, **words) -> Script:
    path = tmp_path / "script.sh"
    path.write_text("#!/bin/sh\n" + body + "\n")
    path.chmod(0o755)
    return Script(words=(str(path), *arguments), account=account, path=str(path), **words)


def run(driver, runner: ScriptRunner, what: Script, arguments=(), timeout_ns=None) -> ScriptResult:
    results: list[ScriptResult] = []
    runner.start(what, tuple(arguments), timeout_ns, results.append)
    assert results == []
    driver.until(lambda: results)
    assert len(results) == 1
    return results[0]


def test_words_then_arguments_reach_the_script(driver, runner, tmp_path):
    out = tmp_path / "out"
    what = script(tmp_path, f'printf "%s|" "$@" > {out}', "generic", "two words")
    assert run(driver, runner, what, ("INSTANCE", "VI_1", "MASTER", "160")).status == 0
    assert out.read_text() == "generic|two words|INSTANCE|VI_1|MASTER|160|"


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_exit_status(driver, runner, tmp_path, code):
    result = run(driver, runner, script(tmp_path, f"exit {code}"))
    assert (result.status, result.signal, result.timed_out, result.success) == (code, None, False, code == 0)


def test_death_by_signal(driver, runner, tmp_path):
    result = run(driver, runner, script(tmp_path, "kill -9 $$"))
    assert (result.status, result.signal, result.success) == (None, 9, False)


def test_argv0_is_the_configured_word_and_the_resolved_file_is_executed(driver, runner, tmp_path):
    out = tmp_path / "out"
    what = Script(words=("/usr/bin/tst", "-c", f"cat /proc/$$/cmdline > {out}"), account=ME, path="/bin/sh")
    assert run(driver, runner, what).status == 0
    assert out.read_bytes().startswith(b"/usr/bin/tst\0-c\0")


def test_process_attributes(driver, runner, tmp_path, monkeypatch):
    """Own group, standard descriptors on /dev/null, nothing else open, default signals, clean environment."""
    for name in ("IFS", "LD_PRELOAD", "LD_LIBRARY_PATH"):
        monkeypatch.setenv(name, "" if name != "IFS" else " ")
    monkeypatch.setenv("KEPT_VARIABLE", "yes")
    out = tmp_path / "out"
    body = f"""exec /bin/cat /proc/self/stat /proc/self/status /proc/self/environ > {out}"""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run(driver, runner, script(tmp_path, body)).status == 0
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    data = out.read_bytes()
    stat = data.split(b"\n")[0].split()
    assert stat[0] == stat[4], "leads its process group"
    assert (stat[18], stat[40]) == (b"0", b"0"), "nice 0, SCHED_OTHER"
    fields = dict(line.split(b":\t", 1) for line in data.split(b"\n") if b":\t" in line)
    # 32 and 33 belong to the C library: no program can set them
    assert int(fields[b"SigIgn"], 16) & ~(3 << 31) == 0
    assert int(fields[b"SigBlk"], 16) == 0
    environment = data.rsplit(b"\n", 1)[1].split(b"\0")
    assert b"KEPT_VARIABLE=yes" in environment
    assert not [entry for entry in environment if entry.startswith((b"LD_PRELOAD", b"LD_LIBRARY_PATH", b"IFS="))]


def test_descriptors(driver, runner, tmp_path):
    out = tmp_path / "out"
    leak = os.open("/dev/zero", os.O_RDONLY)
    os.set_inheritable(leak, True)
    try:
        assert run(driver, runner, script(tmp_path, f"ls -l /proc/$$/fd > {out}")).status == 0
    finally:
        os.close(leak)
    links = [line.split(" -> ")[1] for line in out.read_text().splitlines() if " -> " in line]
    assert links.count("/dev/null") == 3
    assert not [link for link in links if "socket" in link or "zero" in link]


@needs_root
def test_account_and_groups(driver, runner, tmp_path):
    out = tmp_path / "out"
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents:
        if str(parent).startswith("/tmp/pytest"):
            parent.chmod(0o755)
    what = script(tmp_path, f"id -u > {out}; id -g >> {out}; id -G >> {out}", account=Account(65534, 65533))
    assert run(driver, runner, what).status == 0
    assert out.read_text().split("\n")[:3] == ["65534", "65533", "65533"]


@needs_root
def test_supplementary_groups_of_the_user(driver, runner, tmp_path):
    import grp

    user, groups = "root", [0]
    for group in grp.getgrall():
        if group.gr_mem:
            import pwd

            user = group.gr_mem[0]
            entry = pwd.getpwnam(user)
            groups = sorted(os.getgrouplist(user, entry.pw_gid))
            break
    else:
        pytest.skip("no user with supplementary groups")
    entry = pwd.getpwnam(user)
    out = tmp_path / "out"
    account = Account(entry.pw_uid, entry.pw_gid, supplementary=True, user=user)
    out.touch()
    out.chmod(0o666)
    for parent in (tmp_path, *tmp_path.parents):
        if str(parent).startswith("/tmp/pytest"):
            parent.chmod(0o755)
    assert run(driver, runner, script(tmp_path, f"id -G >> {out}", account=account)).status == 0
    assert sorted(int(word) for word in out.read_text().split()) == groups


@needs_root
def test_limits_are_set_back(driver, log, tmp_path):
    out = tmp_path / "out"
    limits = {resource.RLIMIT_NOFILE: (77, 99)}
    runner = ScriptRunner(driver.loop, log, lambda connection: fork_helper(connection, limits))
    try:
        assert run(driver, runner, script(tmp_path, f"ulimit -n > {out}; ulimit -H -n >> {out}")).status == 0
    finally:
        runner.close()
    assert out.read_text().split() == ["77", "99"]


def test_umask_is_inherited(driver, log, tmp_path):
    before = os.umask(0o177)
    try:
        runner = ScriptRunner(driver.loop, log)
        run(driver, runner, Script(words=("/bin/touch", str(tmp_path / "made")), account=ME))
        runner.close()
    finally:
        os.umask(before)
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o600


def test_missing_program_fails_to_start(driver, runner, log, tmp_path):
    result = run(driver, runner, Script(words=("/nonexistent/x", "a"), account=ME))
    assert result.failed_to_start == "No such file or directory"
    assert (result.status, result.success) == (None, False)
    assert log.texts == ["Error exec-ing command '/nonexistent/x', error 2: No such file or directory"]


def test_text_without_interpreter_line_cannot_be_executed(driver, runner, log, tmp_path):
    path = tmp_path / "plain"
    path.write_text("exit 7\n")
    path.chmod(0o755)
    assert run(driver, runner, Script(words=(str(path),), account=ME)).failed_to_start == "Exec format error"
    assert log.texts == [f"Error exec-ing command '{path}', error 8: Exec format error"]


def test_shell_runs_what_cannot_be_executed(driver, runner, tmp_path):
    out = tmp_path / "out"
    path = tmp_path / "plain"
    path.write_text(f'printf "%s|" "$@" > {out}\nexit 7\n')
    path.chmod(0o755)
    assert run(driver, runner, Script(words=(str(path), "it's $HOME"), account=ME, shell=True), ("x y",)).status == 7
    assert out.read_text() == "it's $HOME|x y|"


def test_shell_complaints(driver, runner, log, tmp_path):
    assert run(driver, runner, Script(words=("/nonexistent/y", "1"), account=ME, shell=True)).status == 127
    assert log.texts == ["Couldn't find command: /nonexistent/y 1"]


def test_file_test(driver, runner, tmp_path):
    present = tmp_path / "present"
    present.touch()
    for path, status in ((present, 0), (tmp_path / "absent", 1)):
        what = Script(words=(f"</{path}",), account=ME, path=str(path), file_test=True)
        assert run(driver, runner, what).status == status


def test_timeout_terminates_the_whole_group(driver, runner, tmp_path):
    out = tmp_path / "pids"
    what = script(tmp_path, f"sleep 1000 & echo $! > {out}; echo $$ >> {out}; wait")
    result = run(driver, runner, what, timeout_ns=NS // 2)
    assert (result.signal, result.timed_out, result.success) == (signal.SIGTERM, True, False)
    assert NS // 2 <= result.duration_ns < 60 * NS
    driver.until(lambda: not any(_alive(int(pid)) for pid in out.read_text().split()))


def test_script_that_ignores_term_is_killed_after_two_seconds(driver, runner, tmp_path):
    what = script(tmp_path, "trap '' TERM; while :; do sleep 0.1; done")
    run_ = None
    results: list[ScriptResult] = []
    run_ = runner.start(what, timeout_ns=NS // 2, done=results.append)
    assert run_.state == "running"
    driver.until(lambda: run_.state == "requested termination")
    driver.until(lambda: run_.state == "forcing termination")
    driver.until(lambda: results)
    assert run_.state == "idle"
    assert (results[0].signal, results[0].timed_out) == (signal.SIGKILL, True)
    assert results[0].duration_ns >= 2 * NS + NS // 2


def test_leftovers_of_a_terminated_group_are_killed(driver, runner, tmp_path):
    """The leader dies of SIGTERM, its child ignores it: the child must not stay."""
    out = tmp_path / "pid"
    what = script(tmp_path, f"(trap '' TERM; while :; do sleep 0.2; done) & echo $! > {out}; wait")
    results: list[ScriptResult] = []
    run_ = runner.start(what, done=results.append)
    driver.until(lambda: out.exists() and out.read_text().strip())
    run_.terminate()
    driver.until(lambda: results)
    driver.until(lambda: not _alive(int(out.read_text())))


def test_terminate_all(driver, runner, tmp_path):
    what = script(tmp_path, "trap '' TERM; while :; do sleep 0.1; done")
    results: list[ScriptResult] = []
    ended: list[str] = []
    for _ in range(3):
        runner.start(what, done=results.append)
    runner.start(Script(words=("/bin/sleep", "1000"), account=ME), done=results.append)
    driver.for_seconds(0.5)
    assert runner.running == 4
    runner.terminate_all(NS // 2, lambda: ended.append("all"))
    driver.until(lambda: ended)
    assert sorted(result.signal for result in results) == [9, 9, 9, 15]
    assert runner.running == 0


def test_terminate_all_with_nothing_running(runner):
    ended: list[str] = []
    runner.terminate_all(NS, lambda: ended.append("all"))
    assert ended == ["all"]


def test_many_at_once_leave_no_zombie(driver, runner):
    results: list[ScriptResult] = []
    for _ in range(300):
        runner.start(Script(words=("/bin/true",), account=ME), done=results.append)
    driver.until(lambda: len(results) == 300)
    assert {result.status for result in results} == {0}
    helper = runner._helper_pid
    children = Path(f"/proc/{helper}/task/{helper}/children").read_text().split()
    assert children == []


def test_what_cannot_be_repeated_ends_with_its_helper_and_the_next_run_has_a_new_one(driver, runner, log):
    results: list[ScriptResult] = []
    what = Script(words=("/bin/sleep", "1000"), account=ME)
    begun = runner.start(what, done=results.append)
    driver.until(lambda: begun.pid)
    helper = runner._helper_pid
    os.kill(helper, signal.SIGKILL)
    driver.until(lambda: results)
    assert (results[0].failed_to_start, results[0].pid) == ("script process died", begun.pid)
    assert log.texts == [
        "Script process died - restarting it",
        "Script /bin/sleep 1000 has ended with the script process, its result is not known",
    ]
    os.waitpid(helper, 0)
    driver.until(lambda: not _alive(begun.pid))
    assert run(driver, runner, Script(words=("/bin/true",), account=ME)).status == 0


def test_a_check_whose_helper_is_killed_runs_again(driver, runner, log, tmp_path):
    out = tmp_path / "runs"
    what = script(tmp_path, f"echo $$ >> {out}; [ $(wc -l < {out}) = 2 ] || exec sleep 1000; exit 5")
    results: list[ScriptResult] = []
    runner.start(what, done=results.append, repeatable=True)
    driver.until(lambda: out.exists() and out.read_text().endswith("\n"))
    helper = runner._helper_pid
    os.kill(helper, signal.SIGKILL)
    driver.until(lambda: results)
    os.waitpid(helper, 0)
    assert results[0].status == 5
    assert len(out.read_text().split()) == 2
    assert log.texts == ["Script process died - restarting it"]


def test_a_check_that_kills_its_helper_is_not_repeated_for_ever(driver, runner, log, tmp_path):
    out = tmp_path / "runs"
    what = script(tmp_path, f"echo $$ >> {out}; kill -9 $PPID; exec sleep 1000")
    results: list[ScriptResult] = []
    runner.start(what, done=results.append, repeatable=True)
    driver.until(lambda: results)
    assert results[0].failed_to_start == "script process died"
    assert len(out.read_text().split()) == 2


def test_what_the_helper_had_not_begun_is_begun_by_the_next(driver, log):
    """Requests wait in the connection while the helper is being forked; one that never comes loses none."""
    waiting = []

    def fork_later(connection):
        waiting.append(connection)
        return 0

    runner = ScriptRunner(driver.loop, log, fork_later)
    results: list[ScriptResult] = []
    for code in ("3", "4"):
        runner.start(Script(words=("/bin/sh", "-c", f"exit {code}"), account=ME), done=results.append)
    waiting.pop().close()
    driver.until(lambda: waiting)
    assert (results, log.texts) == ([], ["Script process died - restarting it"])
    helper = fork_helper(waiting.pop(), {})
    driver.until(lambda: len(results) == 2)
    assert sorted(result.status for result in results) == [3, 4]
    runner.close()
    os.waitpid(helper, 0)


def test_a_helper_that_comes_late_costs_no_run_its_time(driver, log):
    waiting = []
    runner = ScriptRunner(driver.loop, log, lambda connection: waiting.append(connection) or 0)
    results: list[ScriptResult] = []
    for seconds in ("0.1", "1000"):
        runner.start(Script(words=("/bin/sleep", seconds), account=ME), (), NS // 2, results.append)
    driver.for_seconds(0.8)
    assert results == []
    helper = fork_helper(waiting.pop(), {})
    driver.until(lambda: len(results) == 2)
    assert [(result.status, result.signal, result.timed_out) for result in results] == [
        (0, None, False),
        (None, signal.SIGTERM, True),
    ]
    runner.close()
    os.waitpid(helper, 0)


def test_without_any_helper_every_run_is_given_up(driver, log):
    def nobody(connection):
        connection.close()
        return 0

    runner = ScriptRunner(driver.loop, log, nobody)
    results: list[ScriptResult] = []
    for repeatable in (True, False):
        runner.start(Script(words=("/bin/true",), account=ME), done=results.append, repeatable=repeatable)
    driver.until(lambda: len(results) == 2)
    assert {result.failed_to_start for result in results} == {"script process died"}
    assert runner.running == 0


def test_signals_for_the_whole_group_leave_the_helper_alive(driver, runner):
    assert run(driver, runner, Script(words=("/bin/true",), account=ME)).status == 0
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGPIPE):
        os.kill(runner._helper_pid, number)
    assert run(driver, runner, Script(words=("/bin/true",), account=ME)).status == 0


def test_helper_leaves_with_its_owner_and_ends_the_scripts(driver, log, tmp_path):
    out = tmp_path / "pid"
    runner = ScriptRunner(driver.loop, log)
    runner.start(script(tmp_path, f"echo $$ > {out}; exec sleep 1000"))
    driver.until(lambda: out.exists() and out.read_text().strip())
    helper = runner._helper_pid
    runner.close()
    os.waitpid(helper, 0)
    end = time.monotonic() + 30
    while _alive(int(out.read_text())):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_start_does_not_stall_the_loop(driver, runner):
    """Starting costs the caller a datagram, not a fork: 100 starts in far less time than 100 forks take."""
    runner.prepare()
    begin = time.process_time_ns()
    for _ in range(100):
        runner.start(Script(words=("/bin/true",), account=ME))
    assert time.process_time_ns() - begin < 100 * 500_000
    driver.until(lambda: runner.running == 0)


def _alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
