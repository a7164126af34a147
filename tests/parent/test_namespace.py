"""net_namespace, instance and use_pid_dir: where the daemon lives and where its files are."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pykeepalived.parent.paths import control_socket, run_paths
from pykeepalived.runtime.messages import ChildKind
from tests.parent.running import wait_for

NAMESPACE = f"pkrt-test{os.getpid()}"
VRRP, CHECKER, BFD = ChildKind.VRRP, ChildKind.CHECKER, ChildKind.BFD


def test_default_paths():
    paths = run_paths()
    assert paths.parent == "/run/keepalived.pid"
    assert paths.children == {VRRP: "/run/vrrp.pid", CHECKER: "/run/checkers.pid", BFD: "/run/bfd.pid"}
    assert paths.control_socket == "/run/keepalived/pykeepalived.sock"
    assert not paths.needs_directory


@pytest.mark.keyword("use_pid_dir")
@pytest.mark.keyword("instance")
@pytest.mark.parametrize(
    ("names", "stem"),
    [
        ({"use_pid_dir": True}, "/run/keepalived/{}.pid"),
        ({"namespace": "ns"}, "/run/keepalived/{}.pid"),
        ({"instance": "I"}, "/run/keepalived/{}_I.pid"),
        ({"instance": "I", "namespace": "ns"}, "/run/keepalived/{}_I.pid"),
    ],
)
def test_paths_in_the_run_directory(names, stem):
    paths = run_paths(**names)
    assert paths.needs_directory
    assert paths.parent == stem.format("keepalived")
    assert paths.children == {
        VRRP: stem.format("vrrp"),
        CHECKER: stem.format("checkers"),
        BFD: stem.format("bfd"),
    }


def test_paths_of_the_command_line_win():
    paths = run_paths(instance="I", parent="/x/a.pid", children={VRRP: "/x/v", CHECKER: ""})
    assert paths.parent == "/x/a.pid"
    assert paths.children[VRRP] == "/x/v"
    assert paths.children[CHECKER] == "/run/keepalived/checkers_I.pid"
    assert paths.control_socket == "/x/a.sock"


@pytest.mark.keyword("global_defs/reload_file")
@pytest.mark.parametrize(
    ("names", "path"),
    [
        ({}, "/run/keepalived.reload"),
        ({"use_pid_dir": True}, "/run/keepalived/keepalived.reload"),
        ({"instance": "I"}, "/run/keepalived/keepalived_I.reload"),
    ],
)
def test_default_reload_file(names, path):
    assert run_paths(reload_file="default", **names).reload_file == path
    assert run_paths(reload_file="/x", **names).reload_file == "/x"
    assert run_paths(**names).reload_file == ""


def test_each_instance_has_its_own_control_socket():
    assert control_socket("a") == "/run/keepalived/pykeepalived_a.sock"
    assert control_socket("a", "/run/x.pid") == "/run/x.sock"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def namespace():
    subprocess.run(["ip", "netns", "del", NAMESPACE], check=False, capture_output=True)
    ip("netns", "add", NAMESPACE)
    yield NAMESPACE
    subprocess.run(["ip", "netns", "del", NAMESPACE], check=False, capture_output=True)


@pytest.mark.netns
@pytest.mark.keyword("net_namespace")
def test_the_daemon_and_its_children_live_in_the_namespace(daemon, namespace):
    running = daemon({"wants": ["vrrp"], "globals": {"net_namespace": namespace, "instance": "pkrt"}})
    running.wait_line("Startup complete")
    assert f"Changing syslog ident to Keepalived_{namespace}_pkrt" in running.lines()
    inside = os.stat(f"/run/netns/{namespace}").st_ino
    for name in "kv":
        assert os.stat(f"/proc/{running.pid(name)}/ns/net").st_ino == inside
        assert os.stat(f"/proc/{running.pid(name)}/ns/mnt").st_ino != os.stat("/proc/self/ns/mnt").st_ino
    running.stop()
    wait_for(lambda: not Path(f"/run/keepalived/{namespace}").exists(), "private run directory removed")


@pytest.mark.netns
@pytest.mark.keyword("net_namespace")
def test_pid_files_are_private_to_the_namespace(daemon, namespace):
    running = daemon({"wants": ["vrrp"], "globals": {"net_namespace": namespace}}, pid_files=False)
    running.wait_line("Startup complete")
    outside = Path(f"/run/keepalived/{namespace}")
    assert sorted(path.name for path in outside.iterdir()) == ["keepalived.pid", "pykeepalived.sock", "vrrp.pid"]
    assert int((outside / "keepalived.pid").read_text()) == running.process.pid
    inside = Path(f"/proc/{running.process.pid}/root/run/keepalived/keepalived.pid")
    assert int(inside.read_text()) == running.process.pid
    assert running.stop() == 0
    assert not outside.exists()


@pytest.mark.netns
def test_a_missing_namespace_ends_the_start_with_status_0(daemon):
    running = daemon({"wants": ["vrrp"], "globals": {"net_namespace": "pkrt-none"}})
    assert running.process.wait(60) == 0
    assert running.lines()[-2:] == [
        "Failed to open /run/netns/pkrt-none",
        "Unable to set network namespace pkrt-none - exiting",
    ]
