"""Loads configuration text without a file, on a machine made of data."""

from __future__ import annotations

import ipaddress

from pykeepalived.config.environment import Environment
from pykeepalived.config.files import FileKind, FileStat, FileTable
from pykeepalived.config.findings import Finding, FindingClass
from pykeepalived.config.includes import MemoryFiles
from pykeepalived.config.interfaces import Interface, InterfaceAddress
from pykeepalived.config.load import LoadOptions, LoadResult, load
from pykeepalived.config.model.ipvs import Checker, RealServer, VirtualServer
from pykeepalived.config.model.values import Ip
from pykeepalived.config.values import Accounts, User

PATH = "/etc/keepalived/keepalived.conf"


def interface(name: str, index: int, *addresses: str) -> Interface:
    """An interface that is up, with addresses written ADDRESS/LENGTH."""
    found = [ipaddress.ip_interface(text) for text in addresses]
    return Interface(
        name=name,
        index=index,
        addresses=tuple(InterfaceAddress(Ip(one.ip.packed), one.network.prefixlen) for one in found),
    )


FILES = {
    "/bin": FileStat(FileKind.DIRECTORY),
    "/bin/true": FileStat(FileKind.FILE),
    "/bin/plain": FileStat(FileKind.FILE, 0o644),
    "/open": FileStat(FileKind.DIRECTORY, 0o777),
    "/open/x.sh": FileStat(FileKind.FILE),
    "/tmp": FileStat(FileKind.DIRECTORY, 0o1777),
}

MACHINE = Environment(
    interfaces={
        "eth0": interface("eth0", 2, "10.0.0.1/24", "fe80::1/64"),
        "eth1": interface("eth1", 3, "10.0.1.1/24"),
    },
    hostname="lb1",
    config_id="lb1",
    accounts=Accounts([User("root", 0, 0), User("web", 33, 33)], [("root", 0), ("web", 33)]),
    files=FileTable(FILES),
)


def read(text: str, environment: Environment = MACHINE, *, config_test: bool = True) -> LoadResult:
    """Load this text as the main file."""
    options = LoadOptions(config_test=config_test, files=MemoryFiles({PATH: text}))
    return load(PATH, environment, options)


def errors(result: LoadResult) -> list[str]:
    """Codes of the findings that count for the exit status, in order."""
    return [finding.code for finding in result.findings if finding.kind != FindingClass.NONE]


def notes(result: LoadResult) -> list[str]:
    """Codes of the findings that do not."""
    return [finding.code for finding in result.findings if finding.kind == FindingClass.NONE]


def finding(result: LoadResult, code: str) -> Finding:
    """The one finding of this code."""
    (found,) = [one for one in result.findings if one.code == code]
    return found


GOOD = "lvs_sched rr\nlvs_method NAT\nprotocol TCP\n"
REAL = "real_server 10.0.1.10 80 {\n}\n"


def virtual(
    words: str = "", *, head: str = "10.0.0.100 80", servers: str = REAL, good: str = GOOD, before: str = ""
) -> LoadResult:
    """Load one virtual server that is right but for `words`."""
    return read(f"{before}\nvirtual_server {head} {{\n{good}{words}\n{servers}}}\n")


def the_virtual(result: LoadResult) -> VirtualServer:
    assert result.config is not None
    (server,) = result.config.virtual_servers
    return server


def real(words: str, **options: str) -> LoadResult:
    """Load one real server with these words."""
    return virtual(servers=f"real_server 10.0.1.10 80 {{\n{words}\n}}\n", **options)


def the_real(result: LoadResult) -> RealServer:
    (server,) = the_virtual(result).real_servers
    return server


def checker(kind: str, words: str = "", **options: str) -> LoadResult:
    """Load one checker with these words."""
    return real(f"{kind} {{\n{words}\n}}", **options)


def the_checker(result: LoadResult) -> Checker:
    (found,) = the_real(result).checkers
    return found
