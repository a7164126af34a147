"""The VRRP core as a whole: all instances, groups and trackers of one configuration behind one door.

It routes what it is told to the objects concerned and gathers what they want done. The protocol is in instance.py and
election.py; building from a configuration is assembly.py.
"""

from __future__ import annotations

from collections.abc import Callable

from pykeepalived.config.model import Config
from pykeepalived.observe.cause import Cause
from pykeepalived.observe.snapshot import VrrpSnapshot
from pykeepalived.runtime.contract import NANOSECONDS_PER_MICROSECOND
from pykeepalived.vrrp import election, inputs, messages
from pykeepalived.vrrp.announce import Announcer
from pykeepalived.vrrp.assembly import Assembly
from pykeepalived.vrrp.context import Context
from pykeepalived.vrrp.effects import CreateLink, Effect, Pool
from pykeepalived.vrrp.instance import Instance
from pykeepalived.vrrp.leftovers import Leftovers, Removal
from pykeepalived.vrrp.machine import Link, Machine
from pykeepalived.vrrp.outbox import Outbox
from pykeepalived.vrrp.packet import VrrpPacketError
from pykeepalived.vrrp.pools import PoolState
from pykeepalived.vrrp.receive import Datagram, open_datagram
from pykeepalived.vrrp.repeats import Key
from pykeepalived.vrrp.report import snapshot
from pykeepalived.vrrp.table import Event, State
from pykeepalived.vrrp.timers import Timer, Timers

LATE_NS = 50_000_000
"""A tick later than this first asks for another round of reading the sockets."""


class Router:
    """Contract of every core: receive, tick, deadline, drain; `hear` beside them for adverts.

    `now` is monotonic nanoseconds; `wall()` gives nanoseconds since 1970 (authentication trailers).
    `adopt` tells that a predecessor with the same configuration was killed a moment ago: an instance whose addresses
    are all in place goes on as MASTER; without it, leftovers are removed. `log_detail` is the number of -D options.

    Shell's duties: after every call of `receive`, `tick`, or a round of `hear`, perform what `drain` returns until it
    returns nothing; before `tick`, read all sockets that are readable.
    """

    def __init__(
        self,
        config: Config,
        view: inputs.View,
        now: int,
        wall: Callable[[], int],
        *,
        adopt: bool = False,
        log_detail: int = 0,
    ) -> None:
        self._outbox = outbox = Outbox(log_detail)
        self._timers = timers = Timers()
        self._machine = machine = Machine(outbox, timers, self._link_changed)
        announcer = Announcer(outbox, timers, machine)
        self._context = Context(outbox, timers, machine, announcer, wall, config.globals)
        self._assembly = Assembly(self._context)
        self._delay = Timer(timers, self._delay_over)
        self._leftovers = Leftovers(self._context, self._assembly)
        self._deferred = False
        self._stopped = False
        self._delay_start(view.uptime_ns, now)
        self._assembly.start(config, view, now, adopt)

    # contract

    def receive(self, message: inputs.Input, now: int) -> None:
        """Take an event, a result or an order."""
        if self._stopped:
            return
        self._context.finish()
        self._thaw(now)
        match message:
            case inputs.Stop(release):
                self._stopped = True
                self._assembly.stop(now, release=release)
            case inputs.InterfaceChanged(interface):
                self._machine.update(interface, now)
            case inputs.InterfaceRemoved(name):
                self._machine.remove(name, now)
            case inputs.LinkbeatChanged(name, up):
                self._machine.set_linkbeat(name, up, now)
            case inputs.AddressAdded(address):
                self._address_added(address, now)
            case inputs.AddressRemoved(address):
                self._address_removed(address, now)
            case inputs.RouteRemoved():
                self._route_removed(message, now)
            case inputs.RuleRemoved():
                self._rule_removed(message, now)
            case inputs.Resynced(view):
                self._resynced(view, now)
            case inputs.Attached():
                self._attached(message, now)
            case inputs.PoolFailed(pool, error):
                self._pool_failed(pool, error, now)
            case inputs.PoolOpened(pool):
                self._pool_opened(pool, now)
            case inputs.OperationFailed(operation) if isinstance(operation, Removal):
                self._leftovers.refused(operation, now)
            case inputs.OperationFailed(operation, error):
                master = self._assembly.instances.get(operation.instance)
                if master is not None and master.state is State.MASTER:
                    master.estate.refused(operation, error, now)
            case inputs.ScriptFinished() | inputs.FileChanged() | inputs.ProcessCount() | inputs.BfdChanged():
                self._tracked(message, now)
            case inputs.Reload(config, view):
                self._assembly.reload(config, view, now)
            case inputs.SendDue():
                self._timers.run_pressing(now)
            case inputs.SendGarp(name):
                self._send_garp(name, now)
            case inputs.ClearCounters():
                for instance in self._assembly.instances.values():
                    instance.counters.clear()
        self._assembly.pools.settle(now)

    def hear(
        self,
        pool: Pool,
        data: bytes,
        now: int,
        source: bytes = b"",
        destination: bytes = b"",
        hop_limit: int = -1,
        waited: int = 0,
    ) -> None:
        """Take one datagram from the receive socket of a pool, where it has waited for so many nanoseconds.

        IPv4: `data` begins with the IP header and the rest is left out. IPv6: `data` is the payload; `source`,
        `destination` (IPV6_PKTINFO) and `hop_limit` come from the ancillary data.
        """
        state = self._assembly.pools.states.get(pool)
        if state is None:
            return
        # what must be the same for a repetition: IPv4 TTL and all from the addresses on (identification and sum differ)
        key: Key = (source, destination, hop_limit, data) if source else data[12:]
        instance = state.repeats.known.get(key)
        if instance is not None and (source or data[8] == instance.repeat_ttl):
            instance.timer.when = now + instance.down_ns
            instance.last_heard = now
            instance.counters.advert_rcvd += 1
            return
        if waited:
            instance = state.repeats.answered.get(key)
            if instance is not None and now - waited < instance.answered and (source or data[8] == instance.repeat_ttl):
                instance.counters.advert_rcvd += 1
                return
        self._listen(state, key, data, now, source, destination, hop_limit, waited)

    def tick(self, now: int) -> None:
        """Do what is due. A call that comes very late does nothing but ask for another one at once, so that adverts
        waiting in the sockets are heard before anything is decided."""
        due = self._timers.deadline()
        if due is None or due > now:
            return
        self._thaw(now)
        if now - due > LATE_NS and not self._deferred:
            self._deferred = True
            return
        self._deferred = False
        self._context.finish()
        self._timers.run(now)
        self._assembly.pools.settle(now)

    def deadline(self) -> int | None:
        """When `tick` wants to be called; None = never. May be early for a timer that was moved, never late."""
        return self._timers.deadline()

    def exact_deadline(self) -> int | None:
        """When something will really happen; slow, for simulations and tests."""
        return self._timers.exact_deadline()

    def drain(self) -> list[Effect]:
        """What is to be done, in the phases that effects.py describes; to be called until there is nothing.

        Adverts of instances that become MASTER come alone at first; what follows them is worked out by the next call.
        """
        if self._context.unfinished:
            if self._outbox.packets:
                return self._outbox.drain_adverts()
            self._context.finish()
        return self._outbox.drain()

    def drain_adverts(self) -> list[Effect]:
        """Of what is to be done only that which cannot wait: sockets and adverts. The rest stays for `drain`."""
        return self._outbox.drain_adverts()

    def snapshot(self) -> VrrpSnapshot:
        """Everything dumps and status show; clocks, process and descriptors are the shell's to fill in."""
        self._context.finish()
        return snapshot(self._assembly)

    # adverts

    def _listen(
        self,
        state: PoolState,
        key: Key,
        data: bytes,
        now: int,
        source: bytes,
        destination: bytes,
        hop_limit: int,
        waited: int,
    ) -> None:
        self._context.finish()
        self._thaw(now)
        if now < self._context.delay_until or self._stopped:
            return
        try:
            datagram = open_datagram(data, source, destination, hop_limit)
        except VrrpPacketError as error:
            self._outbox.log(error.text)
            state.guard.refused(state.instances, now)
            return
        instance = self._assembly.pools.find(state, data[datagram.offset + 1], datagram.source)
        if instance is None:
            state.guard.refused(state.instances, now)
            return
        if instance.state in (State.FAULT, State.INIT):
            return
        if state.pool.family == 6 and not self._cast_fits(instance, datagram):
            return
        heard = instance.hear(datagram, now, waited)
        if heard is None:
            state.guard.refused(state.instances, now)
        elif election.may_repeat(instance, heard):
            instance.keep_repeat(state.repeats, key, datagram.ttl)
            state.repeats.add(key, instance)
        elif election.is_answered(instance, heard):
            instance.keep_repeat(state.repeats, key, datagram.ttl)
            state.repeats.add_answered(key, instance)
        self._assembly.pools.settle(now)

    def _cast_fits(self, instance: Instance, datagram: Datagram) -> bool:
        multicast = datagram.destination.is_multicast
        if multicast is not instance.config.unicast:
            return True
        words = (instance.name, "mult" if multicast else "un", "un" if multicast else "mult")
        self._outbox.log(messages.WRONG_CAST % words, detail=messages.DETAIL, INSTANCE=instance.name)
        return False

    # time

    def _delay_start(self, uptime_ns: int, now: int) -> None:
        """vrrp_startup_delay and vrrp_delay_after_boot."""
        defaults = self._context.globals.vrrp_defaults
        delay_ns = defaults.startup_delay_us * NANOSECONDS_PER_MICROSECOND
        if defaults.delay_after_boot_us:
            delay_ns = max(delay_ns, defaults.delay_after_boot_us * NANOSECONDS_PER_MICROSECOND - uptime_ns)
        if delay_ns > 0:
            self._context.delay_until = now + delay_ns
            self._delay.set(self._context.delay_until)
            self._outbox.log(messages.DELAYING % (delay_ns / 1e9))

    def _delay_over(self, now: int, due: int) -> None:
        self._context.delay_until = 0
        self._outbox.log(messages.DELAYED)

    def _thaw(self, now: int) -> None:
        """timer_expired_backup: a process that stood still for so long that others have taken over gives up its
        masterships before it does anything else."""
        due = self._timers.deadline()
        if due is None or now - due < LATE_NS or not self._assembly.may_oversleep:
            return
        late_ns = now - due
        frozen = [
            instance
            for instance in self._assembly.instances.values()
            if instance.state is State.MASTER and _has_slept(instance, late_ns, now)
        ]
        if not frozen:
            return
        seconds, microseconds = divmod(late_ns // 1000, 1_000_000)
        self._outbox.log(messages.LATE % (seconds, microseconds))
        cause = Cause("late", "", f"{seconds}.{microseconds:06d} s", due)
        for instance in frozen:
            if instance.state is State.MASTER:
                instance.become_backup(Event.LATE, cause, now)
                if instance.group is not None:
                    instance.group.member_left(instance, cause, now)

    # interfaces and addresses

    def _link_changed(self, link: Link, now: int) -> None:
        assembly = self._assembly
        if not link.exists:
            assembly.pools.interface_gone(link.name)
        assembly.tracking.link_changed(link, now)
        concerned = assembly.by_interface.get(link.name, [])
        if concerned:
            assembly.refresh_sources(concerned, now)
        if link.exists and link.up:
            assembly.statics.link_returned(link.name)
        if assembly.config.interface_delays:
            assembly.configure_delays()
        self._recreate_links(link)

    def _recreate_links(self, link: Link) -> None:
        """Ask for VMACs that somebody deleted or whose parent was missing, now or when their parent comes."""
        assembly, links = self._assembly, self._machine
        parents = {link.name}
        parents.update(parent for (_, parent, _), made in assembly.attachments.items() if made == link.name)
        for parent in sorted(parents):
            if not links.link(parent).exists:
                continue
            for config, family in assembly.links_wanted(parent):
                made = assembly.attachments.get((config.name, parent, family))
                if made is None or not links.link(made).exists:
                    self._outbox.later(CreateLink(config, parent, family))

    def _attached(self, message: inputs.Attached, now: int) -> None:
        """A VMAC is there again, perhaps under another name."""
        assembly = self._assembly
        key = (message.instance, message.parent, message.family)
        former = assembly.attachments.get(key)
        assembly.attachments[key] = message.name
        if former != message.name and message.instance in assembly.instances:
            view = inputs.View(
                interfaces=tuple(link.facts for link in self._machine.links.values() if link.facts is not None),
                addresses=tuple(
                    address for link in self._machine.links.values() for address in link.addresses.values()
                ),
                attachments=dict(assembly.attachments),
            )
            assembly.reload(assembly.config, view, now)

    def _address_added(self, address: inputs.Address, now: int) -> None:
        new = self._machine.add_address(address)
        place = ("address", address.interface, address.address, address.prefix_length)
        ours = False
        for instance, placed in self._assembly.places.get(place, ()):
            placed.appeared()
            ours = ours or placed.is_set
            if placed.is_set and instance.state is State.MASTER:
                instance.estate.seen(placed, address.flags, now)
        if address.address in self._assembly.virtual_ips:
            if new and not ours:
                self._outbox.log(messages.IP_ADDED % address.address, detail=messages.DETAIL)
        else:
            self._source_changed(address, messages.ASSIGNED, now)

    def _address_removed(self, address: inputs.Address, now: int) -> None:
        self._machine.remove_address(address)
        self._assembly.statics.address_removed(address)
        place = ("address", address.interface, address.address, address.prefix_length)
        for instance, placed in self._assembly.places.get(place, ()):
            if placed.removals:
                placed.removals -= 1
            elif placed.is_set and instance.state is State.MASTER and not placed.config.no_track:
                self._outbox.log(messages.IP_REMOVED % (address.address, address.interface), INSTANCE=instance.name)
                placed.is_set = False
                self._lose(instance, Cause("address_removed", str(address.address), "", now, placed.config.at), now)
        if address.address not in self._assembly.virtual_ips:
            self._source_changed(address, messages.DEASSIGNED, now)

    def _source_changed(self, address: inputs.Address, text: str, now: int) -> None:
        """An address that is not ours came or went: some instances may send from another one now."""
        assembly = self._assembly
        concerned = [
            instance
            for instance in assembly.by_interface.get(address.interface, ())
            if instance.source != assembly.source_of(instance)
        ]
        tracked = [
            instance
            for instance in assembly.instances.values()
            if instance.config.track_src_ip and instance.config.source_address == address.address
        ]
        if concerned:
            self._outbox.log(text % (address.address, address.interface), detail=messages.DETAIL)
        if concerned or tracked:
            assembly.refresh_sources(dict.fromkeys((*concerned, *tracked)), now)

    def _lose(self, instance: Instance, cause: Cause, now: int) -> None:
        """Something of a MASTER was deleted: give up, and come back after the skew time."""
        if instance.group is not None:
            instance.group.lose_object(cause, now)
        else:
            instance.become_backup(Event.OBJECT_LOST, cause, now, wait_ns=instance.skew_ns, zero=1)

    def _route_removed(self, message: inputs.RouteRemoved, now: int) -> None:
        if self._assembly.statics.route_removed(message):
            return
        for instance in self._assembly.instances.values():
            for placed in instance.estate.holdings.routes:
                if placed.is_set and placed.config == message.route and not placed.config.no_track:
                    placed.is_set = False
                    subject = str(message.route.destination or "default")
                    self._outbox.log(messages.ROUTE_REMOVED % subject, INSTANCE=instance.name)
                    self._lose(instance, Cause("route_removed", subject, "", now, placed.config.at), now)
                    return

    def _rule_removed(self, message: inputs.RuleRemoved, now: int) -> None:
        if self._assembly.statics.rule_removed(message):
            return
        for instance in self._assembly.instances.values():
            for placed in instance.estate.holdings.rules:
                if placed.is_set and placed.config == message.rule and not placed.config.no_track:
                    placed.is_set = False
                    self._outbox.log(messages.RULE_REMOVED, INSTANCE=instance.name)
                    self._lose(instance, Cause("rule_removed", "", "", now, placed.config.at), now)
                    return

    def _resynced(self, view: inputs.View, now: int) -> None:
        """Events were lost: find out from the whole what they would have told."""
        machine = self._machine
        present = {interface.name for interface in view.interfaces}
        for name in [link.name for link in machine.links.values() if link.exists and link.name not in present]:
            machine.remove(name, now)
        for interface in view.interfaces:
            machine.update(interface, now)
        known = {address.place: address for link in machine.links.values() for address in link.addresses.values()}
        there = {address.place: address for address in view.addresses}
        for place, address in known.items():
            if place not in there:
                self._address_removed(address, now)
        for place, address in there.items():
            if known.get(place) != address:
                self._address_added(address, now)

    # answers

    def _users(self, pool: Pool) -> list[Instance]:
        state = self._assembly.pools.states.get(pool)
        return state.instances if state is not None else []

    def _pool_failed(self, pool: Pool, error: str, now: int) -> None:
        for instance in self._users(pool):
            cause = Cause("socket", pool.interface, error, now, instance.config.at)
            instance.add_fault(("pool", ""), cause, now)

    def _pool_opened(self, pool: Pool, now: int) -> None:
        for instance in self._users(pool):
            instance.remove_fault(("pool", ""), now)

    def _send_garp(self, name: str, now: int) -> None:
        instance = self._assembly.instances.get(name)
        if instance is not None and instance.state is State.MASTER:
            instance.estate.schedule.block(1, now)

    def _tracked(
        self,
        message: inputs.ScriptFinished | inputs.FileChanged | inputs.ProcessCount | inputs.BfdChanged,
        now: int,
    ) -> None:
        tracking = self._assembly.tracking
        match message:
            case inputs.ScriptFinished():
                self._script_finished(message, now)
            case inputs.FileChanged(name, content):
                file = tracking.files.get(name)
                if file is not None:
                    file.receive(content, now)
            case inputs.ProcessCount(name, count):
                process = tracking.processes.get(name)
                if process is not None:
                    process.receive(count, now)
            case inputs.BfdChanged(name, up, sent_ns):
                tracking.bfd_changed(name, up, sent_ns, now)

    def _script_finished(self, message: inputs.ScriptFinished, now: int) -> None:
        name = message.name
        script = self._assembly.tracking.scripts.get(name)
        if script is None or not script.running:
            return
        waiting = [use.instance for use in script.uses if name in use.instance.waiting]
        script.finished(message, now)
        for instance in waiting:
            instance.waiting.discard(name)
            instance.waited = True
        for instance in waiting:
            self._assembly.begin_if_ready(instance, now)


def _has_slept(instance: Instance, late_ns: int, now: int) -> bool:
    """Whether a MASTER with timer_expired_backup has been asleep for so long that it must have been replaced."""
    priority = instance.config.timer_expired_backup
    if priority is None:
        return False
    interval_us, skew_us = instance.config.advert_int_us, instance.skew_us(priority)
    if late_ns < (2 * interval_us + skew_us) * NANOSECONDS_PER_MICROSECOND:
        return False
    return now >= instance.last_sent + (3 * interval_us + skew_us) * NANOSECONDS_PER_MICROSECOND
