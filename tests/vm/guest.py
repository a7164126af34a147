"""Running a script of this directory in a guest, for tests of what it saw there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]


def seen_in_guest(
    script: str, share: Path, needs: Sequence[str], *, limit_s: int = 400, machine: Sequence[str] = ()
) -> dict[str, Any]:
    """What the script printed as JSON. It gets the directory in which the guest sees `share`.

    `machine` are further options of machine/vm.sh. The test is passed over where one of the programs is missing.
    """
    missing = [name for name in needs if shutil.which(name) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)}")
    words = ["env", f"PYTHONPATH={PROJECT}", sys.executable, str(HERE / script), "/mnt/share"]
    guest = ["bash", str(HERE / "machine/vm.sh"), *machine, "-t", str(limit_s), "-d", str(share), "--", *words]
    done = subprocess.run(guest, capture_output=True, text=True, timeout=limit_s + 90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
