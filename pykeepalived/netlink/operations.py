"""The steps that change the kernel: frozen values that can be printed, simulated or performed. Nothing is done here.

`str()` of an operation reads like the ip(8) command of the same effect. The netlink form is in messages.py.
"""

from __future__ import annotations

import errno

from pykeepalived.config.model.network import IpAddress, IpRoute, IpRule
from pykeepalived.config.model.values import Ip
from pykeepalived.light_dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AddAddress:
    """Put an address on the link `interface`. An address that is there already counts as success."""

    address: IpAddress
    interface: str

    def __str__(self) -> str:
        return f"address add {self.address.address}/{self.address.prefix_length} dev {self.interface}"


@dataclass(frozen=True, slots=True)
class DeleteAddress:
    """Take an address off the link `interface`. An address that is gone already counts as success."""

    address: IpAddress
    interface: str

    def __str__(self) -> str:
        return f"address delete {self.address.address}/{self.address.prefix_length} dev {self.interface}"


def _route_text(route: IpRoute) -> str:
    words = ["default" if route.destination is None else f"{route.destination}/{route.prefix_length}"]
    if route.via is not None:
        words.append(f"via {route.via}")
    if route.interface:
        words.append(f"dev {route.interface}")
    words += [f"nexthop via {hop.via} dev {hop.interface}" for hop in route.nexthops]
    if route.table != 254:
        words.append(f"table {route.table}")
    if route.metric is not None:
        words.append(f"metric {route.metric}")
    return " ".join(words)


@dataclass(frozen=True, slots=True)
class AddRoute:
    """Install a route with the flags its `mode` asks for. A route that is there already counts as success."""

    route: IpRoute

    def __str__(self) -> str:
        return f"route add {_route_text(self.route)}"


@dataclass(frozen=True, slots=True)
class ReplaceRoute:
    """Install a route in place of the one with the same key."""

    route: IpRoute

    def __str__(self) -> str:
        return f"route replace {_route_text(self.route)}"


@dataclass(frozen=True, slots=True)
class DeleteRoute:
    """Remove a route; `lenient` forgives one that does not exist."""

    route: IpRoute
    lenient: bool = False

    def __str__(self) -> str:
        return f"route delete {_route_text(self.route)}"


def _rule_text(rule: IpRule) -> str:
    words = ["not"] if rule.invert else []
    words.append("from all" if rule.from_address is None else f"from {rule.from_address}/{rule.from_length}")
    if rule.to_address is not None:
        words.append(f"to {rule.to_address}/{rule.to_length}")
    if rule.priority is not None:
        words.append(f"priority {rule.priority}")
    words += [f"{word} {name}" for word, name in (("iif", rule.iif), ("oif", rule.oif)) if name]
    if rule.table is not None:
        words.append(f"lookup {rule.table}")
    return " ".join(words)


@dataclass(frozen=True, slots=True)
class AddRule:
    """Add a policy rule. A rule that is there already counts as success."""

    rule: IpRule

    def __str__(self) -> str:
        return f"rule add {_rule_text(self.rule)}"


@dataclass(frozen=True, slots=True)
class DeleteRule:
    """Remove a policy rule; `lenient` forgives one that does not exist."""

    rule: IpRule
    lenient: bool = False

    def __str__(self) -> str:
        return f"rule delete {_rule_text(self.rule)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualLink:
    """A macvlan (mode private) or ipvlan (L2) as we want it; `mac` None = the parent's, `group` None = the parent's.

    `mode_flag` is the ipvlan flag: 0 bridge, 1 private, 2 vepa. `vrf` names the master device, "" = none.
    """

    name: str
    parent: str
    kind: str = "macvlan"
    mac: bytes | None = None
    group: int | None = None
    mode_flag: int = 0
    vrf: str = ""


@dataclass(frozen=True, slots=True)
class AddLink:
    link: VirtualLink

    def __str__(self) -> str:
        mac = f" address {self.link.mac.hex(':')}" if self.link.mac else ""
        return f"link add {self.link.name} link {self.link.parent}{mac} type {self.link.kind}"


@dataclass(frozen=True, slots=True)
class DeleteLink:
    """Remove a link of ours; one that does not exist counts as success."""

    name: str

    def __str__(self) -> str:
        return f"link delete {self.name}"


@dataclass(frozen=True, slots=True)
class SetLink:
    """Change a link. None leaves the property alone; `no_link_local` stops the kernel from making an fe80:: address."""

    name: str
    up: bool | None = None
    no_link_local: bool | None = None
    group: int | None = None

    def __str__(self) -> str:
        words = [f"link set {self.name}"]
        if self.up is not None:
            words.append("up" if self.up else "down")
        if self.no_link_local is not None:
            words.append("addrgenmode none" if self.no_link_local else "addrgenmode eui64")
        if self.group is not None:
            words.append(f"group {self.group}")
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class SetSysctl:
    """Write a kernel parameter; `path` is relative to /proc/sys, with slashes. A missing one counts as success."""

    path: str
    value: str

    def __str__(self) -> str:
        return f"sysctl {self.path}={self.value}"


@dataclass(frozen=True, slots=True)
class RunNft:
    """Give nftables a block of commands, one transaction; `lenient` forgives failure."""

    commands: str
    lenient: bool = False

    def __str__(self) -> str:
        return "nft " + self.commands.replace("\n", "; ").rstrip("; ")


@dataclass(frozen=True, slots=True)
class CreateSet:
    """Make an empty IP set: of addresses, or of networks with interfaces. One of that name and kind is emptied."""

    name: str
    family: int
    with_interface: bool = False

    def __str__(self) -> str:
        kind = "hash:net,iface" if self.with_interface else "hash:ip"
        return f"ipset create {self.name} {kind} family {'inet' if self.family == 4 else 'inet6'}"


@dataclass(frozen=True, slots=True)
class DestroySet:
    """Remove an IP set; one that does not exist counts as success."""

    name: str

    def __str__(self) -> str:
        return f"ipset destroy {self.name}"


@dataclass(frozen=True, slots=True)
class AddToSet:
    """`prefix_length` counts in sets with interfaces. A member that is there already counts as success."""

    name: str
    address: Ip
    prefix_length: int
    interface: str = ""

    def __str__(self) -> str:
        return f"ipset add {_member_text(self)}"


@dataclass(frozen=True, slots=True)
class DeleteFromSet:
    """A member that is gone already counts as success."""

    name: str
    address: Ip
    prefix_length: int
    interface: str = ""

    def __str__(self) -> str:
        return f"ipset del {_member_text(self)}"


def _member_text(member: AddToSet | DeleteFromSet) -> str:
    if not member.interface:
        return f"{member.name} {member.address}"
    return f"{member.name} {member.address}/{member.prefix_length},{member.interface}"


SetOperation = CreateSet | DestroySet | AddToSet | DeleteFromSet

Operation = (
    AddAddress
    | DeleteAddress
    | AddRoute
    | ReplaceRoute
    | DeleteRoute
    | AddRule
    | DeleteRule
    | AddLink
    | DeleteLink
    | SetLink
    | SetSysctl
    | RunNft
    | SetOperation
)


@dataclass(frozen=True, slots=True)
class OperationError:
    """An operation that failed: errno, and the kernel's own explanation if it gave one."""

    operation: Operation
    errno: int
    reason: str = ""

    def __str__(self) -> str:
        name = errno.errorcode.get(self.errno, str(self.errno))
        return f"{self.operation}: {name}" + (f" ({self.reason})" if self.reason else "")


def is_forgiven(operation: Operation, error: int) -> bool:
    """Whether this error leaves the kernel as the operation wants it (it exists, or is gone).

    ENODEV on deleting an address means that the link took the address along.
    """
    match operation:
        case AddAddress() | AddRoute() | AddRule():
            return error == errno.EEXIST
        case DeleteAddress():
            return error in (errno.EADDRNOTAVAIL, errno.ENODEV)
        case DeleteRoute(lenient=lenient):
            return lenient and error in (errno.ESRCH, errno.ENODEV)
        case DeleteRule(lenient=lenient):
            return lenient and error == errno.ENOENT
        case DeleteLink():
            return error == errno.ENODEV
        case SetSysctl():
            return error == errno.ENOENT
        case RunNft(lenient=lenient):
            return lenient
        case DestroySet():
            return error == errno.ENOENT
        case DeleteFromSet():
            return error in (errno.EEXIST, errno.ENOENT)
        case _:
            return False
