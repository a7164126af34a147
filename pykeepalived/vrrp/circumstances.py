"""What keeps an instance from being what an operator expects though it has no fault: told beside its cause.

Noticed adverts (refused ones, odd ones, those of another master) are kept here; what they mean is decided elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykeepalived.config.model.values import Ip
from pykeepalived.light_dataclasses import dataclass
from pykeepalived.observe.cause import Cause
from pykeepalived.observe.snapshot import Circumstance
from pykeepalived.runtime.contract import NANOSECONDS_PER_MICROSECOND
from pykeepalived.vrrp.table import State

if TYPE_CHECKING:
    from pykeepalived.vrrp.instance import Instance

REFUSED, DIFFERS, OTHER_MASTER = "advert_refused", "advert_differs", "other_master"

INTERESTING_NS = 60_000_000_000
"""What others send that we cannot use is told for so long after the last time."""
MISSED = 4
"""Another master that has missed so many adverts is gone."""
_MOST = 16
"""Kinds and senders remembered, the oldest goes; forged senders cost no more."""

_PLAIN = {
    "password": "its auth_pass is not ours",
    "auth_type": "its authentication is not ours",
    "auth_mismatch": "its authentication is not ours",
    "ah_presence": "its authentication is not ours",
    "version": "its vrrp_version is not ours",
    "interval": "its advert_int is not ours",
    "unicast_source": "it is not among our unicast peers",
    "cast": "one of us has unicast peers, the other uses multicast",
    "ttl": "it came through a router, or was forged",
    "owner": "owner_ignore_adverts is set",
    "address_count": "its addresses are not ours, perhaps it is another cluster with this virtual_router_id",
    "address_list": "its addresses are not ours, perhaps it is another cluster with this virtual_router_id",
}
"""Kind of a complaint -> what it comes down to; other complaints speak for themselves."""

_HARMLESS = "old_checksum"
"""Told once in the log; nothing is wrong with it."""


@dataclass(slots=True)
class Noticed:
    """The same about adverts of the same sender, again and again; of no interest any more after `until`."""

    fact: str
    source: Ip | None
    detail: str
    first: int
    last: int
    until: int
    count: int = 1


class Notices:
    """What one instance has noticed of late. Moments are monotonic nanoseconds."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: dict[tuple[str, Ip | None, str], Noticed] = {}

    def note(self, fact: str, source: Ip | None, kind: str, text: str, now: int, lasting_ns: int) -> None:
        """`kind` tells complaints of one fact apart; `text` is the last one's."""
        key = (fact, source, kind)
        known = self._found.get(key)
        if known is not None and now <= known.until:
            known.detail, known.last, known.until = text, now, now + lasting_ns
            known.count += 1
            return
        if known is None and len(self._found) >= _MOST:
            del self._found[next(iter(self._found))]
        self._found[key] = Noticed(fact, source, text, now, now, now + lasting_ns)

    def complain(self, fact: str, source: Ip | None, kind: str, text: str, now: int) -> None:
        """An advert is refused, or taken though something about it is odd."""
        if kind == _HARMLESS:
            return
        plain = _PLAIN.get(kind)
        self.note(fact, source, kind, f"{plain}: {text}" if plain else text, now, INTERESTING_NS)

    def accepted(self, source: Ip, now: int) -> None:
        """An advert of this router was taken: what was wrong before, and not with this one, is mended."""
        if self._found:
            mended = [
                key
                for key, each in self._found.items()
                if each.source == source and (each.fact == REFUSED or (each.fact == DIFFERS and each.last != now))
            ]
            for key in mended:
                del self._found[key]

    def clear(self) -> None:
        self._found.clear()

    def told(self, master: bool) -> list[Noticed]:
        """The weightiest first. Another master matters to a master alone, and not if it was heard only once: a router
        says one more advert before it hears its better."""
        weights = (OTHER_MASTER, REFUSED, DIFFERS)
        found = [each for each in self._found.values() if each.fact != OTHER_MASTER or (master and each.count > 1)]
        return sorted(found, key=lambda each: weights.index(each.fact))


def circumstances(instance: Instance) -> tuple[Circumstance, ...]:
    """What an operator should know beside the cause of the state and faults; nothing of an instance at peace."""
    found = [_of_notice(instance, each) for each in instance.notices.told(instance.state is State.MASTER)]
    if instance.state is State.BACKUP:
        held = _held_back(instance)
        found += [Circumstance(held)] if held is not None else []
    return tuple(found)


def _of_notice(instance: Instance, noticed: Noticed) -> Circumstance:
    detail = f"{noticed.detail}; {noticed.count} advert{'s' if noticed.count > 1 else ''}"
    cause = Cause(noticed.fact, str(noticed.source or ""), detail, noticed.first, instance.config.at)
    # a repeated advert is only looked at once, so that nothing is heard again of what is odd about it
    steady = noticed.fact == DIFFERS and instance.state is State.BACKUP and noticed.source == instance.master_source
    return Circumstance(cause, 0 if steady else noticed.until)


def _held_back(instance: Instance) -> Cause | None:
    """Why a BACKUP that could be a better master is none."""
    config, master = instance.config, str(instance.master_source or "")
    group = instance.group
    if group is not None and instance.want is State.MASTER and not group.lets_go_master(instance):
        others = ", ".join(member.name for member in group.members if member.want is not State.MASTER)
        detail = f"no better master is heard here, but {others} cannot be master"
        return Cause("group_waits", group.name, detail, at=group.config.at)
    if not master or instance.resigned or instance.master_priority >= instance.effective:
        return None
    priorities = f"our priority is {instance.effective}, its {instance.master_priority}"
    if config.nopreempt:
        return Cause("nopreempt", master, f"it stays master as long as it is heard; {priorities}", at=config.at)
    if instance.preempt_until is not None:
        since = instance.preempt_until - config.preempt_delay_us * NANOSECONDS_PER_MICROSECOND
        detail = f"it stays master for {config.preempt_delay_us / 1e6:g} s; {priorities}"
        return Cause("preempt_delay", master, detail, since, config.at)
    return None
