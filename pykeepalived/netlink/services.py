"""IPVS as data: services, destinations, sync daemons, timeouts, and the operations that change them. Pure.

What should be in the table is decided in ipvs/; encoding operations for the kernel is kernel_ipvs.py.
"""

from __future__ import annotations

import errno as _errno
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from typing import NamedTuple

from pykeepalived.config.model.values import Ip

PROTOCOL_NAMES: Mapping[int, str] = {0: "none", 6: "tcp", 17: "udp", 132: "sctp"}
PROTOCOL_NUMBERS: Mapping[str, int] = {name: number for number, name in PROTOCOL_NAMES.items()}

FLAG_PERSISTENT = 0x1
FLAG_ONE_PACKET = 0x4

FORWARD_MASQUERADE, FORWARD_TUNNEL, FORWARD_DIRECT = 0, 2, 3
TUNNEL_TYPES: Mapping[str, int] = {"ipip": 0, "gue": 1, "gre": 2}
TUNNEL_CHECKSUMS: Mapping[str, int] = {"nocsum": 0, "csum": 1, "remcsum": 2}

MASTER_DAEMON, BACKUP_DAEMON = 1, 2


class Command(IntEnum):
    """IPVS_CMD_* of linux/ip_vs.h that change something."""

    NEW_SERVICE = 1
    SET_SERVICE = 2
    DEL_SERVICE = 3
    NEW_DEST = 5
    SET_DEST = 6
    DEL_DEST = 7
    NEW_DAEMON = 9
    DEL_DAEMON = 10
    SET_CONFIG = 12
    FLUSH = 17


class ServiceKey(NamedTuple):
    """What makes a service unique: family (4 or 6) with protocol, address and port, or with a fwmark."""

    family: int
    protocol: int
    address: bytes
    port: int
    fwmark: int = 0

    @classmethod
    def of_fwmark(cls, family: int, fwmark: int) -> ServiceKey:
        return cls(family, 0, b"", 0, fwmark)

    def __str__(self) -> str:
        if not self.address:
            return f"Fwm {self.fwmark}{' inet6' if self.family == 6 else ''}"
        return f"{Ip(self.address)}:{PROTOCOL_NAMES[self.protocol]}:{self.port}"


class ServiceSettings(NamedTuple):
    """Scheduler, IP_VS_SVC_F_* flags, persistence timeout in seconds, IPv4 mask as number or IPv6 prefix length."""

    scheduler: str
    flags: int = 0
    timeout: int = 0
    netmask: int = 0xFFFFFFFF
    engine: str = ""


class DestinationKey(NamedTuple):
    """A destination inside its service."""

    address: bytes
    port: int

    def __str__(self) -> str:
        return f"{Ip(self.address)}:{self.port}"


class DestinationSettings(NamedTuple):
    """Weight 0..2147483647, IP_VS_CONN_F_* forwarding method, connection thresholds, tunnel attributes."""

    weight: int
    forwarding: int = FORWARD_MASQUERADE
    upper: int = 0
    lower: int = 0
    tunnel: int = 0
    tunnel_port: int = 0
    tunnel_flags: int = 0


class SyncDaemon(NamedTuple):
    """A connection synchronisation thread: state MASTER_DAEMON or BACKUP_DAEMON; 0 and "" are the kernel's defaults."""

    state: int
    sync_id: int = 0
    interface: str = ""
    max_length: int = 0
    port: int = 0
    ttl: int = 0
    group: bytes = b""


class Timeouts(NamedTuple):
    """Connection timeouts of the IPVS kernel table in seconds; 0 in an operation keeps the kernel's value."""

    tcp: int
    tcp_fin: int
    udp: int


class Operation(NamedTuple):
    """One change of the kernel's IPVS state; which fields are set follows from the command."""

    command: Command
    service: ServiceKey | None = None
    settings: ServiceSettings | None = None
    destination: DestinationKey | None = None
    values: DestinationSettings | None = None
    daemon: SyncDaemon | None = None
    timeouts: Timeouts | None = None

    def __str__(self) -> str:
        parts = [self.command.name]
        if self.service:
            parts.append(str(self.service))
        if self.destination:
            parts.append(f"-> {self.destination}")
        if self.command in (Command.NEW_DEST, Command.SET_DEST) and self.values:
            parts.append(f"weight {self.values.weight}")
        return " ".join(parts)


class OperationFailure(NamedTuple):
    """The kernel refused the operation at `position` of a batch with this errno."""

    position: int
    error: int


class Table(NamedTuple):
    """The kernel's services with their settings, and the destinations of each."""

    services: dict[ServiceKey, ServiceSettings]
    destinations: dict[ServiceKey, dict[DestinationKey, DestinationSettings]]


class Statistics(NamedTuple):
    """Counters since an entry was made, and rates by the second; those of a service have no numbers of connections."""

    connections: int = 0
    packets_in: int = 0
    packets_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    connection_rate: int = 0
    packet_rate_in: int = 0
    packet_rate_out: int = 0
    byte_rate_in: int = 0
    byte_rate_out: int = 0
    active: int = 0
    inactive: int = 0
    persistent: int = 0


class ServiceStatistics(NamedTuple):
    """What a service and each of its destinations carry."""

    total: Statistics
    destinations: dict[DestinationKey, Statistics]


def new_service(service: ServiceKey, settings: ServiceSettings) -> Operation:
    return Operation(Command.NEW_SERVICE, service, settings)


def set_service(service: ServiceKey, settings: ServiceSettings) -> Operation:
    return Operation(Command.SET_SERVICE, service, settings)


def delete_service(service: ServiceKey) -> Operation:
    return Operation(Command.DEL_SERVICE, service)


def new_destination(service: ServiceKey, key: DestinationKey, values: DestinationSettings) -> Operation:
    return Operation(Command.NEW_DEST, service, None, key, values)


def set_destination(service: ServiceKey, key: DestinationKey, values: DestinationSettings) -> Operation:
    return Operation(Command.SET_DEST, service, None, key, values)


def delete_destination(service: ServiceKey, key: DestinationKey) -> Operation:
    return Operation(Command.DEL_DEST, service, None, key)


def start_daemon(daemon: SyncDaemon) -> Operation:
    return Operation(Command.NEW_DAEMON, daemon=daemon)


def stop_daemon(state: int, sync_id: int = 0) -> Operation:
    return Operation(Command.DEL_DAEMON, daemon=SyncDaemon(state, sync_id))


def set_timeouts(timeouts: Timeouts) -> Operation:
    return Operation(Command.SET_CONFIG, timeouts=timeouts)


FLUSH = Operation(Command.FLUSH)


def missing(desired: Table, actual: Table) -> Iterator[Operation]:
    """What somebody took away: operations that put absent services and destinations back, in order of `desired`.

    Entries that are there keep their scheduler and weight, and entries that are not ours are left alone: people
    drain servers by editing weights with ipvsadm(8).
    """
    for key, settings in desired.services.items():
        present = actual.destinations.get(key, {})
        if key not in actual.services:
            yield new_service(key, settings)
            present = {}
        for destination, values in desired.destinations.get(key, {}).items():
            if destination not in present:
                yield new_destination(key, destination, values)


def diff(desired: Table, actual: Table, owned: Iterable[ServiceKey] = ()) -> Iterator[Operation]:
    """All operations that turn `actual` into `desired`; services outside both `desired` and `owned` are not touched."""
    for key in owned:
        if key in actual.services and key not in desired.services:
            yield delete_service(key)
    for key, settings in desired.services.items():
        if key not in actual.services:
            yield new_service(key, settings)
        elif actual.services[key] != settings:
            yield set_service(key, settings)
        have = actual.destinations.get(key, {}) if key in actual.services else {}
        want = desired.destinations.get(key, {})
        for destination in have:
            if destination not in want:
                yield delete_destination(key, destination)
        for destination, values in want.items():
            if destination not in have:
                yield new_destination(key, destination, values)
            elif have[destination] != values:
                yield set_destination(key, destination, values)


_COMMAND_NAMES: Mapping[Command, str] = {
    Command.NEW_SERVICE: "IP_VS_SO_SET_ADD(1154)",
    Command.SET_SERVICE: "IP_VS_SO_SET_EDIT(1155)",
    Command.DEL_SERVICE: "IP_VS_SO_SET_DEL(1156)",
    Command.FLUSH: "IP_VS_SO_SET_FLUSH(1157)",
    Command.NEW_DEST: "IP_VS_SO_SET_ADDDEST(1159)",
    Command.DEL_DEST: "IP_VS_SO_SET_DELDEST(1160)",
    Command.SET_DEST: "IP_VS_SO_SET_EDITDEST(1161)",
    Command.SET_CONFIG: "IP_VS_SO_SET_TIMEOUT(1162)",
    Command.NEW_DAEMON: "IP_VS_SO_SET_STARTDAEMON(1163)",
    Command.DEL_DAEMON: "IP_VS_SO_SET_STOPDAEMON(1164)",
}
_SPECIFIC_ERRORS: Mapping[tuple[Command, int], str] = {
    (Command.NEW_SERVICE, _errno.EEXIST): "Service already exists",
    (Command.NEW_SERVICE, _errno.ENOENT): "Scheduler or persistence engine not found",
    (Command.SET_SERVICE, _errno.ENOENT): "Scheduler or persistence engine not found",
    (Command.NEW_DEST, _errno.EEXIST): "Destination already exists",
    (Command.SET_DEST, _errno.ENOENT): "No such destination",
    (Command.DEL_DEST, _errno.ENOENT): "No such destination",
    (Command.NEW_DAEMON, _errno.EEXIST): "Daemon has already run",
    (Command.DEL_DAEMON, _errno.ENOENT): "No daemon is running",
}
_GENERAL_ERRORS: Mapping[int, str] = {
    _errno.EPERM: "Permission denied (you must be root)",
    _errno.EINVAL: "Invalid operation.  Possibly wrong module version, address not unicast, ...",
    _errno.ENOPROTOOPT: "Protocol not available",
    _errno.ENOMEM: "Memory allocation problem",
    _errno.EOPNOTSUPP: "Operation not supported with IPv6",
    _errno.EAFNOSUPPORT: "Operation not supported with specified address family",
    _errno.EMSGSIZE: "Module is wrong version",
    _errno.ENOENT: "No such file or directory",
    _errno.EEXIST: "File exists",
    _errno.ERANGE: "Numerical result out of range",
    _errno.EBUSY: "Device or resource busy",
    _errno.ENODEV: "No such device",
}


def describe_failure(operation: Operation, error: int) -> str:
    """The log line of a refused operation, in keepalived's words.

    ESRCH is shown as ENOENT, as libnl hands it to keepalived.
    """
    if error == _errno.ESRCH:
        error = _errno.ENOENT
    text = _SPECIFIC_ERRORS.get((operation.command, error)) or _GENERAL_ERRORS.get(error) or f"Error {error}"
    where = ""
    if operation.service is not None:
        where = f" ({operation.service}"
        if operation.destination is not None:
            where += f" -> {operation.destination}"
        where += ")"
    return f"IPVS cmd {_COMMAND_NAMES[operation.command]} error: {text}({error}){where}"


def is_harmless(operation: Operation, error: int) -> bool:
    """Whether a refusal leaves the table as wanted: adding what exists, deleting what is gone."""
    if operation.command in (Command.NEW_SERVICE, Command.NEW_DEST):
        return error == _errno.EEXIST
    if operation.command in (Command.DEL_SERVICE, Command.DEL_DEST):
        return error in (_errno.ENOENT, _errno.ESRCH)
    return False
