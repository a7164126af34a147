"""What is asked of the machine: interfaces of a namespace, iproute2 names, files, accounts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pykeepalived.config.environment import gather
from pykeepalived.config.files import FileKind, FileStat
from pykeepalived.config.iproute_names import build_names, number_or_name, parse_names
from pykeepalived.config.values import Fault

NAMESPACE = f"pkcb-env{os.getpid()}"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, timeout=20)


@pytest.fixture
def namespace() -> Iterator[str]:
    subprocess.run(["ip", "netns", "del", NAMESPACE], stderr=subprocess.DEVNULL, timeout=20)
    ip("netns", "add", NAMESPACE)
    try:
        for words in (
            "link add eth0 type veth peer name p0",
            "addr add 10.7.0.1/24 dev eth0",
            "link set eth0 up",
            "link set p0 up",
            "link add mac0 link eth0 type macvlan mode private",
            "link set eth0 mtu 1400",
        ):
            ip("-n", NAMESPACE, *words.split())
        # Not every kernel has VRF devices.
        subprocess.run(
            ["ip", "-n", NAMESPACE, "link", "add", "red", "type", "vrf", "table", "77"], capture_output=True, timeout=20
        )
        yield NAMESPACE
    finally:
        ip("netns", "del", NAMESPACE)


@pytest.mark.netns
def test_interfaces_of_a_namespace(namespace: str) -> None:
    before = os.readlink("/proc/self/ns/net")
    found = gather().namespace_interfaces(namespace)
    assert os.readlink("/proc/self/ns/net") == before
    assert found is not None
    assert set(found) >= {"lo", "eth0", "p0", "mac0"}
    eth0 = found["eth0"]
    assert (eth0.is_up, eth0.mtu, eth0.kind, len(eth0.mac), eth0.can_multicast) == (True, 1400, "veth", 6, True)
    assert ("10.7.0.1", 24) in [(str(one.address), one.prefix_length) for one in eth0.addresses]
    if "red" in found:
        assert (found["red"].kind, found["red"].vrf_table) == ("vrf", 77)
    assert (found["mac0"].kind, found["mac0"].base_index, found["mac0"].macvlan_mode) == ("macvlan", eth0.index, 1)


def test_a_namespace_that_is_not_there() -> None:
    assert gather().namespace_interfaces("pkcb-nowhere") is None


def test_gathering_imports_no_netlink_library() -> None:
    """A config test must be quick: importing pyroute2 alone takes longer than all of it."""
    code = "import sys; from pykeepalived.config.environment import gather; gather(); print('pyroute2' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.strip() == "False"


def test_files(tmp_path: Path) -> None:
    files = gather().files
    path = tmp_path / "x"
    path.write_bytes(b"#!/bin/sh\n")
    path.chmod(0o640)
    (tmp_path / "l").symlink_to("x")
    assert files.lstat(str(path)) == FileStat(FileKind.FILE, 0o640, os.getuid(), os.getgid())
    link = files.lstat(str(tmp_path / "l"))
    assert isinstance(link, FileStat)
    assert (link.kind, link.target) == (FileKind.LINK, "x")
    assert files.head(str(tmp_path / "l"), 2) == b"#!"
    assert files.lstat(str(tmp_path / "none")) == 2
    assert files.lstat("a\0b") == 2
    proc = files.filesystem("/proc")
    assert isinstance(proc, tuple)
    assert proc[0] == 0x9FA0


def test_accounts() -> None:
    accounts = gather().accounts
    root = accounts.user("root")
    assert root is not None
    assert (root.uid, root.gid, accounts.group("root")) == (0, 0, 0)
    assert accounts.user("no-such-user-here") is None
    assert accounts.group("no-such-group-here") is None


def test_iproute_names(tmp_path: Path) -> None:
    usr, etc = tmp_path / "usr", tmp_path / "etc"
    (etc / "rt_tables.d").mkdir(parents=True)
    usr.mkdir()
    (usr / "rt_tables").write_text("# comment\n100 blue\n0x65\tred # note\nbad line\n")
    (etc / "rt_tables").write_text("110 blue\n")
    (etc / "rt_tables.d" / "a.conf").write_text("120 green\n")
    (etc / "rt_tables.d" / "b.txt").write_text("130 yellow\n")
    names = gather().iproute(str(usr), str(etc))
    assert {name: names.tables[name] for name in ("blue", "red", "green", "main")} == {
        "blue": 110,
        "red": 101,
        "green": 120,
        "main": 254,
    }
    assert "yellow" not in names.tables
    assert names.scopes["link"] == 253


def test_numbers_and_names() -> None:
    names = build_names({"rt_dsfield": ["0x10 lowdelay\n"]})
    assert parse_names("5 a\n6 a\n") == {"a": 6}
    assert number_or_name("lowdelay", names.dsfields, 255) == 16
    assert number_or_name("0x12", names.dsfields, 255) == 18
    assert isinstance(number_or_name("256", names.dsfields, 255), Fault)
