"""auth_hmac with keys in files, brought in and replaced by reloads of a running pair: nobody notices."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.netns.conftest import Lan, instance

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]


def steps(directory: Path) -> list[str]:
    """auth_hmac as it changes; each key in a file of its own, one in hexadecimal digits."""
    keys = []
    for number, text in ((1, "a" * 32 + "\n"), (2, "hex:" + "0f" * 32)):
        file = directory / f"key{number}"
        file.touch(0o600)
        file.write_text(text)
        keys.append(f"key {number} file:{file}")
    one, two = keys
    rows = (
        (one, "active_key 1", "mode receive-only"),
        (one, "active_key 1", "mode permissive"),
        (one, "active_key 1"),
        (one, two, "active_key 1"),
        (one, two, "active_key 2"),
        (two, "active_key 2"),
    )
    return ["auth_hmac {\n    " + "\n    ".join(row) + "\n  }" for row in rows]


@pytest.mark.keyword("vrrp_instance/auth_hmac/key")
@pytest.mark.keyword("vrrp_instance/auth_hmac/active_key")
@pytest.mark.keyword("vrrp_instance/auth_hmac/mode")
def test_nobody_notices_a_rotation(lan: Lan, tmp_path: Path) -> None:
    a, b = lan.host(instance(150)), lan.host(instance(100))
    recorder = lan.recorder()
    a.start()
    b.start()
    lan.wait(lambda: lan.is_master(a) and b.states.get("VI_1") == "BACKUP")
    lan.pause(1)
    begin = time.monotonic()
    for lines in steps(tmp_path):
        for node, priority in ((b, 100), (a, 150)):
            node.config.write_text(instance(priority, lines))
            done = len(node.lines)
            node.reload()
            lan.wait(lambda node=node, done=done: any("Reload" in line for _, line in node.lines[done:]))  # type: ignore[misc]
            lan.pause(0.5)
    assert lan.is_master(a) and b.states["VI_1"] == "BACKUP", lan.log()
    assert not [line for _, line in b.lines if "HMAC" in line or "trailer" in line or "uthentication" in line]
    assert recorder.of("192.0.2.2", begin) == []
    # what the last step says is in force: the first key is not accepted any more
    b.config.write_text(instance(100, steps(tmp_path)[0].replace("mode receive-only", "mode enforce")))
    b.reload()
    lan.wait(lambda: lan.is_master(b))
