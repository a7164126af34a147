"""The flight recorder of a running daemon: what it writes down comes about again when it is replayed."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pykeepalived.cli.replay import replay_text
from pykeepalived.lab.node import OURS, Node
from pykeepalived.observe.recorder import Replay, Shown
from tests.netns.conftest import Lan, has, instance

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]
VIP = "192.0.2.100"


def record(node: Node, path: Path, *options: str) -> Replay:
    assert node.process is not None
    command = [*OURS, "record", "--main-pid", str(node.process.pid), *options, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return replay_text(path.read_text())


def states(replay: Replay, name: str = "VI_1") -> list[str]:
    return [each.what.state for each in replay.replayed if isinstance(each.what, Shown) and each.what.name == name]


def test_record_of_takeover_replays_the_same(lan: Lan, tmp_path: Path) -> None:
    lines = "authentication {\n    auth_type PASS\n    auth_pass s3cr3t-x\n  }\n  version 2\n  advert_int 1"
    a, b = lan.host(instance(150, lines)), lan.host(instance(100, lines))
    a.start()
    lan.wait(lambda: lan.is_master(a) and has(a, VIP))
    b.start()
    lan.wait(lambda: b.states.get("VI_1") == "BACKUP")
    lan.pause(3)
    a.namespace.carrier("eth0", False)
    lan.wait(lambda: lan.is_master(b) and has(b, VIP))
    lan.pause(2)
    a.namespace.carrier("eth0", True)
    lan.wait(lambda: lan.is_master(a) and b.states["VI_1"] == "BACKUP")
    lan.pause(1)
    for node, path, expected in (
        (a, tmp_path / "a.record", ["BACKUP", "MASTER", "FAULT", "BACKUP", "MASTER"]),
        (b, tmp_path / "b.record", ["BACKUP", "MASTER", "BACKUP"]),
    ):
        replay = record(node, path)
        assert replay.exact
        assert replay.same, (replay.recorded, replay.replayed)
        assert states(replay) == expected
        # to the nanosecond: the clock of the replay is the recorded one
        assert [each.at for each in replay.recorded] == pytest.approx(
            [each.at for each in replay.replayed if isinstance(each.what, Shown)], abs=20_000_000
        )
        text = path.read_bytes()
        assert b"s3cr3t-x" not in text
        assert b"s3cr3t-x".hex().encode() not in text
        assert record(node, path, "--secrets").same
        assert b"s3cr3t-x".hex().encode() in path.read_bytes()


def test_record_needs_a_running_process(lan: Lan, tmp_path: Path) -> None:
    a = lan.host(instance(150))
    a.start()
    lan.wait(lambda: lan.is_master(a))
    assert a.process is not None
    command = [*OURS, "record", "--main-pid", str(a.process.pid), "--process", "bfd", str(tmp_path / "x")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, "no such process runs\n")
    assert not os.path.exists(tmp_path / "x")


def test_record_of_bfd_replays_the_same(lan: Lan, tmp_path: Path) -> None:
    def config(own: int, neighbor: int, priority: int) -> str:
        addresses = f"neighbor_ip 192.0.2.{neighbor}\n  source_ip 192.0.2.{own}"
        return f"bfd_instance peer {{\n  {addresses}\n  min_rx 100\n  min_tx 100\n}}\n{instance(priority)}"

    a, b = lan.host(config(1, 2, 150)), lan.host(config(2, 1, 100))
    for node in (a, b):
        node.start()
    lan.wait(lambda: a.said("(peer) Entering Up state") and b.said("(peer) Entering Up state"))
    lan.pause(1)
    b.kill()
    lan.wait(lambda: a.said("(peer) Entering Down state"))
    lan.pause(0.5)
    b.start()
    lan.wait(lambda: sum("(peer) Entering Up state" in line for _, line in a.lines) == 2)
    replay = record(a, tmp_path / "bfd.record", "--process", "bfd")
    assert replay.exact
    assert replay.same, (replay.missing, replay.extra)
    assert states(replay, "peer")[-1] == "Up"
    assert states(replay, "peer").count("Up") == 2


SERVER = "192.0.2.2"


def test_record_of_the_checkers_replays_the_same(lan: Lan, tmp_path: Path) -> None:
    """A server that is switched off and on, one that a script judges, and a reload."""
    verdict = tmp_path / "verdict"
    verdict.write_text("0")
    script = tmp_path / "check.sh"
    script.write_text(f"#!/bin/sh\nexit $(cat {verdict})\n")
    for path in (script, tmp_path):
        path.chmod(0o755)

    def config(more: str = "") -> str:
        tcp = "TCP_CHECK {\n connect_timeout 1\n }"
        misc = f'MISC_CHECK {{\n misc_path "{script}"\n misc_timeout 5\n user root\n }}'
        common = "delay_loop 1\n retry 1\n delay_before_retry 1"
        return (
            f"virtual_server 192.0.2.100 80 {{\n {common}\n protocol TCP\n {more}\n"
            f"real_server {SERVER} 8080 {{\n {tcp}\n }}\n real_server 192.0.2.3 80 {{\n {misc}\n }}\n}}\n"
        )

    def counted(text: str) -> int:
        return sum(text in line for _, line in a.lines)

    def told(text: str, times: int = 1) -> None:
        lan.wait(lambda: counted(text) >= times, 30)

    a, b = lan.host(config()), lan.host("")
    lan.net.segment("lan")
    a.start()
    removed = "Removing service [192.0.2.{}]:tcp:{} from VS [192.0.2.100]:tcp:80".format
    added = "Adding service [192.0.2.{}]:tcp:{} to VS [192.0.2.100]:tcp:80".format
    told(removed(2, 8080))
    with b.namespace.spawn([sys.executable, "-m", "http.server", "8080"], stdout=-3, stderr=-3) as server:
        try:
            told(added(2, 8080))
            verdict.write_text("1")
            told(removed(3, 80))
            verdict.write_text("0")
            told(added(3, 80))
            a.config.write_text(config("quorum 2"))
            a.reload()
            lan.pause(2)
        finally:
            server.kill()
    told(removed(2, 8080), 2)
    replay = record(a, tmp_path / "checker.record", "--process", "checker")
    assert replay.exact
    assert replay.same, (replay.missing, replay.extra)
    assert states(replay, f"[{SERVER}]:tcp:8080 of [192.0.2.100]:tcp:80") == ["DOWN", "UP", "DOWN"]
    assert states(replay, "[192.0.2.3]:tcp:80 of [192.0.2.100]:tcp:80") == ["DOWN", "UP"]
    lines = [each.what for each in replay.replayed if isinstance(each.what, str)]
    assert lines.count(removed(2, 8080)) == 2
