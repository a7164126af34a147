"""The words of global_defs that say how the child processes run, from the text of a file to what the kernel has."""

from __future__ import annotations

import ctypes
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.netns.conftest import Lan, instance

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]

BLOCKS = (
    instance(150)
    + """
bfd_instance B1 {
    neighbor_ip 192.0.2.9
}
virtual_server 192.0.2.80 80 {
    protocol TCP
    lvs_sched rr
    lvs_method NAT
    real_server 192.0.2.81 80 {
    }
}
"""
)
PIDFD_GETFD = 438
"""Number of the system call pidfd_getfd(2), the same on every machine."""
PIDS = {"vrrp": "vrrp", "checker": "checkers", "bfd": "bfd"}
"""The word in names of global_defs, and the name of the pid file."""


def children(lan: Lan, words: str) -> dict[str, int]:
    """Process ids of the three children of a daemon that has started."""
    node = lan.host(f"global_defs {{\n{words}\n}}\n{BLOCKS}")
    node.start()
    lan.wait(lambda: node.said("Startup complete"))
    return {word: node.pid_of(kind) for word, kind in PIDS.items()}


def marks(*words: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.keyword(f"global_defs/{word}") for word in words]


def proves(*words: str) -> Callable[[Any], Any]:
    """Marks a test with all of these words."""

    def mark(function: Any) -> Any:
        for each in marks(*words):
            function = each(function)
        return function

    return mark


def of_each(word: str) -> list[str]:
    return [f"{child}_{word}" for child in PIDS]


def process_name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def locked_kb(pid: int) -> int:
    found = re.search(r"^VmLck:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def real_time_limits_us(pid: int) -> list[str]:
    found = re.search(r"^Max realtime timeout\s+(\S+)\s+(\S+)", Path(f"/proc/{pid}/limits").read_text(), re.MULTILINE)
    assert found is not None
    return [found[1], found[2]]


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(of_each("process_name"), marks=marks(*of_each("process_name"))),
        pytest.param(
            ["vrrp_process_name", "lvs_process_name", "bfd_process_name"],
            marks=marks("lvs_process_name"),
        ),
    ],
)
def test_names(lan: Lan, words: list[str]) -> None:
    found = children(lan, "\n".join(f"{word} one_{number}" for number, word in enumerate(words)))
    assert [process_name(pid) for pid in found.values()] == ["one_0", "one_1", "one_2"]


@proves(*of_each("priority"), *of_each("no_swap"), *of_each("cpu_affinity"))
def test_nice_values_memory_and_processors(lan: Lan) -> None:
    nice, processor = [-5, -6, -7], max(os.sched_getaffinity(0))
    lines = [
        f"{child}_priority {value}\n{child}_cpu_affinity {processor}\n{child}_no_swap"
        for child, value in zip(PIDS, nice, strict=True)
    ]
    found = children(lan, "\n".join(lines))
    assert [os.getpriority(os.PRIO_PROCESS, pid) for pid in found.values()] == nice
    assert [os.sched_getaffinity(pid) for pid in found.values()] == [{processor}] * 3
    assert min(locked_kb(pid) for pid in found.values()) > 0


@pytest.mark.parametrize(
    "limit",
    [
        pytest.param("rlimit_rttime", marks=marks(*of_each("rt_priority"), *of_each("rlimit_rttime"))),
        pytest.param("rlimit_rtime", marks=marks(*of_each("rlimit_rtime"))),
    ],
)
def test_real_time(lan: Lan, limit: str) -> None:
    lines = [
        f"{child}_rt_priority {11 + number}\n{child}_{limit} {(6 + number) * 200_000}"
        for number, child in enumerate(PIDS)
    ]
    found = children(lan, "\n".join(lines))
    node = lan.nodes["a"]
    lan.wait(lambda: lan.is_master(node))
    assert [os.sched_getscheduler(pid) & ~os.SCHED_RESET_ON_FORK for pid in found.values()] == [os.SCHED_RR] * 3
    assert [os.sched_getparam(pid).sched_priority for pid in found.values()] == [11, 12, 13]
    expected = [["600000", "1200000"], ["700000", "1400000"], ["800000", "1600000"]]
    assert [real_time_limits_us(pid) for pid in found.values()] == expected


def netlink_buffers(pid: int) -> dict[str, int]:
    """Bytes of the receive buffers of a process, as it asked for them: of the channel for commands, and the monitor."""
    found = {}
    libc, pidfd = ctypes.CDLL(None, use_errno=True), os.pidfd_open(pid)
    for name in os.listdir(f"/proc/{pid}/fd"):
        fd = libc.syscall(PIDFD_GETFD, pidfd, int(name), 0)
        if fd < 0 or not os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
            if fd >= 0:
                os.close(fd)
            continue
        with socket.socket(fileno=fd) as copy:
            if (copy.family, copy.proto) == (socket.AF_NETLINK, socket.NETLINK_ROUTE):
                kind = "monitor" if copy.getsockname()[1] else "cmd"
                found[kind] = copy.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
    os.close(pidfd)
    return found


RECEIVE_BUFFERS = [
    f"{process}_netlink_{kind}_rcv_bufs{force}"
    for process, kind in (("vrrp", "cmd"), ("vrrp", "monitor"), ("lvs", "monitor"))
    for force in ("", "_force")
]


@proves(*RECEIVE_BUFFERS)
@pytest.mark.parametrize("force", [False, True])
def test_receive_buffers_of_netlink(lan: Lan, force: bool) -> None:
    """With force they may be larger than the system's limit, which must hold otherwise."""
    limit = int(Path("/proc/sys/net/core/rmem_max").read_text())
    size = limit + 100_000
    words = ""
    for name in RECEIVE_BUFFERS:
        if not name.endswith("_force"):
            words += f"{name} {size}\n" + (f"{name}_force\n" if force else "")
    node = lan.host(f"global_defs {{\n{words}\n}}\n{BLOCKS}".replace("protocol TCP", "protocol TCP\nha_suspend"))
    node.start()
    lan.wait(lambda: node.said("Startup complete"))
    expected = size if force else limit
    assert netlink_buffers(node.pid_of("vrrp")) == {"cmd": expected, "monitor": expected}
    assert netlink_buffers(node.pid_of("checkers"))["monitor"] == expected


FIFO_WORDS = ["notify_fifo", "vrrp_notify_fifo", "lvs_notify_fifo"]


@proves(*FIFO_WORDS, *[f"{word}_script" for word in FIFO_WORDS])
def test_readers_of_fifos(lan: Lan, tmp_path: Path) -> None:
    """Each script gets the path of its FIFO behind its own words, and reads what belongs to it."""
    reader = tmp_path / "reader.sh"
    reader.write_text('#!/bin/sh\nwhile read -r line; do echo "$line" >> "$1"; done < "$2"\n')
    reader.chmod(0o755)
    words = "".join(
        f'{word} {tmp_path}/{word}\n{word}_script "{reader} {tmp_path}/{word}.out"\n' for word in FIFO_WORDS
    )
    node = lan.host(f"global_defs {{\nscript_user root\n{words}\n}}\n{BLOCKS}")

    def read(word: str) -> set[str]:
        out = tmp_path / f"{word}.out"
        return set(out.read_text().splitlines()) if out.exists() else set()

    node.start()
    ours, theirs = {'INSTANCE "VI_1" BACKUP 150', 'INSTANCE "VI_1" MASTER 150'}, {"VS [192.0.2.80]:tcp:80 UP"}
    lan.wait(lambda: ours <= read("vrrp_notify_fifo") and theirs <= read("lvs_notify_fifo"))
    lan.wait(lambda: ours | theirs <= read("notify_fifo"))
    assert not theirs & read("vrrp_notify_fifo")
    assert not ours & read("lvs_notify_fifo")
