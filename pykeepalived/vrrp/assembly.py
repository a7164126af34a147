"""Putting a configuration to work: making instances, groups, pools and trackers, replacing them at a reload.

What they do in between is router.py's to tell them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import partial

from pykeepalived.config.model import Config
from pykeepalived.config.model.network import IpAddress
from pykeepalived.config.model.values import Ip
from pykeepalived.config.model.vrrp import VrrpInstance
from pykeepalived.observe.cause import Cause
from pykeepalived.runtime.contract import NANOSECONDS_PER_MICROSECOND
from pykeepalived.vrrp import messages, renewal
from pykeepalived.vrrp.attachments import wants_own_vmac
from pykeepalived.vrrp.conflicts import Conflicts
from pykeepalived.vrrp.context import Context
from pykeepalived.vrrp.effects import NotifyGroup, NotifyInstance, RemoveLink
from pykeepalived.vrrp.group import Group
from pykeepalived.vrrp.holdings import Change, PlacedAddress
from pykeepalived.vrrp.inputs import View
from pykeepalived.vrrp.instance import FaultKey, Instance
from pykeepalived.vrrp.pools import Pools
from pykeepalived.vrrp.statics import Statics
from pykeepalived.vrrp.table import Event, State
from pykeepalived.vrrp.tracking import Tracking, groups_of


def identity(config: VrrpInstance) -> Hashable:
    """What makes it the same virtual router after a reload; its name does not."""
    return (
        config.virtual_router_id,
        config.family,
        config.interface,
        config.source_address if config.unicast else None,
        None if config.unicast else (config.vmac is not None, config.mcast_dst_ip),
    )


def _nothing() -> None:
    pass


class Assembly:
    """Everything made from one configuration. `places` finds the owner of an address the kernel has lost,
    `by_interface` the instances that send or stand on an interface."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.config = Config()
        self.attachments: dict[tuple[str, str, int], str] = {}
        self.instances: dict[str, Instance] = {}
        self.groups: list[Group] = []
        self.pools = Pools(context)
        self.tracking = Tracking(context)
        self.statics = Statics(context)
        self.conflicts = Conflicts(context)
        self.places: dict[Hashable, list[tuple[Instance, PlacedAddress]]] = {}
        self.by_interface: dict[str, list[Instance]] = {}
        self.by_interface_or_address: dict[str, list[Instance]] = {}
        self.virtual_ips: frozenset[Ip] = frozenset()
        self.may_oversleep = False

    # interfaces and sources

    def interface_of(self, config: VrrpInstance) -> str:
        """The interface that carries the adverts."""
        vmac, primary = config.vmac, config.interface
        if (vmac is None and config.ipvlan is None) or (vmac is not None and (vmac.xmit_base or config.unicast)):
            return primary
        return self.attachments.get((config.name, primary, config.family), "")

    def place_of(self, config: VrrpInstance) -> Callable[[IpAddress], str]:
        """A function that gives the interface on which an address of the instance stands."""
        own = self.attachments.get((config.name, config.interface, config.family), config.interface)

        def place(address: IpAddress) -> str:
            if wants_own_vmac(config, address):
                parent = address.interface or config.interface
                made = self.attachments.get((config.name, parent, address.family))
                if made is not None:
                    return made
            if config.vmac is not None and address.family != config.family:
                # The instance's VMAC is for its own family.
                return address.interface or config.interface
            if address.interface_given and address.interface != config.interface:
                return address.interface
            if config.vmac is not None:
                return own
            return address.interface or own

        return place

    def source_of(self, instance: Instance) -> Ip | None:
        """The address the instance sends from; None while it has none."""
        config = instance.config
        if config.source_address is not None:
            return config.source_address
        if config.ipvlan is not None and config.ipvlan.address is not None:
            return config.ipvlan.address
        machine = self.context.machine
        name = config.interface if config.family == 4 else instance.interface
        found = machine.first_address(name, config.family, self.virtual_ips)
        if found is None and config.is_owner:
            # an address owner may have no other address than the virtual one (RFC 9568 section 1.6)
            found = machine.first_address(name, config.family, frozenset())
        return found

    def refresh_sources(self, instances: Iterable[Instance], now: int) -> None:
        """Source addresses, pools and the faults of both, after something about interfaces or addresses changed; but
        first of all who must not be there."""
        concerned = list(instances)
        self.conflicts.judge(concerned, now)
        sources = {instance: self.source_of(instance) for instance in concerned}
        for instance in concerned:
            if sources[instance] is None and instance.state is State.MASTER:
                # priority 0 must still leave from the old address
                self._judge_source(instance, None, now)
        self.pools.assign(concerned, sources)
        for instance in concerned:
            self._judge_source(instance, sources[instance], now)
            self._judge_existence(instance, now)

    def _judge_source(self, instance: Instance, source: Ip | None, now: int) -> None:
        config = instance.config
        present = source is not None
        if config.track_src_ip and source is not None:
            present = self.context.machine.has_address(source)
        key: FaultKey = ("source", "")
        if present:
            instance.remove_fault(key, now)
        else:
            subject = str(config.source_address or instance.interface)
            instance.add_fault(key, Cause("no_source_address", subject, "", now, config.at), now)

    def _judge_existence(self, instance: Instance, now: int) -> None:
        """Without the interface of its sockets an instance can do nothing, tracked or not."""
        name, config = instance.interface, instance.config
        key: FaultKey = ("missing", config.interface)
        if (name and self.context.machine.link(name).exists) or (not name and not config.interface):
            instance.remove_fault(key, now)
        else:
            instance.add_fault(key, Cause("interface_missing", name or config.interface, "", now, config.at), now)

    def _index(self) -> None:
        """Find instances by what the kernel reports."""
        self.places = {}
        self.by_interface = {}
        self.by_interface_or_address = {}
        for instance in self.instances.values():
            config = instance.config
            owned = (*config.virtual_addresses, *config.excluded_addresses)
            for name in dict.fromkeys((config.interface, *(address.interface for address in owned))):
                self.by_interface_or_address.setdefault(name, []).append(instance)
            for placed in instance.estate.holdings.all_addresses:
                self.places.setdefault(placed.place, []).append((instance, placed))
            for name in {instance.interface, instance.config.interface} - {""}:
                self.by_interface.setdefault(name, []).append(instance)
        self.conflicts.configure(self.instances.values())

    def _virtual_ips(self, config: Config) -> frozenset[Ip]:
        return frozenset(
            address.address
            for instance in config.vrrp_instances
            for address in (*instance.virtual_addresses, *instance.excluded_addresses)
        )

    # start

    def start(self, config: Config, view: View, now: int, adopt: bool) -> None:
        """The first configuration."""
        self.config = config
        self._load(config, view)
        for item in config.vrrp_instances:
            self.instances[item.name] = self._make(item)
        self.groups = groups_of(config, self.instances, self.context)
        self._index()
        self.configure_delays()
        self._configure_announcer()
        self.statics.replace(config)
        instances = list(self.instances.values())
        adopted = {instance: None for instance in instances if adopt and self._was_master(instance)}
        routes, rules = set(view.leftover_routes), set(view.leftover_rules)
        for instance in instances:
            if instance not in adopted:
                instance.estate.holdings.clean(self._is_present, routes, rules)
        self.refresh_sources(instances, now)
        self._judge_configurations(now)
        self.tracking.configure(config, instances, now, unknown=adopt)
        self.tracking.begin(view, now)
        for instance in instances:
            self._tell_faults(instance)
        for instance in adopted:
            if not self._adopt(instance, now):
                instance.estate.holdings.clean(self._is_present, routes, rules)
        for group in self.groups:
            if all(member.state is State.MASTER for member in group.members):
                group.adopt(now)
        for group in self.groups:
            self.begin_if_ready(group.members[0], now)
        for instance in instances:
            self.begin_if_ready(instance, now)
        self.tracking.start_scripts(now)

    def _load(self, config: Config, view: View) -> None:
        self.virtual_ips = self._virtual_ips(config)
        self.may_oversleep = any(item.timer_expired_backup is not None for item in config.vrrp_instances)
        self.attachments = dict(view.attachments)
        self.context.machine.load(view.interfaces, view.addresses)

    def _make(self, config: VrrpInstance) -> Instance:
        return Instance(config, self.context, self.interface_of(config), self.place_of(config))

    def begin_if_ready(self, instance: Instance, now: int) -> None:
        """Make the first decision of an instance or its group, once nobody waits for the result of a script."""
        group = instance.group
        if group is not None:
            if any(member.waiting for member in group.members):
                return
            if all(member.state is State.INIT for member in group.members):
                group.begin(now)
            elif instance.state is State.INIT:
                group.agree(now)
            return
        if instance.state is not State.INIT or instance.waiting:
            return
        if instance.faults:
            cause = next(iter(instance.faults.values()))
            instance.enter_fault(Event.FAULT, cause, now, init=True)
        else:
            instance.start(now, Cause("startup", "", "", now, instance.config.at))

    def _judge_configurations(self, now: int) -> None:
        for instance in self.instances.values():
            fault, key = instance.config.config_fault, ("config", "")
            if fault:
                cause = Cause("configuration", instance.name, fault, now, instance.config.at)
                instance.add_fault(key, cause, now)
            else:
                instance.remove_fault(key, now)

    def _tell_faults(self, instance: Instance) -> None:
        """Say at start why an instance will be in FAULT."""
        name, outbox = instance.name, self.context.outbox
        for (kind, subject), cause in instance.faults.items():
            match kind:
                case "interface" | "base" | "missing":
                    text = messages.FAULT_INTERFACE_AT_START % (name, subject)
                case "source" if instance.config.source_address is None:
                    text = messages.FAULT_ADDRESS_AT_START % (name, instance.config.family)
                case "source":
                    text = messages.FAULT_SOURCE_AT_START % name
                case "script":
                    text = messages.FAULT_SCRIPT_AT_START % (name, subject)
                case "process":
                    text = messages.FAULT_PROCESS_AT_START % (name, subject)
                case "file":
                    text = messages.FAULT_FILE_AT_START % (name, subject, int(cause.detail or 0))
                case _:
                    text = messages.FAULT_AT_START % name
            outbox.log(text, INSTANCE=name, CAUSE=str(cause))

    def _is_present(self, placed: PlacedAddress) -> bool:
        known = self.context.machine.link(placed.interface).addresses
        return (placed.address, placed.config.prefix_length) in known

    # going on for a killed predecessor

    def _was_master(self, instance: Instance) -> bool:
        """Whether all addresses are in place: only a MASTER leaves that behind."""
        owned = instance.estate.holdings.all_addresses
        return bool(owned) and all(self._is_present(placed) for placed in owned)

    def _adopt(self, instance: Instance, now: int) -> bool:
        """Go on as MASTER, unless something forbids it. Scripts were good a moment ago: nobody waits for them."""
        instance.waiting.clear()
        if instance.faults or self.context.delay_until > now:
            return False
        cause = Cause("adopted", instance.name, "the addresses of a killed predecessor are in place", now)
        instance.become_master(Event.ADOPT, cause, now)
        return True

    # settings that follow the configuration

    def _configure_announcer(self) -> None:
        defaults = self.config.globals.vrrp_defaults
        self.context.announcer.configure(defaults.garp_interval_us, defaults.gna_interval_us, self.config.garp_groups)

    def configure_delays(self) -> None:
        """interface_up_down_delays, kept below the time in which peers would notice."""
        machine = self.context.machine
        self.context.interval_changed = self.configure_delays if self.config.interface_delays else _nothing
        for link in machine.links.values():
            link.down_delay_ns = link.up_delay_ns = 0
        for item in self.config.interface_delays:
            limit_us = self._delay_limit(item.interface)
            down_us = item.down_us if limit_us is None else min(item.down_us, limit_us)
            up_us = down_us if item.up_us == item.down_us else item.up_us
            names = [item.interface]
            names += [link.name for link in machine.links.values() if link.facts and link.facts.parent == names[0]]
            for name in names:
                link = machine.link(name)
                link.down_delay_ns = down_us * NANOSECONDS_PER_MICROSECOND
                link.up_delay_ns = up_us * NANOSECONDS_PER_MICROSECOND

    def links_wanted(self, parent: str) -> Iterator[tuple[VrrpInstance, int]]:
        """(instance, family) of each VMAC or ipvlan interface that is to stand on `parent`."""
        for instance in self.by_interface_or_address.get(parent, ()):
            config = instance.config
            families = set()
            if config.interface == parent and (config.vmac is not None or config.ipvlan is not None):
                families.add(config.family)
            for address in (*config.virtual_addresses, *config.excluded_addresses):
                if wants_own_vmac(config, address) and (address.interface or config.interface) == parent:
                    families.add(address.family)
            for family in sorted(families):
                yield config, family

    def _delay_limit(self, interface: str) -> int | None:
        limits = [
            (instance.config.down_timer_adverts - 1) * instance.master_interval_us - instance.master_interval_us // 256
            for instance in self.by_interface.get(interface, ())
        ]
        return max(min(limits), 0) if limits else None

    # reload

    def reload(self, config: Config, view: View, now: int) -> None:
        """Another configuration. An instance that is the same goes on undisturbed; what two configurations share stays
        in the kernel untouched, even if it moves from one instance to another."""
        self.config = config
        self.context.globals = config.globals
        made = dict.fromkeys(self.attachments.values())
        self._load(config, view)
        cause = Cause("reload", "", "", now)
        change = Change()
        former = {identity(instance.config): instance for instance in self.instances.values()}
        kept: dict[str, Instance] = {}
        changed: set[Instance] = set()
        for item in config.vrrp_instances:
            instance = former.pop(identity(item), None)
            if instance is None:
                instance = self._make(item)
            elif self._differs(instance, item):
                renewal.reconfigure(instance, item, self.interface_of(item), self.place_of(item), change)
                changed.add(instance)
            kept[item.name] = instance
        for gone in former.values():
            self._delete(gone, cause, change, now)
        groups = {group.name: group for group in self.groups}
        self.instances = kept
        self.groups = groups_of(config, kept, self.context)
        change.put_out(self.context.outbox)
        self._index()
        self.configure_delays()
        self._configure_announcer()
        self._settle(changed, groups, now)
        used = set(self.attachments.values())
        for name in made:
            if name not in used and self.context.machine.link(name).exists:
                self.context.outbox.later(RemoveLink(name))

    def _settle(self, changed: set[Instance], groups: dict[str, Group], now: int) -> None:
        instances = list(self.instances.values())
        self.refresh_sources(instances, now)
        self._judge_configurations(now)
        self.tracking.configure(self.config, instances, now, reload=True)
        for instance in instances:
            if instance in changed:
                renewal.resume(instance, now)
            if self.config.globals.vrrp_defaults.fifo_write_states_on_reload and instance.state is not State.INIT:
                renewal.repeat_notice(instance)
        for group in self.groups:
            group.inherit(groups.get(group.name))
            group.agree(now)
            if self.config.globals.vrrp_defaults.fifo_write_states_on_reload and group.state is not State.INIT:
                self.context.outbox.later(NotifyGroup(group.config, group.state.name, group.cause, fifo_only=True))
        for instance in instances:
            self.begin_if_ready(instance, now)
        self.statics.replace(self.config)
        self.tracking.start_scripts(now)

    def _differs(self, instance: Instance, config: VrrpInstance) -> bool:
        if instance.config is not config and instance.config != config:
            return True
        if instance.interface != self.interface_of(config):
            return True
        place = self.place_of(config)
        return any(placed.interface != place(placed.config) for placed in instance.estate.holdings.all_addresses)

    def _delete(self, instance: Instance, cause: Cause, change: Change, now: int) -> None:
        was_fault = instance.state is State.FAULT
        state = "DELETED" if instance.config.notify.deleted_as_deleted else "FAULT"
        instance.estate.holdings.surrender(change)
        instance.stop(cause, now, release=False)
        self.pools.release(instance)
        if not was_fault or state == "DELETED":
            self.context.outbox.later(NotifyInstance(instance.config, state, instance.effective, cause))

    # end

    def stop(self, now: int, *, release: bool) -> None:
        """The end of everything: priority-0 adverts first; the rest is worked out when they are on their way. Who does
        not `release` keeps his addresses and says nothing either."""
        self.context.finish()
        stopping = list(self.instances.values())
        for instance in stopping:
            if release and instance.state is State.MASTER:
                instance.send_zero(now)
        self.context.unfinished.append(partial(self._give_up, stopping, Cause("stopped", "", "", now), now, release))

    def _give_up(self, stopping: list[Instance], cause: Cause, now: int, release: bool) -> None:
        """Removals, closing, STOP notifications."""
        self.tracking.stop()
        for instance in stopping:
            instance.stop(cause, now, release=release, farewell=False)
        if release:
            self.statics.remove()
        for instance in stopping:
            self.pools.release(instance)
        self.pools.close_unused()
        for instance in stopping:
            self.context.outbox.later(NotifyInstance(instance.config, "STOP", instance.effective, cause))
        for group in self.groups:
            group.stop(cause)
        if release:
            for name in dict.fromkeys(self.attachments.values()):
                self.context.outbox.later(RemoveLink(name))
