"""Operations and tables of IPVS in the words of those who recorded them from keepalived."""

from __future__ import annotations

from typing import Any

from pykeepalived.config.model.values import Ip
from pykeepalived.netlink.fake_ipvs import FakeIpvs
from pykeepalived.netlink.services import (
    FLAG_ONE_PACKET,
    FLAG_PERSISTENT,
    FORWARD_TUNNEL,
    MASTER_DAEMON,
    PROTOCOL_NAMES,
    DestinationKey,
    DestinationSettings,
    Operation,
    ServiceKey,
    ServiceSettings,
    SyncDaemon,
)

FORWARDING = {0: ("masq", "-m"), 2: ("tunnel", "-i"), 3: ("droute", "-g")}
TUNNELS = ("ipip", "gue", "gre")
CHECKSUMS = ("nocsum", "csum", "remcsum")
SERVICE_OPTIONS = {"tcp": "-t", "udp": "-u", "sctp": "--sctp-service"}


def address(packed: bytes) -> str:
    text = str(Ip(packed))
    return f"[{text}]" if ":" in text else text


def operation_event(operation: Operation, error: int) -> dict[str, Any]:
    """A request as nlipvs.py reads it from the wire."""
    event: dict[str, Any] = {"kind": "ipvs", "op": operation.command.name}
    service, settings, values = operation.service, operation.settings, operation.values
    if service is not None:
        inet6 = " inet6" if service.family == 6 else ""
        where = f"fwm {service.fwmark}{inet6}"
        if service.address:
            where = f"{PROTOCOL_NAMES[service.protocol]} {address(service.address)}:{service.port}"
        event["svc"] = where
    if settings is not None and service is not None:
        event["sched"] = settings.scheduler
        if settings.engine:
            event["pe"] = settings.engine
        mask = str(Ip(settings.netmask.to_bytes(4))) if service.family == 4 else settings.netmask
        event |= {"flags": hex(settings.flags), "timeout": settings.timeout, "netmask": mask}
    if operation.destination is not None:
        event["dst"] = f"{address(operation.destination.address)}:{operation.destination.port}"
    if values is not None:
        event |= {"fwd": FORWARDING[values.forwarding][0], "weight": values.weight}
        event |= {"u_thresh": values.upper, "l_thresh": values.lower}
        event |= {"tun_type": values.tunnel, "tun_port": values.tunnel_port, "tun_flags": values.tunnel_flags}
    if operation.daemon is not None:
        daemon = operation.daemon
        event |= {"state": "master" if daemon.state == MASTER_DAEMON else "backup", "syncid": daemon.sync_id}
        optional = {"maxlen": daemon.max_length, "port": daemon.port, "ttl": daemon.ttl, "ifn": daemon.interface}
        event |= {name: value for name, value in optional.items() if value}
        if daemon.group:
            event["group"] = str(Ip(daemon.group))
    if operation.timeouts is not None:
        event |= dict(zip(("tcp", "tcpfin", "udp"), operation.timeouts, strict=True))
    return event | ({"errno": error} if error else {})


def service_words(key: ServiceKey) -> str:
    if key.address:
        return f"{SERVICE_OPTIONS[PROTOCOL_NAMES[key.protocol]]} {address(key.address)}:{key.port}"
    return f"-f {key.fwmark}{' -6' if key.family == 6 else ''}"


def service_line(key: ServiceKey, settings: ServiceSettings) -> str:
    """A line of `ipvsadm -Sn`."""
    line = f"-A {service_words(key)} -s {settings.scheduler}"
    if settings.flags & FLAG_PERSISTENT:
        line += f" -p {settings.timeout}"
        if settings.netmask != (0xFFFFFFFF if key.family == 4 else 128):
            line += f" -M {Ip(settings.netmask.to_bytes(4)) if key.family == 4 else settings.netmask}"
    if settings.engine:
        line += f" --pe {settings.engine}"
    if settings.flags & FLAG_ONE_PACKET:
        line += " -o"
    prefix = settings.scheduler if settings.scheduler in ("sh", "mh") else ""
    names = (f"{prefix}-fallback", f"{prefix}-port", f"{prefix}-flag-3") if prefix else ("flag-1", "flag-2", "flag-3")
    chosen = [name for bit, name in zip((0x08, 0x10, 0x20), names, strict=True) if settings.flags & bit]
    return line + (f" -b {','.join(chosen)}" if chosen else "")


def destination_line(service: ServiceKey, key: DestinationKey, values: DestinationSettings) -> str:
    """The same; thresholds are not shown there."""
    line = f"-a {service_words(service)} -r {address(key.address)}:{key.port} {FORWARDING[values.forwarding][1]}"
    line += f" -w {values.weight}"
    if values.forwarding == FORWARD_TUNNEL:
        line += f" --tun-type {TUNNELS[values.tunnel]}"
        if TUNNELS[values.tunnel] == "gue":
            line += f" --tun-port {values.tunnel_port}"
        if values.tunnel:
            line += f" --tun-{CHECKSUMS[values.tunnel_flags]}"
    return line


def daemon_line(daemon: SyncDaemon) -> str:
    """A line of `ipvsadm -Ln --daemon`, with what the kernel makes of an interface of 1500 octets."""
    group = Ip(daemon.group) if daemon.group else "224.0.0.81"
    length = daemon.max_length or 1472
    if daemon.state == MASTER_DAEMON:
        name = "master"
    else:
        name, length = "backup", max(length, 1024)
    place = f"mcast={daemon.interface}, syncid={daemon.sync_id}, maxlen={length}"
    return f"{name} sync daemon ({place}, group={group}, port={daemon.port or 8848}, ttl={daemon.ttl or 1})"


def table_lines(kernel: FakeIpvs) -> list[str]:
    lines = []
    for key, settings in kernel.services.items():
        lines.append(service_line(key, settings))
        lines += [destination_line(key, *found) for found in kernel.destinations[key].items()]
    return sorted(lines)
