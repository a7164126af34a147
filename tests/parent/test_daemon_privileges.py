"""What the processes of the daemon hold: descriptors, capabilities, and what their scripts get of them."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from pykeepalived.parent.namespace import in_initial_network_namespace
from tests.parent.running import alive, wait_for
from tests.parent.wanted import ALL, VRRP


def test_the_children_hold_no_descriptors_of_others(daemon):
    running = daemon(ALL)
    running.wait_line("Startup complete")
    for name in "vcb":
        pid = running.pid(name)
        descriptors = [f"/proc/{pid}/fd/{fd}" for fd in os.listdir(f"/proc/{pid}/fd")]
        targets = [os.readlink(descriptor) for descriptor in descriptors]
        pid_files = [path for path in running.directory.glob("*.pid") for each in descriptors if path.samefile(each)]
        assert pid_files == [Path(running.pid_path(name))]
        assert not [target for target in targets if ".sock" in target]
        assert sum("eventpoll" in target for target in targets) == 1


BFD_NEEDS = 1 << 1 | 1 << 3 | 1 << 10 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 23 | 1 << 24
FIFOS_NEED = 1 << 0
SCRIPTS_NEED = 1 << 5 | 1 << 6 | 1 << 7
TRACKED_PROCESSES_NEED = 1 << 19
NAMESPACES_NEED = 1 << 19 | 1 << 21


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_children_hold_only_the_capabilities_they_need_and_get_no_others(daemon):
    running = daemon(ALL)
    running.wait_line("Startup complete")
    held = int(process_status(os.getpid())["CapPrm"], 16)
    abroad = 0 if in_initial_network_namespace() else NAMESPACES_NEED
    checker = BFD_NEEDS | FIFOS_NEED | abroad
    for child, needed in (("b", BFD_NEEDS), ("c", checker), ("v", checker | TRACKED_PROCESSES_NEED)):
        status = process_status(running.pid(child))
        assert status["NoNewPrivs"] == "1"
        assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == held & needed
        assert int(status["CapBnd"], 16) & ~needed == 0


@pytest.fixture
def shared_directory():
    """A directory that other users can enter, on a file system that honours setuid programs."""
    path = Path(tempfile.mkdtemp(dir="/var/tmp"))
    path.chmod(0o777)
    yield path
    shutil.rmtree(path)


def helper_of(running, name: str) -> int:
    """The script helper of a child: the daemon's process that is named like the child and is not the child."""
    parent, child = running.process.pid, running.pid(name)
    comm = Path(f"/proc/{child}/comm").read_text()
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    helpers = [int(pid) for pid in children if int(pid) != child and Path(f"/proc/{pid}/comm").read_text() == comm]
    return helpers[0] if len(helpers) == 1 else 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("name", ["v", "c"])
def test_scripts_of_an_unprivileged_user_can_still_run_setuid_programs(daemon, shared_directory, name):
    """What sudo needs: the child gave up the right to gain privileges, its scripts did not."""
    shutil.copy("/usr/bin/id", shared_directory / "id")
    (shared_directory / "id").chmod(0o4755)
    script = shared_directory / "script"
    script.write_text(f"#!/bin/sh\n{shared_directory}/id -ru > $0.out; {shared_directory}/id -u >> $0.out\n")
    script.chmod(0o755)
    kind = {"v": "vrrp", "c": "checker"}[name]
    names = {"process_names": True}
    running = daemon({**ALL, "globals": names, "children": {kind: {"script": [str(script)], "uid": 65534}}})
    running.wait_line(f"{kind} script ended with 0")
    assert (shared_directory / "script.out").read_text().split() == ["65534", "0"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_scripts_of_root_have_every_capability_of_the_daemon(daemon, shared_directory):
    out = shared_directory / "out"
    command = ["/bin/sh", "-c", f"cat /proc/self/status > {out}"]
    running = daemon({**VRRP, "children": {"vrrp": {"script": command}}})
    running.wait_line("vrrp script ended with 0")
    status = dict(line.split(":\t", 1) for line in out.read_text().splitlines() if ":\t" in line)
    own = process_status(running.process.pid)
    assert status["NoNewPrivs"] == own["NoNewPrivs"]
    assert status["CapEff"] == own["CapBnd"]


def test_a_killed_script_helper_is_replaced_and_the_next_script_runs(daemon):
    children = {"vrrp": {"script": ["/bin/true"]}}
    running = daemon({**VRRP, "globals": {"process_names": True}, "children": children})
    running.wait_line("vrrp script ended with 0")
    first = wait_for(lambda: helper_of(running, "v"), "helper")
    os.kill(first, signal.SIGKILL)
    running.wait_line("Script process died - restarting it")
    running.write({**VRRP, "globals": {"process_names": True}, "children": children})
    running.signal(signal.SIGHUP)
    running.wait_line("vrrp script ended with 0", 2)
    second = wait_for(lambda: helper_of(running, "v"), "another helper, the dead one collected")
    assert second != first
    assert running.stop() == 0
    wait_for(lambda: not alive(second), "the helper leaves with its child")


def test_the_helper_of_a_killed_child_leaves_and_the_next_child_has_its_own(daemon):
    children = {"vrrp": {"script": ["/bin/true"]}}
    running = daemon({**VRRP, "globals": {"process_names": True}, "children": children})
    running.wait_line("vrrp script ended with 0")
    first = wait_for(lambda: helper_of(running, "v"), "helper")
    os.kill(running.pid("v"), signal.SIGKILL)
    running.wait_line("vrrp script ended with 0", 2)
    wait_for(lambda: not Path(f"/proc/{first}").exists(), "the first helper leaves and is collected")
    assert wait_for(lambda: helper_of(running, "v"), "helper of the new child") != first


def process_status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if "\t" in line)
