"""Virtual and real servers at work: what is believed of their health and of the kernel. Data; the rules are service.py.

Names are those of keepalived's logs: `[ADDR]:PROTO:PORT`, `FWM N`, `[GROUP]:N`.
"""

from __future__ import annotations

from typing import Any

from pykeepalived.config.model.ipvs import (
    GroupEntry,
    RealServer,
    SorryServer,
    VirtualServer,
    VirtualServerGroup,
)
from pykeepalived.config.model.values import Ip
from pykeepalived.ipvs.checks.framework import CheckState
from pykeepalived.netlink.services import ServiceKey, ServiceSettings
from pykeepalived.observe.cause import Cause

MAX_WEIGHT = 2**31 - 1
STARTED = Cause("start")


def clamp(weight: int) -> int:
    """A weight as the kernel takes it: 0..2147483647."""
    return min(max(weight, 0), MAX_WEIGHT)


def server_name(address: Ip, protocol: str, port: int) -> str:
    return f"[{address}]:{protocol}:{port}"


def virtual_name(model: VirtualServer) -> str:
    if model.group:
        return f"[{model.group}]:{model.group_index}"
    if model.address is None:
        return f"FWM {model.fwmark}"
    return server_name(model.address, model.protocol, model.port)


class Real:
    """One real server. `present` = believed to be in the kernel's table, and `shown` = with this weight.

    `weight` is the effective weight: the configured one plus what checkers contribute; it may leave the kernel's range.
    """

    __slots__ = (
        "alive",
        "carried",
        "cause",
        "changed_ns",
        "checks",
        "failed",
        "model",
        "name",
        "present",
        "previous_weight",
        "shown",
        "virtual",
        "weight",
    )

    def __init__(self, model: RealServer, virtual: Virtual) -> None:
        self.model = model
        self.virtual = virtual
        self.name = server_name(model.address, virtual.model.protocol, model.port)
        self.alive = False
        self.present = False
        self.shown = 0
        self.carried = False
        self.failed = 0
        self.weight = model.weight
        self.previous_weight = 0
        self.checks: list[CheckState[Any]] = []
        self.cause = STARTED
        self.changed_ns = 0

    @property
    def kernel_weight(self) -> int:
        return clamp(self.weight)

    def contributed_weight(self) -> int:
        """The configured weight with what the checkers contribute."""
        return self.model.weight + sum(check.weight for check in self.checks)


class Sorry:
    """The sorry server of a virtual server: `in_use` while it stands in for the pool, at weight 1."""

    __slots__ = ("in_use", "model", "name", "present", "shown", "twin")

    def __init__(self, model: SorryServer, virtual: Virtual) -> None:
        self.model = model
        self.name = server_name(model.address, virtual.model.protocol, model.port)
        self.in_use = False
        self.present = False
        self.shown = 0
        self.twin: Real | None = None
        """A real server with the same address and port: both are one entry of the kernel."""


class Virtual:
    """One virtual server. `services` are its entries in the kernel's table, in the order keepalived makes them.

    `number` counts the virtual servers before it that have the same address; they share their service.
    """

    __slots__ = (
        "address_count",
        "alive",
        "carried",
        "cause",
        "changed_ns",
        "group",
        "model",
        "name",
        "number",
        "quorum_up",
        "reals",
        "services",
        "settings",
        "sorry",
    )

    def __init__(self, model: VirtualServer, group: VirtualServerGroup | None) -> None:
        self.model = model
        self.group = group
        self.name = virtual_name(model)
        self.number = 0
        self.alive = False
        self.quorum_up = False
        self.carried = False
        self.address_count = 0
        self.services: tuple[ServiceKey, ...] = ()
        self.settings = ServiceSettings("")
        self.reals: list[Real] = [Real(real, self) for real in model.real_servers]
        self.sorry: Sorry | None = None
        self.cause = STARTED
        self.changed_ns = 0
        if model.sorry_server is not None:
            self.sorry = Sorry(model.sorry_server, self)
            for real in self.reals:
                if (real.model.address, real.model.port) == (model.sorry_server.address, model.sorry_server.port):
                    self.sorry.twin = real

    @property
    def entries(self) -> tuple[GroupEntry, ...]:
        """The lines of its group."""
        return self.group.entries if self.group is not None else ()

    @property
    def displaced(self) -> bool:
        """Whether the sorry server stands in for the real servers."""
        return self.sorry is not None and self.sorry.in_use

    def weight_sum(self) -> int:
        """What counts for the quorum: the kernel weights of the real servers that are alive."""
        return sum([clamp(real.weight) for real in self.reals if real.alive])

    def reaches(self, weight: int) -> bool:
        """Whether weight_sum is at least this much; looks at no more real servers than it must."""
        if weight <= 0:
            return True
        for real in self.reals:
            if real.alive:
                weight -= clamp(real.weight)
                if weight <= 0:
                    return True
        return False

    def identity(self) -> tuple[object, ...]:
        """What makes it the same virtual server over a reload (keepalived.conf(5), reload)."""
        model = self.model
        if model.group:
            return ("group", model.group, model.group_index)
        if model.address is None:
            return ("fwmark", model.family, model.fwmark, self.number)
        return ("address", model.family, model.protocol, model.address, model.port, self.number)


Server = Real | Sorry


def twin_of(server: Server) -> Server | None:
    """The real server that shares the sorry server's entry in the kernel, and the other way round."""
    if isinstance(server, Sorry):
        return server.twin
    sorry = server.virtual.sorry
    return sorry if sorry is not None and sorry.twin is server else None


def entry_identity(entry: GroupEntry) -> tuple[object, ...]:
    """What makes it the same group entry over a reload: the fwmark, or the addresses and the port."""
    if entry.fwmark is not None:
        return (entry.fwmark, entry.family)
    return (entry.first, entry.last, entry.port)
