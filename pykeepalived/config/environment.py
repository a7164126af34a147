"""What a configuration check must know of the machine, gathered into plain data: interfaces, accounts, names, files.

This is a shell file: with config/source.py it is all of config/ that asks the system. The interfaces come from one
netlink dump over a plain socket (config/interface_dump.py), because importing a netlink library would cost more than
the whole config test. Rules and parsers see only `Environment`; tests build it by hand.
"""

from __future__ import annotations

import errno
import glob
import grp
import os
import pwd
import socket
import stat
import struct
from collections.abc import Callable, Mapping
from dataclasses import field
from functools import lru_cache

from pykeepalived.config.files import FileKind, FileStat, FileTable, FileView
from pykeepalived.config.interface_dump import read_interfaces
from pykeepalived.config.interfaces import Interface
from pykeepalived.config.iproute_names import FILES, IprouteNames, build_names
from pykeepalived.config.model.values import Ip
from pykeepalived.config.values import Accounts, User
from pykeepalived.light_dataclasses import dataclass

IPROUTE_USR_DIRS = ("/usr/share/iproute2", "/usr/lib/iproute2")
IPROUTE_ETC_DIR = "/etc/iproute2"
_NETLINK_CONNECTOR = 11
_IPTABLES_PROGRAMS = ("iptables-save", "iptables-restore", "ip6tables-save", "ip6tables-restore")


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The machine. `interfaces` are those of the current network namespace, by name.

    `namespace_interfaces(NAME)` gives those of a named one, or None when it cannot be entered. `config_id` is the word
    that conditions compare with (option -i, else the host name up to the first dot). `hostname` is uname(2)'s,
    `canonical_name()` the resolver's. `resolve(NAME, PORT)` looks a mail server up, None when unknown.
    `iproute(USR_DIR, ETC_DIR)` reads the iproute2 names ("" = the usual places). `protocol(NAME)` is
    getprotobyname(3). `process_events` tells whether the kernel reports process events, `iptables()` whether the
    programs that change iptables rules are installed.
    """

    interfaces: Mapping[str, Interface] = field(default_factory=dict)
    namespace_interfaces: Callable[[str], Mapping[str, Interface] | None] = lambda name: None
    hostname: str = "localhost"
    canonical_name: Callable[[], str] = lambda: "localhost"
    config_id: str = "localhost"
    variables: Mapping[str, str] = field(default_factory=dict)
    accounts: Accounts = field(default_factory=lambda: Accounts([User("root", 0, 0)], [("root", 0)]))
    files: FileView = field(default_factory=lambda: FileTable({}))
    uid: int = 0
    gid: int = 0
    path: str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    cpu_count: int = 1
    resolve: Callable[[str, int], Ip | None] = lambda name, port: None
    iproute: Callable[[str, str], IprouteNames] = lambda usr, etc: build_names({})
    protocol: Callable[[str], int | None] = lambda name: {"icmp": 1, "tcp": 6, "udp": 17, "sctp": 132}.get(name)
    process_events: bool = True
    iptables: Callable[[], bool] = lambda: False


def gather(config_id: str = "", variables: Mapping[str, str] | None = None) -> Environment:
    """Ask the system. Cheap things at once, the others (accounts, files, names, other namespaces) when asked for."""
    variables = dict(os.environ) if variables is None else variables
    hostname = os.uname().nodename
    path = variables.get("PATH") or "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return Environment(
        interfaces=read_interfaces(),
        namespace_interfaces=lru_cache(_interfaces_of_namespace),
        hostname=hostname,
        canonical_name=lambda: _canonical_name(hostname),
        config_id=config_id or hostname.partition(".")[0],
        variables=variables,
        accounts=SystemAccounts(),
        files=SystemFiles(),
        uid=os.geteuid(),
        gid=os.getegid(),
        path=path,
        cpu_count=os.cpu_count() or 1,
        resolve=_resolve,
        iproute=lru_cache(_read_iproute),
        protocol=_protocol,
        process_events=_has_process_events(),
        iptables=lambda: all(_is_program(name, path) for name in _IPTABLES_PROGRAMS),
    )


class SystemAccounts(Accounts):
    """The user and group database of the system, each name asked for once."""

    def user(self, name: str) -> User | None:
        if name not in self._users:
            try:
                entry = pwd.getpwnam(name)
            except (KeyError, ValueError):
                return None
            self._users[name] = User(entry.pw_name, entry.pw_uid, entry.pw_gid)
        return self._users[name]

    def group(self, name: str) -> int | None:
        if name not in self._groups:
            try:
                self._groups[name] = grp.getgrnam(name).gr_gid
            except (KeyError, ValueError):
                return None
        return self._groups[name]


class SystemFiles:
    """The real file system, asked anew each time."""

    assumed = False

    def lstat(self, path: str) -> FileStat | int:
        try:
            entry = os.lstat(path)
            target = os.readlink(path) if stat.S_ISLNK(entry.st_mode) else ""
        except OSError as error:
            return error.errno or errno.EIO
        except ValueError:
            return errno.ENOENT
        return FileStat(_kind(entry.st_mode), stat.S_IMODE(entry.st_mode), entry.st_uid, entry.st_gid, target)

    def head(self, path: str, size: int) -> bytes | int:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            return error.errno or errno.EIO
        except ValueError:
            return errno.ENOENT
        try:
            return os.read(descriptor, size) if size else b""
        except OSError as error:
            return error.errno or errno.EIO
        finally:
            os.close(descriptor)

    def filesystem(self, path: str) -> tuple[int, bool] | int:
        try:
            read_only = bool(os.statvfs(path).f_flag & os.ST_RDONLY)
        except OSError as error:
            return error.errno or errno.EIO
        return _filesystem_magic(path), read_only


def _kind(mode: int) -> FileKind:
    if stat.S_ISREG(mode):
        return FileKind.FILE
    if stat.S_ISDIR(mode):
        return FileKind.DIRECTORY
    return FileKind.LINK if stat.S_ISLNK(mode) else FileKind.OTHER


def _filesystem_magic(path: str) -> int:
    """f_type of statfs(2), which the standard library does not offer; 0 when it cannot be had."""
    import ctypes

    buffer = ctypes.create_string_buffer(256)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.statfs(os.fsencode(path), buffer) != 0:
        return 0
    magic: int = struct.unpack_from("l", buffer)[0]
    return magic & 0xFFFFFFFF


def _interfaces_of_namespace(name: str) -> Mapping[str, Interface] | None:
    """Interfaces of /run/netns/NAME; the process comes back to its own namespace before this returns."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    try:
        own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        other = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if libc.setns(other, 0x40000000) != 0:
                return None
            try:
                return read_interfaces()
            finally:
                if libc.setns(own, 0x40000000) != 0:
                    raise SystemError("cannot return to the own network namespace")
        finally:
            os.close(other)
    except OSError:
        return None
    finally:
        os.close(own)


def _is_program(name: str, path: str) -> bool:
    return any(os.access(os.path.join(directory, name), os.X_OK) for directory in path.split(":"))


def _has_process_events() -> bool:
    """True when the kernel has the connector that reports processes (cn_proc)."""
    try:
        socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, _NETLINK_CONNECTOR).close()
    except OSError:
        return False
    return True


def _canonical_name(hostname: str) -> str:
    """The host's name as the resolver completes it, or as the kernel has it."""
    try:
        # A name in bytes goes to the resolver as it is, without the tables of international names.
        found = socket.getaddrinfo(os.fsencode(hostname), None, flags=socket.AI_CANONNAME)
    except (OSError, UnicodeError):
        return hostname
    return found[0][3] or hostname if found else hostname


def _resolve(name: str, port: int) -> Ip | None:
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return None
    for _family, _type, _protocol, _canonical, address in found:
        try:
            return Ip.parse(str(address[0]))
        except ValueError:
            continue
    return None


def _protocol(name: str) -> int | None:
    try:
        return socket.getprotobyname(name)
    except OSError:
        return None


def _read_iproute(usr_dir: str, etc_dir: str) -> IprouteNames:
    """The iproute2 names: distribution's directory first, the administrator's wins."""
    usr = usr_dir or next((path for path in IPROUTE_USR_DIRS if os.path.isdir(path)), "")
    texts: dict[str, list[str]] = {name: [] for name in FILES}
    for directory in (usr, etc_dir or IPROUTE_ETC_DIR):
        if not directory:
            continue
        for name in FILES:
            pattern = os.path.join(glob.escape(directory), f"{name}.d", "*.conf")
            for path in [os.path.join(directory, name), *sorted(glob.glob(pattern))]:
                try:
                    with open(path, encoding="utf-8", errors="replace") as file:
                        texts[name].append(file.read())
                except OSError:
                    continue
    return build_names(texts)
