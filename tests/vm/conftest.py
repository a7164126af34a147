"""What several modules share: the installed tree in a machine with systemd.

Tests that look at one run of the machine stay in one process, so that the run is made once.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if item.path.parent == HERE and fixtures & {"seen", "guests", "installed"}:
            group = "installed" if "installed" in fixtures else item.path.stem
            item.add_marker(pytest.mark.xdist_group(group))


@dataclass
class Installed:
    """A directory the guest sees as /mnt/share, with what `make install` made in `tree`."""

    share: Path

    def run(self, script: str) -> tuple[dict[str, str], list[str]]:
        """Run a script of this directory under systemd as PID 1; its `name=value` lines, and the journal's lines."""
        # systemd covers the guest's /tmp: everything comes through the share
        shutil.copy(HERE / script, self.share)
        words = ["bash", f"/mnt/share/{script}", "/mnt/share/tree"]
        guest = [str(HERE / "machine/vm.sh"), "-s", "-t", "300", "-d", str(self.share), "--", *words]
        for _ in range(2):
            done = subprocess.run(["bash", *guest], capture_output=True, text=True, timeout=600)
            if done.returncode != 124:
                break
        steps, _, journal = done.stdout.partition("--- journal\n")
        return dict(line.split("=", 1) for line in steps.splitlines() if "=" in line), journal.splitlines()


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    if os.geteuid() != 0 or shutil.which("linux.uml") is None:
        pytest.skip("needs root and user-mode-linux")
    share = tmp_path_factory.mktemp("share")
    words = ["make", "-C", str(PROJECT), "install", f"DESTDIR={share}/tree", "PREFIX=/usr"]
    subprocess.run(words, check=True, capture_output=True, timeout=600)
    return Installed(share)
