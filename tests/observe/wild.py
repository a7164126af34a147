"""Configurations of other people, read where they lie, and the machine as it was when their dumps were taken."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pykeepalived.config.environment import Environment, SystemFiles
from pykeepalived.config.files import FileKind, FileStat
from pykeepalived.config.includes import MemoryFiles
from pykeepalived.config.interfaces import Interface, InterfaceAddress
from pykeepalived.config.iproute_names import build_names
from pykeepalived.config.load import LoadOptions, load
from pykeepalived.config.model import Config
from pykeepalived.config.model.values import Ip
from pykeepalived.config.values import Accounts, User
from pykeepalived.observe.snapshot import VrrpSnapshot
from pykeepalived.sim.machine import Machine, Plug

WILD = Path(__file__).resolve().parents[2].parent / "shared" / "corpus" / "wild"
MAIN = "/etc/keepalived/keepalived.conf"


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


def plugs(env: dict) -> list[Plug]:
    """The interfaces of the recording machine with their addresses."""
    made = []
    for number, name in enumerate(env["interfaces"], 1):
        addresses = [f"10.255.{number}.1/24", f"fe80::ff:{number}/64"]
        if number == 1:
            addresses += [f"{text}/{64 if ':' in text else 24}" for text in env["addresses"]]
        made.append(Plug(name, bytes(5) + bytes((number,)), tuple(addresses)))
    return made


def environment(env: dict) -> Environment:
    interfaces = {"lo": Interface(name="lo", index=1, flags=0x49, mtu=65536, arp_type=772)}
    for index, plug in enumerate(plugs(env), 2):
        addresses = []
        for text in plug.addresses:
            word, _, length = text.partition("/")
            scope = 253 if word.startswith("fe80") else 0
            addresses.append(InterfaceAddress(Ip.parse(word), int(length), scope))
        interfaces[plug.interface] = Interface(
            name=plug.interface, index=index, mac=plug.mac, addresses=tuple(addresses)
        )
    users = {"root": 0, "daemon": 1, "nobody": 65534}
    groups = {"root": 0, "daemon": 1, "nogroup": 65534}
    for user, *group in env["users"]:
        if user not in users:
            users[user] = 998 + len(users) - 1
            groups.setdefault(group[0] if group else user, users[user])
    hosts = {"localhost": Ip.parse("127.0.0.1")} | {name: Ip.parse("192.0.2.25") for name in env["hosts"]}
    return Environment(
        interfaces=interfaces,
        namespace_interfaces=lambda name: interfaces,
        hostname="lb1",
        canonical_name=lambda: "lb1.example.net",
        config_id=env.get("config_id") or "lb1",
        accounts=Accounts([User(name, uid, uid) for name, uid in users.items()], groups.items()),
        files=ProvidedFiles(env["scripts"]),
        cpu_count=2,
        resolve=lambda name, port: hosts.get(name),
        iproute=lambda usr, etc: build_names({"rt_protos": ["12 bird"], "rt_realms": ["0 cosmos"]}),
    )


@dataclass(frozen=True)
class Recording:
    """A configuration that has a dump: its name, its model, the lines of each process."""

    name: str
    config: Config
    processes: dict[str, list[str]]
    env: dict

    def vrrp_snapshot(self) -> VrrpSnapshot:
        """What the VRRP core says just after its start on that machine."""
        machine = Machine("lb1", self.config, plugs(self.env), Nobody())
        machine.surroundings.processes = {process.name: 0 for process in self.config.track_processes}
        machine.start(0)
        return machine.snapshot()


class Nobody:
    """A world that takes everything and answers nothing."""

    def wall(self) -> int:
        return 0

    def post(self, packet: object, /) -> None: ...

    def run_script(self, name: str, /) -> None: ...

    def vrrp_did(self, effect: object, /) -> None: ...


def recordings() -> Iterator[Recording]:
    """Every configuration that has a dump and can be loaded."""
    for path in sorted(WILD.glob("*.conf")):
        expected = json.loads(path.with_suffix(".expect.json").read_text())
        if not expected["dump"]:
            continue
        extra = expected.get("extra_files", {})
        files = {name if name.startswith("/") else f"/etc/keepalived/{name}": text for name, text in extra.items()}
        files[MAIN] = path.read_bytes().decode("utf-8", "surrogateescape")
        result = load(MAIN, environment(expected["env"]), LoadOptions(files=MemoryFiles(files)))
        lines = (WILD / expected["dump"]).read_text(errors="replace").splitlines()
        if result.config is not None:
            yield Recording(path.stem, result.config, _processes(lines), expected["env"])


def _processes(lines: list[str]) -> dict[str, list[str]]:
    """The lines of each process in a stored dump; one of which nothing was recorded is left out."""
    found: dict[str, list[str]] = {}
    current = ""
    for line in lines:
        match = re.fullmatch(r"===== (\w+) =====", line)
        if match:
            current = match[1]
        elif line:
            found.setdefault(current, []).append(line)
    return found
