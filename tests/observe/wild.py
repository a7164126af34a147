"""Configurations of other people, read where they lie, and an environment as it was when their dumps were taken."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from pykeepalived.config.environment import Environment, SystemFiles
from pykeepalived.config.files import FileKind, FileStat
from pykeepalived.config.interfaces import Interface, InterfaceAddress
from pykeepalived.config.load import LoadOptions, load
from pykeepalived.config.model import Config
from pykeepalived.config.model.values import Ip
from pykeepalived.config.values import Accounts, User

WILD = Path(__file__).resolve().parents[2].parent / "shared" / "corpus" / "wild"


class ProvidedFiles(SystemFiles):
    """This machine's file system with programs of root added to it."""

    def __init__(self, scripts: list[str]) -> None:
        self._scripts = set(scripts)
        self._directories = {parent for path in scripts for parent in map(str, Path(path).parents)}
        self._directories |= {"/etc/keepalived", "/tmp", "/run"}

    def lstat(self, path: str) -> FileStat | int:
        if path in self._scripts:
            return FileStat(FileKind.FILE)
        if path in self._directories:
            return FileStat(FileKind.DIRECTORY)
        return super().lstat(path)

    def head(self, path: str, size: int) -> bytes | int:
        return b"#!/bin/sh\n"[:size] if path in self._scripts else super().head(path, size)


def environment(env: dict) -> Environment:
    interfaces = {"lo": Interface(name="lo", index=1, flags=0x49, mtu=65536, arp_type=772)}
    for number, name in enumerate(env["interfaces"], 1):
        addresses = [InterfaceAddress(Ip.parse(f"10.255.{number}.1"), 24)]
        addresses.append(InterfaceAddress(Ip.parse(f"fe80::ff:{number}"), 64, 253))
        if number == 1:
            for text in env["addresses"]:
                address = Ip.parse(text)
                addresses.append(InterfaceAddress(address, 64 if address.family == 6 else 24))
        interfaces[name] = Interface(name=name, index=number + 1, mac=bytes(5) + b"\x01", addresses=tuple(addresses))
    users = [User("root", 0, 0), User("daemon", 1, 1), User("nobody", 65534, 65534)]
    groups = [("root", 0), ("daemon", 1), ("nogroup", 65534)]
    for uid, user in enumerate(env["users"], 1000):
        if user[0] in ("root", "daemon", "nobody"):
            continue
        users.append(User(user[0], uid, uid))
        groups.append((user[1] if len(user) > 1 else user[0], uid))
    return Environment(
        interfaces=interfaces,
        namespace_interfaces=lambda name: interfaces,
        hostname="lb1",
        canonical_name=lambda: "lb1.example.net",
        config_id=env.get("config_id") or "lb1",
        accounts=Accounts(users, groups),
        files=ProvidedFiles(env["scripts"]),
        cpu_count=2,
        resolve=lambda name, port: Ip.parse("192.0.2.25"),
    )


def configurations() -> Iterator[tuple[str, Config, list[str]]]:
    """Every configuration that has a dump and needs no other file: name, model, lines of the dump."""
    for path in sorted(WILD.glob("*.conf")):
        expected = json.loads(path.with_suffix(".expect.json").read_text())
        if not expected["dump"] or expected.get("extra_files"):
            continue
        result = load(str(path), environment(expected["env"]), LoadOptions())
        if result.config is not None:
            lines = (WILD / expected["dump"]).read_text(errors="replace").splitlines()
            yield path.stem, result.config, lines


def processes(lines: list[str]) -> dict[str, list[str]]:
    """The lines of each process in a stored dump."""
    found: dict[str, list[str]] = {}
    current = ""
    for line in lines:
        match = re.fullmatch(r"===== (\w+) =====", line)
        if match:
            current = match[1]
        else:
            found.setdefault(current, []).append(line)
    return found
