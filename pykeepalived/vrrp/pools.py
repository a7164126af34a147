"""Which instances share sockets, and finding the instance that a received datagram is for."""

from __future__ import annotations

from collections.abc import Iterable

from pykeepalived.config.model.values import Ip
from pykeepalived.config.model.vrrp import AuthType
from pykeepalived.vrrp import messages, packet
from pykeepalived.vrrp.context import Context
from pykeepalived.vrrp.effects import ClosePool, Pool
from pykeepalived.vrrp.guard import Guard
from pykeepalived.vrrp.instance import Instance
from pykeepalived.vrrp.repeats import Repeats

_Key = tuple[object, ...]


class PoolState:
    """One pool: who uses it, what it refuses, and which adverts only repeat (the fast path)."""

    __slots__ = ("by_vrid", "guard", "is_open", "key", "pool", "repeats")

    def __init__(self, key: _Key, pool: Pool, guard: Guard, repeats: Repeats) -> None:
        self.key = key
        self.pool = pool
        self.guard = guard
        self.by_vrid: dict[int, list[Instance]] = {}
        self.repeats = repeats
        self.is_open = False

    @property
    def instances(self) -> list[Instance]:
        return [instance for sharing in self.by_vrid.values() for instance in sharing]


class Pools:
    """All pools of a Router."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._by_key: dict[_Key, PoolState] = {}
        self._of: dict[Instance, PoolState] = {}
        self._changed: dict[Repeats, None] = {}
        self.states: dict[Pool, PoolState] = {}

    def assign(self, instances: Iterable[Instance], sources: dict[Instance, Ip | None]) -> None:
        """Give each instance the pool that fits it now, open what is needed, close what nobody uses any more.

        Instances that are given together share the receive buffer they need together.
        """
        wanted: dict[_Key, list[Instance]] = {}
        for instance in instances:
            key = self._key(instance, sources[instance])
            state = self._of.get(instance)
            if state is not None and (key is None or state.key != key):
                self.release(instance)
            if key is not None:
                wanted.setdefault(key, []).append(instance)
        for key, sharing in wanted.items():
            state = self._by_key.get(key)
            if state is None:
                state = self._create(key, sharing, sources)
            for instance in sharing:
                self._join(state, instance)
            self._open_if_possible(state)
        for instance in sources:
            state = self._of.get(instance)
            pool = state.pool if state is not None and state.is_open else None
            instance.advertiser.aim(pool, sources[instance])
            instance.advertiser.build(instance.effective)
        self.close_unused()

    def release(self, instance: Instance) -> None:
        """The instance has no use for its pool any more."""
        state = self._of.pop(instance, None)
        if state is None:
            return
        instance.forget_repeat()
        state.guard.lift()
        sharing = state.by_vrid.get(instance.config.virtual_router_id, [])
        if instance not in sharing:
            sharing = next(users for users in state.by_vrid.values() if instance in users)
        sharing.remove(instance)

    def close_unused(self) -> None:
        for state in list(self.states.values()):
            if not any(state.by_vrid.values()):
                self._close(state)
                del self.states[state.pool]
                del self._by_key[state.key]

    def settle(self, now: int) -> None:
        """To be called after adverts may have become known or been forgotten."""
        if self._changed:
            for repeats in self._changed:
                repeats.settle(now)
            self._changed.clear()

    def interface_gone(self, name: str) -> None:
        """Sockets cannot outlive their interface."""
        for state in self.states.values():
            if state.pool.interface == name:
                self._close(state)
                for instance in state.instances:
                    instance.advertiser.aim(None, instance.advertiser.source)
                    instance.advertiser.build(instance.effective)

    def _key(self, instance: Instance, source: Ip | None) -> _Key | None:
        config = instance.config
        protocol = packet.PROTOCOL_AH if config.auth_type is AuthType.AH else packet.PROTOCOL_VRRP
        if config.unicast:
            if source is None:
                return None
            return (config.family, protocol, instance.interface, config.vrf, None, source, "")
        if not instance.interface:
            return None
        link = self._context.machine.link(instance.interface)
        parent = link.facts.parent if link.facts is not None and instance.interface != config.interface else ""
        return (config.family, protocol, instance.interface, config.vrf, config.mcast_dst_ip, None, parent)

    def _create(self, key: _Key, sharing: list[Instance], sources: dict[Instance, Ip | None]) -> PoolState:
        first = sharing[0]
        config = first.config
        pool = Pool(
            family=config.family,
            protocol=packet.PROTOCOL_AH if config.auth_type is AuthType.AH else packet.PROTOCOL_VRRP,
            interface=first.interface,
            vrf=config.vrf,
            group=None if config.unicast else config.mcast_dst_ip,
            source=sources[first] if config.unicast else None,
            join_parent=str(key[6]),
            receive_buffer=sum(self._receive_buffer(instance) for instance in sharing),
        )
        timers, outbox = self._context.timers, self._context.outbox
        state = PoolState(key, pool, Guard(pool, timers, outbox), Repeats(pool, timers, outbox, self._changed))
        self._by_key[key] = self.states[pool] = state
        return state

    def _receive_buffer(self, instance: Instance) -> int:
        """Bytes of receive buffer one instance asks for: its own, or by vrrp_rx_bufs_policy."""
        config, defaults = instance.config, self._context.globals.vrrp_defaults
        if config.kernel_rx_buf_size:
            return config.kernel_rx_buf_size
        policy = defaults.rx_bufs_policy
        if policy.isdecimal():
            return int(policy)
        facts = self._context.machine.link(instance.interface).facts
        if policy == "MTU":
            return (facts.mtu if facts is not None else 1500) * defaults.rx_bufs_multiplier
        if policy == "ADVERT":
            header = packet.IPV4_HEADER_LENGTH if config.family == 4 else 0
            length = packet.message_length(config.version, len(config.virtual_addresses), config.family)
            return (header + length) * defaults.rx_bufs_multiplier
        return 0

    def _join(self, state: PoolState, instance: Instance) -> None:
        if self._of.get(instance) is state:
            return
        self._of[instance] = state
        state.guard.lift()
        state.by_vrid.setdefault(instance.config.virtual_router_id, []).append(instance)

    def _open_if_possible(self, state: PoolState) -> None:
        name = state.pool.interface
        if not state.is_open and (not name or self._context.machine.link(name).exists):
            state.is_open = True
            self._context.outbox.open_pool(state.pool)

    def _close(self, state: PoolState) -> None:
        if state.is_open:
            state.is_open = False
            state.repeats.clear()
            state.guard.lift()
            self._context.outbox.later(ClosePool(state.pool))

    def find(self, state: PoolState, vrid: int, source: Ip) -> Instance | None:
        """The instance of this VRID that a sender talks to; None if there is none."""
        sharing = state.by_vrid.get(vrid)
        if not sharing:
            self._report_unknown(state, vrid, None)
            return None
        if len(sharing) == 1:
            return sharing[0]
        for instance in sharing:
            if instance.last_source == source:
                return instance
        for instance in sharing:
            if any(peer.address == source for peer in instance.config.unicast_peers):
                return instance
        self._report_unknown(state, vrid, source)
        return None

    def _report_unknown(self, state: PoolState, vrid: int, source: Ip | None) -> None:
        first = next(filter(None, state.by_vrid.values()), None)
        if first is not None:
            first[0].counters.vrid_err += 1
        if not self._context.globals.vrrp_defaults.log_unknown_vrids:
            return
        if source is None:
            text = messages.UNKNOWN_VRID % (vrid, state.pool.interface)
        else:
            text = messages.UNKNOWN_VRID_FROM % (vrid, state.pool.interface, source)
        self._context.outbox.log(text, VRID=str(vrid))
