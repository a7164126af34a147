"""The words of global_defs that say how the child processes run, from the text of a file to what the kernel has."""

from __future__ import annotations

import os
import re
from pathlib import Path

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


@pytest.mark.parametrize(
    ("nice", "processor"),
    [
        pytest.param(
            [-5, -6, -7],
            max(os.sched_getaffinity(0)),
            marks=marks(*of_each("priority"), *of_each("no_swap"), *of_each("cpu_affinity")),
        )
    ],
)
def test_nice_values_memory_and_processors(lan: Lan, nice: list[int], processor: int) -> None:
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
