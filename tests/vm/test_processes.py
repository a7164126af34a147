"""vrrp_track_process word by word, ours beside Debian's keepalived, in a guest whose kernel tells of processes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import Any

import pytest

from tests.vm.guest import HERE, PROJECT, seen_in_guest
from tests.vm.processes import STEPS

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.interop, pytest.mark.timeout(1000)]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What processes.py saw in the guest, which has the distribution's kernel."""
    needs = ("qemu-system-x86_64", "busybox", "cpio", "keepalived")
    return seen_in_guest("processes.py", tmp_path_factory.mktemp("share"), needs, limit_s=900, machine=("-k", "qemu"))


@pytest.mark.keyword("vrrp_track_process/process")
@pytest.mark.keyword("vrrp_track_process/param_match")
@pytest.mark.keyword("vrrp_track_process/full_command")
@pytest.mark.keyword("vrrp_track_process/quorum")
@pytest.mark.keyword("vrrp_track_process/quorum_max")
@pytest.mark.keyword("vrrp_instance/track_process")
@pytest.mark.parametrize("step", STEPS)
def test_who_is_content(seen: dict[str, Any], step: str) -> None:
    expected = STEPS[step].split()
    assert seen[step] == {"ours": expected, "theirs": expected}


@pytest.mark.keyword("vrrp_track_process/delay")
@pytest.mark.keyword("vrrp_track_process/terminate_delay")
def test_a_successor_in_time_is_no_loss(seen: dict[str, Any]) -> None:
    assert seen["patience"] == {"ours": True, "theirs": True}


@pytest.mark.keyword("vrrp_track_process/weight")
def test_a_weight_changes_the_priority(seen: dict[str, Any]) -> None:
    # at the start it may be there at once; one in the place of another may be two changes or none
    for found in seen["priorities"].values():
        assert found[-2:] == ["160 to 100", "100 to 160"]
        assert set(found) == {"100 to 160", "160 to 100"}


def test_both_end_in_order(seen: dict[str, Any]) -> None:
    assert seen["status"] == {"ours": 0, "theirs": 0}


def test_a_kernel_that_tells_of_no_processes_is_known() -> None:
    """User-mode-linux has the connector without proc events: it takes the order and says nothing, ever."""
    if shutil.which("linux.uml") is None:
        pytest.skip("no linux.uml")
    code = "from pykeepalived.vrrp.processes import open_connector; print(open_connector())"
    words = ["env", f"PYTHONPATH={PROJECT}", sys.executable, "-c", code]
    guest = ["bash", str(HERE / "machine/vm.sh"), "-t", "120", "--", *words]
    done = subprocess.run(guest, capture_output=True, text=True, timeout=200, check=False)
    assert done.stdout.splitlines()[-1:] == ["None"], done.stdout + done.stderr
