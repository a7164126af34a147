"""Scheduling class, limits, names and privileges, each in a process of its own."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from pykeepalived.config.model.globals import Scheduling
from pykeepalived.runtime.forking import fork
from pykeepalived.runtime.log import Log
from pykeepalived.runtime.privileges import BFD_CAPABILITIES, SCRIPT_CAPABILITIES, keep_only, refuse_others
from pykeepalived.runtime.scheduling import (
    LEAST_RTTIME_US,
    ChildScheduling,
    exact_timers,
    give_way,
    raise_open_files_limit,
    set_parent_death_signal,
    set_process_name,
    stand_up,
)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


class Lines:
    def __init__(self):
        self.lines = []

    def emit(self, line):
        self.lines.append(line.text)
        return True

    def close(self):
        pass


def in_child(work):
    """Run `work` in a forked process; whatever it raises fails the test."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException as error:
            sys.__stderr__.write(f"{type(error).__name__}: {error}\n")
            os._exit(1)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


def make(settings, lines=None, max_auto=None, delay_us=1_000_000):
    return ChildScheduling("vrrp", settings, Log([lines or Lines()]), max_auto, delay_us)


@pytest.mark.keyword("global_defs/vrrp_priority")
def test_nice_value():
    def work():
        make(Scheduling(priority=7)).apply_at_start()
        assert os.getpriority(os.PRIO_PROCESS, 0) == 7

    in_child(work)


@needs_root
@pytest.mark.keyword("global_defs/vrrp_rt_priority")
@pytest.mark.keyword("global_defs/vrrp_rlimit_rttime")
def test_real_time_class_with_its_limit_and_without_nice():
    def work():
        os.setpriority(os.PRIO_PROCESS, 0, 0)  # whoever runs the tests may be nice
        scheduling = make(Scheduling(priority=7, rt_priority=20, rlimit_rttime_us=2_000_000))
        scheduling.apply_at_start()
        assert os.sched_getscheduler(0) == os.SCHED_OTHER
        scheduling.apply_real_time()
        assert os.sched_getscheduler(0) == os.SCHED_RR | os.SCHED_RESET_ON_FORK
        assert os.sched_getparam(0).sched_priority == 20
        assert resource.getrlimit(resource.RLIMIT_RTTIME) == (1_000_000, 2_000_000)
        assert os.getpriority(os.PRIO_PROCESS, 0) == 0

    in_child(work)


@needs_root
@pytest.mark.keyword("global_defs/vrrp_rlimit_rttime")
def test_limits_made_for_programs_in_c_are_raised():
    def work():
        make(Scheduling(rt_priority=20, rlimit_rttime_us=10_000)).apply_real_time()
        assert resource.getrlimit(resource.RLIMIT_RTTIME) == (LEAST_RTTIME_US // 2, LEAST_RTTIME_US)

    in_child(work)


@needs_root
@pytest.mark.keyword("global_defs/vrrp_cpu_affinity")
@pytest.mark.keyword("global_defs/vrrp_no_swap")
def test_affinity_and_locked_memory():
    def work():
        make(Scheduling(cpu_affinity=(0,), no_swap=True)).apply_at_start()
        assert os.sched_getaffinity(0) == {0}
        locked = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmLck")]
        assert int(locked[0].split()[1]) > 0

    in_child(work)


def test_a_refusal_is_logged_and_not_fatal():
    def work():
        lines = Lines()
        make(Scheduling(cpu_affinity=(4095,)), lines).apply_at_start()
        assert len(lines.lines) == 1
        assert lines.lines[0].startswith("vrrp: Unable to set CPU affinity - ")

    in_child(work)


@needs_root
@pytest.mark.keyword("global_defs/max_auto_priority")
def test_lateness_raises_the_priority_up_to_the_maximum():
    def work():
        lines = Lines()
        scheduling = make(Scheduling(), lines, max_auto=2)
        for _ in range(4):
            scheduling.raise_priority(1_234_567_000)
        assert os.sched_getparam(0).sched_priority == 2
        late = "A thread timer expired 1.234567 seconds ago"
        assert lines.lines == [late, "Set realtime priority 1", late, "Set realtime priority 2", late, late]

    in_child(work)


@pytest.mark.keyword("global_defs/max_auto_priority")
@pytest.mark.parametrize("maximum", [None, 0, -1])
def test_without_a_maximum_lateness_is_only_told(maximum):
    def work():
        lines = Lines()
        make(Scheduling(), lines, max_auto=maximum).raise_priority(2_000_000_000)
        assert lines.lines == ["A thread timer expired 2.000000 seconds ago"]
        assert os.sched_getscheduler(0) == os.SCHED_OTHER

    in_child(work)


@needs_root
def test_long_work_runs_in_the_normal_class():
    def work():
        scheduling = make(Scheduling(rt_priority=5))
        scheduling.apply_real_time()
        with scheduling.normal():
            assert os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_OTHER
        assert os.sched_getparam(0).sched_priority == 5

    in_child(work)


@needs_root
def test_what_a_reload_takes_out_of_the_configuration_is_undone():
    def work():
        os.setpriority(os.PRIO_PROCESS, 0, 3)
        processors = os.sched_getaffinity(0)
        real_time = make(Scheduling(rt_priority=20, no_swap=True, cpu_affinity=(0,)))
        real_time.apply_at_start()
        real_time.apply_real_time()
        real_time.take_back()
        assert os.sched_getscheduler(0) == os.SCHED_OTHER
        assert os.sched_getaffinity(0) == processors
        assert "VmLck:\t       0 kB" in Path("/proc/self/status").read_text()
        nice = make(Scheduling(priority=7))
        nice.apply_at_start()
        nice.take_back()
        assert os.getpriority(os.PRIO_PROCESS, 0) == 3

    in_child(work)


def test_process_names_are_cut_to_what_the_kernel_keeps():
    def work():
        set_process_name("keepalived_vrrp_and_more")
        assert Path("/proc/self/comm").read_text() == "keepalived_vrrp\n"

    in_child(work)


def test_timer_slack():
    def work():
        exact_timers()
        assert Path("/proc/self/timerslack_ns").read_text() == "1\n"

    in_child(work)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="knows the system call's number on x86-64 only")
def test_short_turns_keep_the_nice_value_and_are_not_inherited():
    def attributes():
        data = ctypes.create_string_buffer(48)
        assert ctypes.CDLL(None).syscall(315, 0, data, 48, 0) == 0
        _, policy, _, nice, _, turn, _, _ = struct.unpack("=IIQiIQQQ", data.raw)
        return policy, nice, turn

    def work():
        before = attributes()[2]
        make(Scheduling(priority=7)).apply_at_start()
        policy, nice, turn = attributes()
        assert (policy, nice) == (os.SCHED_OTHER, 7)
        if before:
            assert turn == 100_000
            in_child(lambda: check(attributes()[2], before))

    def check(turn, before):
        assert turn == before

    in_child(work)


def test_the_open_files_limit_is_raised_and_never_lowered():
    def work():
        lines = Lines()
        log = Log([lines])
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        raise_open_files_limit(10, log)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (soft, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
        raise_open_files_limit(300, log)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (300, hard)
        assert lines.lines == []

    in_child(work)


def test_where_the_limit_cannot_be_raised_the_highest_allowed_one_is_used():
    def work():
        lines = Lines()
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 200))
        real = resource.setrlimit

        def unprivileged(what, limits):
            if limits[1] > 200:
                raise ValueError("not allowed to raise maximum limit")
            real(what, limits)

        resource.setrlimit = unprivileged
        raise_open_files_limit(300, Log([lines]))
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (200, 200)
        assert lines.lines == ["Unable to allow 300 open files, 200 must do"]

    in_child(work)


def test_death_of_the_parent():
    read_end, write_end = os.pipe()
    middle = os.fork()
    if middle == 0:
        child = os.fork()
        if child == 0:
            set_parent_death_signal(signal.SIGTERM)
            signal.signal(signal.SIGTERM, lambda *_: (os.write(write_end, b"x"), os._exit(0)))
            os.write(write_end, b"r")
            while True:
                signal.pause()
        while not Path(f"/proc/{child}").exists():
            pass
        os.read(read_end, 1)
        os._exit(0)
    os.waitpid(middle, 0)
    os.close(write_end)
    assert os.read(read_end, 1) == b"x"
    os.close(read_end)


@needs_root
def test_privileges_are_given_up_for_good():
    def work():
        lines = Lines()
        refuse_others(BFD_CAPABILITIES, Log([lines]))
        assert lines.lines == []
        status = Path("/proc/self/status").read_text()
        allowed = sum(1 << number for number in BFD_CAPABILITIES)
        for name in ("CapEff", "CapPrm", "CapBnd", "CapInh"):
            value = int(next(line for line in status.splitlines() if line.startswith(name)).split()[1], 16)
            assert value & ~allowed == 0
        assert "NoNewPrivs:\t1" in status
        with pytest.raises(PermissionError):
            os.setuid(65534)

    in_child(work)


@needs_root
def test_what_a_helper_gives_up_its_scripts_get_back():
    def work():
        lines = Lines()
        before = capability_sets(Path("/proc/self/status").read_text())
        keep_only(SCRIPT_CAPABILITIES, Log([lines]))
        assert lines.lines == []
        after = capability_sets(Path("/proc/self/status").read_text())
        allowed = sum(1 << number for number in SCRIPT_CAPABILITIES)
        assert after["CapEff"] == after["CapPrm"] == before["CapPrm"] & allowed
        assert after["CapBnd"] == before["CapBnd"]
        script = subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True, check=True, timeout=60)
        assert capability_sets(script.stdout)["CapEff"] == before["CapBnd"]
        os.setgid(65534)
        os.setuid(65534)

    in_child(work)


def capability_sets(status: str) -> dict[str, int]:
    lines = (line.split(":\t") for line in status.splitlines() if line.startswith("Cap"))
    return {name: int(value, 16) for name, value in lines}


def nice() -> int:
    return os.getpriority(os.PRIO_PROCESS, 0)


@needs_root
def test_long_work_gives_way_and_what_it_forks_does_not() -> None:
    usual = nice()
    give_way()
    give_way()
    try:
        assert nice() == usual + 10
        _, status = os.waitpid(fork(lambda: int(nice() != usual)), 0)
        assert status == 0
    finally:
        stand_up()
    assert nice() == usual
    stand_up()
    assert nice() == usual


@needs_root
@pytest.mark.parametrize("usual", [0, -20])
def test_who_could_not_come_back_gives_no_way(usual: int) -> None:
    def work() -> int:
        os.setpriority(os.PRIO_PROCESS, 0, usual)
        resource.setrlimit(resource.RLIMIT_NICE, (0, 0))
        os.setuid(65534)
        give_way()
        return int(nice() != usual)

    _, status = os.waitpid(fork(work), 0)
    assert status == 0
