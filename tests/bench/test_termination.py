"""A measurement that is told to end removes its laboratory."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.netns,
    pytest.mark.interop,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("keepalived") or not shutil.which("bird"),
        reason="needs root, keepalived and BIRD",
    ),
]

ROOT = Path(__file__).parents[2]


def namespaces(prefix: str) -> list[str]:
    out = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    return [row.split()[0] for row in out.splitlines() if row.startswith(prefix)]


def test_nothing_is_left_of_a_terminated_run() -> None:
    process = subprocess.Popen([sys.executable, "-m", "bench.bfd", "1"], cwd=ROOT, stdout=subprocess.DEVNULL)
    prefix = f"pkbf{process.pid % 10000}x"
    try:
        end = time.monotonic() + 60
        while len(namespaces(prefix)) < 3 and time.monotonic() < end:
            time.sleep(0.05)
        assert len(namespaces(prefix)) >= 3
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
        assert namespaces(prefix) == []
    finally:
        process.kill()
        process.wait()
        for name in namespaces(prefix):
            subprocess.run(["ip", "netns", "del", name], check=False)
