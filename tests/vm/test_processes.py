"""vrrp_track_process word by word, ours beside Debian's keepalived, in a guest whose kernel tells of processes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.vm.processes import STEPS

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.interop, pytest.mark.timeout(1000)]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What processes.py saw in the guest, which has the distribution's kernel."""
    missing = [name for name in ("qemu-system-x86_64", "busybox", "cpio", "keepalived") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)}")
    share = tmp_path_factory.mktemp("share")
    script = ["env", f"PYTHONPATH={PROJECT}", sys.executable, str(HERE / "processes.py"), "/mnt/share"]
    guest = ["bash", str(HERE / "machine/vm.sh"), "-k", "qemu", "-t", "900", "-d", str(share), "--", *script]
    done = subprocess.run(guest, capture_output=True, text=True, timeout=950, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


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
