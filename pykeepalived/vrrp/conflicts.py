"""Instances that would be one and the same virtual router on one network, because of where their interfaces stand now.

A configuration check refuses two such instances, but a macvlan that an instance is on may come back on another
interface. The one that was there first goes on, the others are in FAULT until they do not meet any more.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from pykeepalived.observe.cause import Cause, Priority
from pykeepalived.vrrp import messages
from pykeepalived.vrrp.context import Context
from pykeepalived.vrrp.instance import FaultKey, Instance

FAULT: FaultKey = ("vrid", "")


class Conflicts:
    """Who of the instances with one VRID, family and multicast group may run on each base interface."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._rivals: dict[Instance, list[Instance]] = {}
        self._holders: dict[tuple[Hashable, str], Instance] = {}

    def configure(self, instances: Iterable[Instance]) -> None:
        """These are all instances; those known before keep their places."""
        alike: dict[Hashable, list[Instance]] = {}
        for instance in instances:
            if not instance.config.unicast:
                alike.setdefault(_router(instance), []).append(instance)
        self._rivals = {one: rivals for rivals in alike.values() if len(rivals) > 1 for one in rivals}
        self._holders = {place: one for place, one in self._holders.items() if one in self._rivals}

    def judge(self, concerned: Iterable[Instance], now: int) -> None:
        """The interfaces of these instances may have changed."""
        judged: set[Hashable] = set()
        for one in concerned:
            router, rivals = _router(one), self._rivals.get(one)
            if rivals is None:
                one.remove_fault(FAULT, now)
            elif router not in judged:
                judged.add(router)
                self._judge(router, rivals, now)

    def _judge(self, router: Hashable, rivals: list[Instance], now: int) -> None:
        bases: dict[str, list[Instance]] = {}
        for one in rivals:
            bases.setdefault(self._base(one), []).append(one)
        for base, present in bases.items():
            holder = None
            if base:
                former = self._holders.get((router, base))
                holder = self._holders[router, base] = former if former in present else present[0]
            for one in present:
                self._tell(one, holder, base, now)

    def _tell(self, instance: Instance, holder: Instance | None, base: str, now: int) -> None:
        if holder is None or holder is instance:
            instance.remove_fault(FAULT, now)
        elif FAULT not in instance.faults:
            config = instance.config
            words = (instance.name, holder.name, config.family, config.virtual_router_id)
            cause = Cause("vrid_conflict", holder.name, f"on {base}", now, config.at)
            text = messages.VRID_CONFLICT % words
            self._context.outbox.log(text, priority=Priority.WARNING, INSTANCE=instance.name, CAUSE=str(cause))
            instance.add_fault(FAULT, cause, now)

    def _base(self, instance: Instance) -> str:
        """The interface below a macvlan or ipvlan, else the instance's own; "" while there is none."""
        link = self._context.machine.link(instance.config.interface)
        if link.facts is None:
            return ""
        return link.facts.parent or link.name


def _router(instance: Instance) -> Hashable:
    config = instance.config
    return config.family, config.virtual_router_id, config.mcast_dst_ip
