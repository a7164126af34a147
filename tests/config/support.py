"""Loading of configuration text against a machine made of data. Other test packages may use it too."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from pykeepalived.config.environment import Environment
from pykeepalived.config.files import FileKind, FileStat, FileTable
from pykeepalived.config.findings import Finding, FindingClass
from pykeepalived.config.includes import MemoryFiles
from pykeepalived.config.interfaces import Interface, InterfaceAddress
from pykeepalived.config.load import LoadOptions, LoadResult, load
from pykeepalived.config.model import Config
from pykeepalived.config.model.values import Ip
from pykeepalived.config.model.vrrp import VrrpInstance
from pykeepalived.config.values import Accounts, User

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
MAIN = "/etc/keepalived/keepalived.conf"


def _interface(name: str, index: int, address: str, **more: Any) -> Interface:
    return Interface(name=name, index=index, addresses=(InterfaceAddress(Ip.parse(address), 24),), **more)


INTERFACES = {
    interface.name: interface
    for interface in (
        Interface(name="lo", index=1, flags=0x49, arp_type=772),
        _interface("eth0", 2, "10.255.1.1"),
        _interface("eth1", 3, "10.255.2.1"),
        Interface(name="tun0", index=4, flags=0x41 | 0x80, arp_type=65534),
        Interface(name="vrf1", index=5, kind="vrf", vrf_table=10),
        Interface(name="mac0", index=6, kind="macvlan", base_index=2, macvlan_mode=1, mac=b"\x00\x00\x5e\x00\x01\x34"),
        Interface(name="small", index=7, mtu=100),
    )
}

FILES = {
    "/tmp": FileStat(FileKind.DIRECTORY, 0o1777),
    "/etc": FileStat(FileKind.DIRECTORY),
    "/etc/keepalived": FileStat(FileKind.DIRECTORY),
    "/opt": FileStat(FileKind.DIRECTORY),
    "/opt/good": FileStat(FileKind.FILE),
    "/opt/plain": FileStat(FileKind.FILE, 0o644),
    "/opt/open": FileStat(FileKind.DIRECTORY, 0o777),
    "/opt/open/bad": FileStat(FileKind.FILE),
    "/opt/key": FileStat(FileKind.FILE, 0o600),
    "/opt/shared-key": FileStat(FileKind.FILE, 0o644),
    "/run": FileStat(FileKind.DIRECTORY),
}
CONTENTS = {"/opt/key": b"k" * 40 + b"\n", "/opt/shared-key": b"hex:" + b"ab" * 32}

ENVIRONMENT = Environment(
    interfaces=INTERFACES,
    hostname="lb1",
    canonical_name=lambda: "lb1.example.net",
    config_id="main",
    variables={"SITE": "north"},
    accounts=Accounts([User("root", 0, 0), User("nobody", 65534, 65534)], [("root", 0), ("daemon", 1)]),
    files=FileTable(FILES, CONTENTS),
    cpu_count=4,
    resolve=lambda name, port: Ip.parse("192.0.2.25") if name == "mail.example.net" else None,
)


def run(
    text: str, *, environment: Environment = ENVIRONMENT, files: dict[str, str] | None = None, **options: Any
) -> LoadResult:
    """Load a text as the main file, as a config test does unless told otherwise."""
    options.setdefault("config_test", True)
    texts = {MAIN: text, **(files or {})}
    return load(MAIN, environment, LoadOptions(files=MemoryFiles(texts), **options))


def config(text: str, **more: Any) -> Config:
    """The configuration of a text that loads; findings do not matter."""
    loaded = run(text, **more).config
    assert loaded is not None
    return loaded


def global_defs(lines: str, **more: Any) -> Any:
    """GlobalDefs of a global_defs block with these lines."""
    return config(f"global_defs {{\n{lines}\n}}\n", **more).globals


VIP = " virtual_ipaddress {\n  10.0.0.1/24\n }\n"


def instance_text(
    lines: str, *, vip: str = VIP, name: str = "A", basis: str = " interface eth0\n virtual_router_id 51\n"
) -> str:
    """A vrrp_instance with an interface, a VRID and a VIP, and these lines."""
    return f"vrrp_instance {name} {{\n{basis}{lines}\n{vip}}}\n"


def instance(lines: str, *, before: str = "", vip: str = VIP, **more: Any) -> VrrpInstance:
    """The finished instance of `instance_text`."""
    loaded = config(before + instance_text(lines, vip=vip), **more)
    assert len(loaded.vrrp_instances) == 1
    return loaded.vrrp_instances[0]


def counted(result: LoadResult) -> list[Finding]:
    """Findings that count for the exit status."""
    return [finding for finding in result.findings if finding.kind != FindingClass.NONE or finding.stop]


def codes(result: LoadResult) -> list[str]:
    """Codes of the findings that count, in order."""
    return [finding.code for finding in counted(result)]


def noted(result: LoadResult) -> list[str]:
    """Codes of findings that keepalived only logs."""
    return [finding.code for finding in result.findings if finding.kind == FindingClass.NONE and not finding.stop]


def with_interfaces(*interfaces: Interface) -> Environment:
    """The usual machine with more interfaces."""
    return dataclasses.replace(ENVIRONMENT, interfaces={**INTERFACES, **{item.name: item for item in interfaces}})
