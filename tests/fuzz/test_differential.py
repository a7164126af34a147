"""The same generated configurations judged by Debian's keepalived and by us: the config tests end with the same status.

keepalived 2.2.7 is the other judge. Passed over are configurations which 2.4.3 is known to judge differently (the list
stands below) and those that make the C daemon crash: neighbor_ip without an address, a track_file that is not defined.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from pykeepalived.config.environment import Environment, gather
from pykeepalived.config.interfaces import Interface
from pykeepalived.config.load import LoadOptions, load
from tests.config.support import run
from tests.fuzz import structures
from tests.fuzz.configurations import Change, all_changes, several, single, text_with

NAMESPACE = f"pkcb{os.getpid()}"
SINGLES, SEVERALS, STRUCTURES = range(160), range(1000, 1060), range(150)

DIFFERENCES = (
    (r": http_protocol 2$", "HTTP/2 is ours"),
    (r"url: path ", "a second path is an error in 2.4.3, silent in 2.2.7"),
    (r"url: regex ", "not exactly one string is an error in 2.4.3, silent in 2.2.7"),
    (r"url: regex$", "as before"),
    (r"global_defs: vrrp_strict", "strict mode with unicast peers is refused by 2.4.3 only"),
    (r"vrrp_instance/unicast_peer: ", "repeated peers are dropped by 2.4.3 only"),
    (r"vrrp_script: (interval|timeout) .*\.", "fractions of a second are new in 2.4"),
    (r"global_defs: reload_time_file ", "2.4.3 wants an absolute path"),
    (r"global_defs: vrrp_skip_check_adv_addr ", "2.2.7 does not look at the word"),
    (r"global_defs: notification_email_from .* ", "2.4.3 counts the words"),
    (r"DNS_CHECK: name [^.]\.", "a label of one character is refused by keepalived, a plain defect"),
    (r"SMTP_CHECK: bindto fe80", "2.2.7 does not know the destination yet when hosts follow"),
)
"""Places and lines whose verdict is not 2.2.7's, and why."""


def known_difference(change: Change) -> str:
    text = f"{change.place}: {change.line}"
    return next((why for pattern, why in DIFFERENCES if re.search(pattern, text)), "")


@contextlib.contextmanager
def in_namespace() -> Iterator[tuple[str, Mapping[str, Interface]]]:
    """A namespace with the interfaces the generated files name, as the check sees it."""
    subprocess.run(["ip", "netns", "add", NAMESPACE], check=True, timeout=20)
    try:
        for number in (0, 1):
            for words in (
                f"link add eth{number} type veth peer name p{number}",
                f"addr add 10.255.{number}.1/24 dev eth{number}",
                f"link set eth{number} up",
                f"link set p{number} up",
            ):
                subprocess.run(["ip", "-n", NAMESPACE, *words.split()], check=True, timeout=20)
        interfaces = gather().namespace_interfaces(NAMESPACE)
        assert interfaces is not None
        yield NAMESPACE, interfaces
    finally:
        subprocess.run(["ip", "netns", "del", NAMESPACE], check=True, timeout=20)


@pytest.fixture(scope="module")
def environment() -> Iterator[Environment]:
    if shutil.which("keepalived") is None:
        pytest.skip("keepalived is not installed")
    with in_namespace() as (_, interfaces):
        yield dataclasses.replace(gather(), interfaces=interfaces)


def verdict_of_keepalived(path: Path, namespace: str = NAMESPACE) -> tuple[int | None, str]:
    """Exit status and messages; None when it crashed or hung (its crash handler waits for a debugger)."""
    command = ["ip", "netns", "exec", namespace, "timeout", "5", "keepalived", "-t", "-f", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=30)
    crashed = done.returncode < 0 or done.returncode >= 124
    return None if crashed else done.returncode, done.stderr


def disagreement(changes: tuple[Change, ...], path: Path, environment: Environment) -> str:
    """What the two judges say when they do not agree, "" when they do or when the case does not count."""
    if any(known_difference(change) for change in changes):
        return ""
    path.write_text(text_with(*changes))
    theirs, messages = verdict_of_keepalived(path)
    # Words that came after 2.2.7 are unknown to it, and the crashes of a C daemon are no verdict.
    newer = any(f"Unknown keyword '{change.line.split()[0]}'" in messages for change in changes)
    if theirs is None or (newer and not any(change.line.startswith("no_such_keyword") for change in changes)):
        return ""
    result = load(str(path), environment, LoadOptions(config_test=True))
    if result.exit_status == theirs:
        return ""
    ours = [finding.message for finding in result.findings if finding.kind]
    return f"{changes}: keepalived {theirs} {messages.splitlines()[:5]}, we {result.exit_status} {ours[:5]}"


@pytest.mark.netns
@pytest.mark.interop
def test_base_is_sound(environment: Environment, tmp_path: Path) -> None:
    """Without this the rest would prove nothing."""
    path = tmp_path / "k.conf"
    path.write_text(text_with())
    assert verdict_of_keepalived(path)[0] == 0
    assert load(str(path), environment, LoadOptions(config_test=True)).exit_status == 0


@pytest.mark.netns
@pytest.mark.interop
def test_one_odd_line(environment: Environment, tmp_path: Path) -> None:
    path = tmp_path / "k.conf"
    found = [disagreement(single(seed), path, environment) for seed in SINGLES]
    assert [text for text in found if text] == []


@pytest.mark.netns
@pytest.mark.interop
def test_several_odd_lines(environment: Environment, tmp_path: Path) -> None:
    path = tmp_path / "k.conf"
    found = [disagreement(several(seed), path, environment) for seed in SEVERALS]
    assert [text for text in found if text] == []


@pytest.mark.netns
@pytest.mark.interop
def test_odd_structures(environment: Environment, tmp_path: Path) -> None:
    judged, found = 0, []
    for seed in STRUCTURES:
        deeds, files = structures.made(seed)
        path = structures.write(files, tmp_path / str(seed))
        theirs, messages = verdict_of_keepalived(path)
        result = load(str(path), environment, LoadOptions(config_test=True, findings_only=True))
        # A repeated address is an error in 2.4.3, silent in 2.2.7, and the crashes of a C daemon are no verdict.
        if theirs is None or any(finding.code == "address-repeated" for finding in result.findings):
            continue
        judged += 1
        if theirs != result.exit_status:
            said = messages.splitlines()[:5]
            found.append(f"{seed} {deeds}: keepalived {theirs} {said}, we {result.exit_status}")
    assert found == []
    assert judged > len(STRUCTURES) * 9 // 10


def test_structures_are_sound_and_odd() -> None:
    """The file is accepted as it stands, and the seeds reach every status that a text alone can cause."""
    assert run(structures.SOUND).exit_status == 0
    assert {deed for seed in range(60) for deed in structures.made(seed)[0]} == {
        deed.__name__ for deed in structures.DEEDS
    }
    found = set()
    for seed in range(60):
        files = {f"/etc/keepalived/{name}": text for name, text in structures.made(seed)[1].items()}
        found.add(run(files.pop(f"/etc/keepalived/{structures.MAIN}"), files=files).exit_status)
    assert found >= {0, 2, 5}


def test_the_generator_reaches_every_section() -> None:
    """Each block of the table has lines of its own, good and bad."""
    changes = list(all_changes())
    assert len(changes) > 4000
    places = {change.place for change in changes}
    assert {"global_defs", "vrrp_instance", "bfd_instance", "virtual_server/real_server/HTTP_GET/url"} <= places


def test_differences_are_few() -> None:
    """The list must not grow into an excuse: it covers at most one line in thirty."""
    changes = list(all_changes())
    assert sum(bool(known_difference(change)) for change in changes) * 30 < len(changes)
