"""Dumps of generated configurations, keepalived's and ours, by hand: `python -m tests.fuzz.dumps FIRST COUNT` (root).

Each seed is one configuration of one to six odd lines. Debian's keepalived runs it in a namespace with `--dump-conf`,
for a moment, as VRRP process alone (its checker needs ip_vs before it shows anything); its exit status of `-t` is
compared with ours too. The lines passed over are those of tests/observe/test_dump_corpus.py.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from difflib import unified_diff
from pathlib import Path

from pykeepalived.config.environment import Environment, gather
from pykeepalived.config.load import LoadOptions, load
from pykeepalived.config.model import Config
from pykeepalived.observe.dump.vrrp import vrrp_data
from pykeepalived.observe.snapshot import VrrpSnapshot
from pykeepalived.sim.machine import Machine, Plug
from tests.fuzz.configurations import Change, several, single, text_with
from tests.fuzz.test_differential import in_namespace, known_difference, verdict_of_keepalived
from tests.observe.test_dump_corpus import comparable
from tests.observe.wild import Nobody

PLUGS = [Plug(f"eth{number}", bytes(5) + bytes((number,)), (f"10.255.{number}.1/24",)) for number in (0, 1)]
_STAMP = re.compile(r"^\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}: ")
_INSTALLED = re.compile(r" \[installed ifindex \d+\]")
_FIRST = "------< Global definitions >------"
MOMENT_SECONDS = 0.25


def lines_of_keepalived(path: Path, namespace: str) -> list[str]:
    """What the VRRP process of keepalived shows of a configuration; [] when it would not run."""
    with tempfile.TemporaryDirectory(prefix="pykeepalived-fuzz-") as scratch:
        pids = [f"-{letter}{scratch}/{letter}.pid" for letter in "prcb"]
        words = ["ip", "netns", "exec", namespace, "keepalived", "-n", "-l", "-d", "-P", "-B", "-f", str(path), *pids]
        daemon = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            text = _read(daemon)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(daemon.pid, signal.SIGKILL)
            daemon.wait(10)
    shown = [_STAMP.sub("", line) for line in text.splitlines()]
    if _FIRST not in shown:
        return []
    # With reload_check_config a further process shows it first.
    last = len(shown) - 1 - shown[::-1].index(_FIRST)
    return [_INSTALLED.sub("", line) for line in shown[last:] if line.startswith((" ", "-"))]


def _read(daemon: subprocess.Popen[bytes]) -> str:
    """All that comes until nothing comes for a moment."""
    assert daemon.stdout is not None
    data, end = b"", time.monotonic() + 5
    while time.monotonic() < end and select.select([daemon.stdout], [], [], MOMENT_SECONDS)[0]:
        part = os.read(daemon.stdout.fileno(), 65536)
        if not part:
            break
        data += part
    return data.decode(errors="replace")


def vrrp_snapshot(config: Config) -> VrrpSnapshot:
    """The core just after its start on a machine as the namespace is."""
    machine = Machine("a", config, PLUGS, Nobody())
    machine.start(0)
    return machine.snapshot()


def disagreement(changes: tuple[Change, ...], path: Path, namespace: str, environment: Environment) -> list[str]:
    """How exit status and dumps differ."""
    path.write_text(text_with(*changes))
    status, messages = verdict_of_keepalived(path, namespace)
    if status is None:
        return ["crash"]
    if any(f"Unknown keyword '{change.line.split()[0]}'" in messages for change in changes):
        return []
    result = load(str(path), environment, LoadOptions())
    tested = load(str(path), environment, LoadOptions(config_test=True)).exit_status
    if tested != status:
        return [f"exit status {status}, ours {tested}"]
    if result.config is None or result.refused:
        return []
    theirs = lines_of_keepalived(path, namespace)
    if not theirs:
        return []
    ours = vrrp_data(result.config, vrrp_snapshot(result.config)).splitlines()
    lines = unified_diff(comparable(theirs), comparable(ours), n=0)
    return [line for line in list(lines)[2:] if line[0] in "+-"]


def main(words: list[str]) -> None:
    first, count = int(words[1]), int(words[2])
    compared = crashes = 0
    with in_namespace() as (namespace, interfaces), tempfile.TemporaryDirectory(prefix="pykeepalived-fuzz-") as scratch:
        environment = dataclasses.replace(gather(), interfaces=interfaces)
        for seed in range(first, first + count):
            changes = single(seed) if seed % 2 else several(seed)
            if any(known_difference(change) for change in changes):
                continue
            found = disagreement(changes, Path(scratch) / "k.conf", namespace, environment)
            compared += 1
            crashes += found == ["crash"]
            if found:
                print(seed, [(change.place, change.line) for change in changes], *found, sep="\n   ", flush=True)
    print(f"{compared} configurations compared, keepalived crashed in {crashes}")


if __name__ == "__main__":
    main(sys.argv)
