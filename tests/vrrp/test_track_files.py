"""Tracked files and processes: numbers, weights, faults, quorum and delays."""

from __future__ import annotations

import pytest

from pykeepalived.config.model.values import leading_number
from pykeepalived.config.model.vrrp import (
    State,
    Trackers,
    TrackFile,
    TrackProcess,
)
from pykeepalived.vrrp import effects as fx
from pykeepalived.vrrp import inputs
from tests.vrrp.lan import Lan, Node, address, config, instance, view
from tests.vrrp.tracked import priority, start, tracker

# files


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (None, 0),
        (b"", 0),
        (b"12\n", 12),
        (b"  -7 trailing", -7),
        (b"+3", 3),
        (b"0x1F", 31),
        (b"0x", 0),
        (b"010", 8),
        (b"089", 0),
        (b"abc", 0),
        (b"1" + b"0" * 5, 100000),
        (b" " * 126 + b"55", 5),
        (b"-", 0),
    ],
)
def test_numbers(content: bytes | None, value: int) -> None:
    assert leading_number(content or b"") == value


@pytest.mark.parametrize(
    ("weight", "reverse", "content", "expected"),
    [
        (1, False, b"10", 110),
        (2, False, b"10", 120),
        (2, True, b"10", 80),
        (-3, False, b"10", 70),
        (1, False, b"1000", 254),
        (1, False, b"-253", 1),
        (1, False, None, 100),
    ],
)
@pytest.mark.keyword("vrrp_instance/track_file")
def test_file_weights(weight: int, reverse: bool, content: bytes | None, expected: int) -> None:
    lan = Lan()
    more: dict[str, object] = {"track_files": (TrackFile(name="f", path="/f"),)}
    node = start(lan, Trackers(files=(tracker("f", weight, reverse),)), more)
    assert node.effects(fx.WatchTrackers)[0][1].files == ("f",)  # type: ignore[attr-defined]
    node.receive(inputs.FileChanged("f", content))
    assert priority(node) == expected
    assert node.state() == "BACKUP"


@pytest.mark.parametrize(
    ("weight", "reverse", "content", "fault"),
    [
        (0, False, b"1", True),
        (0, False, b"0", False),
        (0, True, b"0", True),
        (0, True, b"5", False),
        (1, False, b"-254", True),
        (2, False, b"-127", True),
        (-1, False, b"254", True),
        (1, False, b"-253", False),
    ],
)
def test_file_faults(weight: int, reverse: bool, content: bytes, fault: bool) -> None:
    lan = Lan()
    more: dict[str, object] = {"track_files": (TrackFile(name="f", path="/f"),)}
    node = start(lan, Trackers(files=(tracker("f", weight, reverse),)), more)
    node.receive(inputs.FileChanged("f", content))
    assert (node.state() == "FAULT") is fault
    if fault:
        assert "(VI_1): tracked file f now FAULT state" in node.log()
        node.receive(inputs.FileChanged("f", b"1" if reverse else b"0"))
        assert node.state() == "BACKUP"
        assert "(VI_1): tracked file f leaving FAULT state" in node.log()


@pytest.mark.parametrize("kind", ["file", "process"])
@pytest.mark.keyword("vrrp_instance/track_file")
@pytest.mark.keyword("vrrp_instance/track_process")
def test_an_owner_that_starts_with_a_fault_says_nothing(kind: str) -> None:
    """Files and processes count from the first decision on: no advert, no address, no wrong notification."""
    lan = Lan()
    files, processes = (TrackFile(name="t", path="/f"),), (TrackProcess(name="t", process="sleep"),)
    track = Trackers(files=(tracker("t"),)) if kind == "file" else Trackers(processes=(tracker("t"),))
    machine = view(address("192.0.2.1/24"), files={"t": b"1"}, processes={"t": 0})
    owner = instance(track=track, priority=255, state=State.MASTER)
    node = lan.node("A", config(owner, track_files=files, track_processes=processes), machine)
    assert node.state() == "FAULT"
    assert node.effects(fx.SendAdverts) == node.effects(fx.ChangeNetwork) == []
    assert [effect.state for _, effect in node.effects(fx.NotifyInstance)] == ["FAULT"]  # type: ignore[attr-defined]
    reason = "tracked file t has status 1" if kind == "file" else "tracked process t quorum not achieved"
    assert [
        line for line in node.log() if reason in line
    ] and "(VI_1): tracked file t now FAULT state" not in node.log()
    node.receive(inputs.FileChanged("t", b"0") if kind == "file" else inputs.ProcessCount("t", 1))
    assert node.state() == "MASTER"


def test_the_first_notification_has_the_priority_of_a_file() -> None:
    lan = Lan()
    machine = view(address("192.0.2.1/24"), files={"f": b"3"})
    configuration = config(
        instance(track=Trackers(files=(tracker("f", -1),))), track_files=(TrackFile(name="f", path="/f"),)
    )
    node = lan.node("A", configuration, machine)
    assert [(e.state, e.priority) for _, e in node.effects(fx.NotifyInstance)] == [("BACKUP", 97)]  # type: ignore[attr-defined]


def test_file_number_too_big() -> None:
    lan = Lan()
    more: dict[str, object] = {"track_files": (TrackFile(name="f", path="/f"),)}
    node = start(lan, Trackers(files=(tracker("f", 1),)), more)
    node.receive(inputs.FileChanged("f", b"7"))
    node.receive(inputs.FileChanged("f", b"2147483648"))
    assert priority(node) == 107
    assert "Invalid number 2147483648 read from /f - ignoring" in node.log()


# processes


def process_node(lan: Lan, weight: int = 0, **values: object) -> Node:
    processes = (TrackProcess(name="p", process="sleep", **values),)  # type: ignore[arg-type]
    return start(lan, Trackers(processes=(tracker("p", weight),)), {"track_processes": processes})


@pytest.mark.keyword("vrrp_instance/track_process")
@pytest.mark.keyword("vrrp_track_process/quorum")
def test_process_quorum() -> None:
    lan = Lan()
    node = process_node(lan, quorum=2, quorum_max=3)
    assert node.effects(fx.WatchTrackers)[0][1].processes == ("p",)  # type: ignore[attr-defined]
    seen = []
    for count in (1, 2, 3, 4, 3, 1):
        node.receive(inputs.ProcessCount("p", count))
        seen.append(node.state())
    assert seen == ["FAULT", "BACKUP", "BACKUP", "FAULT", "BACKUP", "FAULT"]
    assert node.log().count("Quorum gained for tracked process p") == 2
    assert node.log().count("Quorum lost for tracked process p") == 2


@pytest.mark.keyword("vrrp_track_process/quorum_max")
def test_process_that_must_not_run() -> None:
    lan = Lan()
    node = process_node(lan, quorum=0, quorum_max=0)
    node.receive(inputs.ProcessCount("p", 0))
    assert node.state() == "BACKUP"
    node.receive(inputs.ProcessCount("p", 1))
    assert node.state() == "FAULT"


@pytest.mark.keyword("vrrp_track_process/terminate_delay")
@pytest.mark.keyword("vrrp_track_process/fork_delay")
def test_process_delays() -> None:
    lan = Lan()
    node = process_node(lan, fork_delay_us=3_000_000, terminate_delay_us=500_000)
    node.receive(inputs.ProcessCount("p", 1))
    assert node.state() == "BACKUP"
    node.receive(inputs.ProcessCount("p", 0))
    lan.run(0.4)
    assert node.state() == "BACKUP"
    node.receive(inputs.ProcessCount("p", 1))
    lan.run(1)
    assert node.state() == "BACKUP"
    node.receive(inputs.ProcessCount("p", 0))
    lan.run(0.5)
    assert node.state() == "FAULT"
    node.receive(inputs.ProcessCount("p", 1))
    lan.run(2.9)
    assert node.state() == "FAULT"
    lan.run(0.1)
    assert node.state() == "BACKUP"
