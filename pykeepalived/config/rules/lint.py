"""Warnings about configurations that load but hardly do what was meant. None of them changes the exit status.

Each rule looks at the finished model and the machine. What loading itself already reports (a notify script that is
missing or not executable, an unused script, nopreempt with state MASTER, unicast without peers) is not repeated here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from pykeepalived.config.findings import Finding, FindingClass, Severity
from pykeepalived.config.model import Config
from pykeepalived.config.model.ipvs import Checker, MiscCheck, RealServer, VirtualServer
from pykeepalived.config.model.network import IpAddress
from pykeepalived.config.model.values import Ip, Script, Span
from pykeepalived.config.model.vrrp import Notify, Tracker, VrrpInstance

if TYPE_CHECKING:
    from pykeepalived.config.environment import Environment

KERNEL_WEIGHT_MAX = 65_535
"""A larger weight is refused or cut by IPVS (ipvsadm(8), --weight)."""

SLOW_FAILOVER_US = 60_000_000
_SHELL_WORDS = frozenset({"|", "||", "&", "&&", ";", ">", ">>", "<", "2>", "2>&1", "1>&2", "&>"})
_SHELL_SIGNS = ("$(", "`", "${", "2>&1", "&&", "||")

Rule = Callable[[Config, "Environment"], Iterable[Finding]]


def lint(config: Config, environment: Environment) -> tuple[Finding, ...]:
    """All warnings about a configuration, in the order of the rules."""
    return tuple(found for rule in RULES for found in rule(config, environment))


def _finding(
    code: str, text: str, at: Span | None, suggestion: str = "", severity: Severity = Severity.WARNING
) -> Finding:
    return Finding(code, text, at, severity, FindingClass.NONE, suggestion)


# --- VRRP -------------------------------------------------------------------------------------------------------------


def _where(instance: VrrpInstance, keyword: str) -> Span | None:
    return instance.positions.get(keyword, instance.at)


def _all_addresses(instance: VrrpInstance) -> tuple[IpAddress, ...]:
    return instance.virtual_addresses + instance.excluded_addresses


def peer_is_own_address(config: Config, environment: Environment) -> Iterator[Finding]:
    """A peer that is this very node never answers."""
    own = {one.address for interface in environment.interfaces.values() for one in interface.addresses}
    for instance in config.vrrp_instances:
        for peer in instance.unicast_peers:
            if peer.address in own or peer.address == instance.source_address:
                text = f"({instance.name}) unicast peer {peer.address} is an address of this node"
                yield _finding("lint-peer-own", text, peer.at or instance.at, "list only the other nodes")


def address_without_prefix(config: Config, environment: Environment) -> Iterator[Finding]:
    """A VIP without a prefix length gets a host route only."""
    for instance in config.vrrp_instances:
        for vip in _all_addresses(instance):
            if vip.prefix_length == vip.address.bits and vip.peer is None and not vip.address.is_link_local:
                text = f"({instance.name}) {vip.address} has no prefix length: it becomes a /{vip.address.bits}"
                yield _finding("lint-vip-prefix", text, vip.at, "give the prefix length of the subnet", Severity.HINT)


def _contains(network: Ip, length: int, address: Ip) -> bool:
    shift = network.bits - length
    return (
        len(network) == len(address)
        and int.from_bytes(network, "big") >> shift == int.from_bytes(address, "big") >> shift
    )


def address_outside_subnets(config: Config, environment: Environment) -> Iterator[Finding]:
    """A VIP outside every subnet of this node is rarely reachable."""
    subnets = [
        (one.address, one.prefix_length)
        for interface in environment.interfaces.values()
        for one in interface.addresses
        if one.prefix_length < one.address.bits
    ]
    families = {network.family for network, _length in subnets}
    for instance in config.vrrp_instances:
        for vip in _all_addresses(instance):
            if vip.address.is_link_local or vip.address.family not in families:
                continue
            if not any(_contains(network, length, vip.address) for network, length in subnets):
                text = f"({instance.name}) {vip.address} is in no subnet of this node"
                yield _finding("lint-vip-subnet", text, vip.at)


def address_in_two_instances(config: Config, environment: Environment) -> Iterator[Finding]:
    """One VIP in two instances ends on two nodes as soon as the instances part."""
    owners: dict[Ip, str] = {}
    for instance in config.vrrp_instances:
        for vip in _all_addresses(instance):
            owner = owners.setdefault(vip.address, instance.name)
            if owner != instance.name:
                text = f"({instance.name}) {vip.address} is also an address of instance {owner}"
                yield _finding("lint-vip-twice", text, vip.at)


def _weighted(instance: VrrpInstance) -> Iterator[Tracker]:
    track = instance.track
    for trackers in (track.interfaces, track.scripts, track.files, track.processes, track.bfds):
        yield from (tracker for tracker in trackers if tracker.weight)


def nopreempt_with_weights(config: Config, environment: Environment) -> Iterator[Finding]:
    """With nopreempt no node takes over from a live master, so a changed priority moves nothing."""
    for instance in config.vrrp_instances:
        if not instance.nopreempt:
            continue
        for tracker in _weighted(instance):
            text = (
                f"({instance.name}) with nopreempt the weight {tracker.weight} of {tracker.name}"
                " cannot move mastership: only a fault (weight 0) can"
            )
            yield _finding("lint-nopreempt-weight", text, tracker.at or instance.at, "remove nopreempt or the weight")


def slow_failover(config: Config, environment: Environment) -> Iterator[Finding]:
    """A master that died is noticed only after several advert intervals."""
    for instance in config.vrrp_instances:
        wait_us = instance.down_timer_adverts * instance.advert_int_us
        if wait_us >= SLOW_FAILOVER_US:
            text = f"({instance.name}) a dead master is noticed only after {wait_us // 1_000_000} seconds"
            yield _finding("lint-slow-failover", text, _where(instance, "advert_int"), "shorten advert_int")


def unequal_group_weights(config: Config, environment: Environment) -> Iterator[Finding]:
    """Members of a sync group follow each other; unequal weights make them pull in different directions."""
    instances = {instance.name: instance for instance in config.vrrp_instances}
    for group in config.vrrp_sync_groups:
        members = [instances[name] for name in group.members if name in instances]
        weights = {
            name: {
                (tracker.name, -tracker.weight if tracker.reverse else tracker.weight)
                for tracker in _weighted(instances[name])
            }
            for name in group.members
            if name in instances
        }
        if len({frozenset(found) for found in weights.values()}) > 1:
            text = f"({group.name}) the members of the sync group have different weighted trackers"
            yield _finding("lint-group-weights", text, group.at, "track in the group, with sync_group_tracking_weight")
        if len({member.priority for member in members}) > 1:
            text = f"({group.name}) the members of the sync group have different priorities"
            yield _finding("lint-group-priorities", text, group.at, "give all members of a group the same priority")


# --- scripts ----------------------------------------------------------------------------------------------------------


def script_slower_than_interval(config: Config, environment: Environment) -> Iterator[Finding]:
    """A script that may run longer than its interval delays or skips its next runs."""
    for script in config.vrrp_scripts:
        if script.timeout_us > script.interval_us:
            text = f"vrrp_script {script.name}: timeout is longer than interval, runs will be skipped"
            yield _finding("lint-script-timeout", text, script.at, "make timeout at most interval")
    for check, name in _checkers(config):
        if isinstance(check, MiscCheck) and check.timeout_us > check.delay_loop_us:
            yield _finding("lint-script-timeout", f"{name}: misc_timeout is longer than delay_loop", check.at)


def shell_syntax(config: Config, environment: Environment) -> Iterator[Finding]:
    """Scripts are executed, not given to a shell: pipes and redirections become arguments."""
    for script, name in _scripts(config):
        if script.shell or _is_shell(script):
            continue
        for word in script.words[1:]:
            if word in _SHELL_WORDS or any(sign in word for sign in _SHELL_SIGNS):
                text = f"{name}: {word!r} is passed to the script as it stands, no shell reads it"
                yield _finding("lint-script-shell", text, script.at, "put the command into a script file")
                break


def _is_shell(script: Script) -> bool:
    """`sh -c TEXT`: there the text is meant for a shell."""
    return len(script.words) > 1 and script.words[1].startswith("-") and "c" in script.words[1]


def _notify_scripts(notify: Notify, name: str) -> Iterator[tuple[Script, str]]:
    for field in ("backup", "master", "fault", "stop", "deleted", "generic", "master_rx_lower_pri"):
        script = getattr(notify, field)
        if script is not None:
            yield script, f"({name}) notify {field}"


def _scripts(config: Config) -> Iterator[tuple[Script, str]]:
    """All scripts of a configuration with words that name them."""
    for instance in config.vrrp_instances:
        yield from _notify_scripts(instance.notify, instance.name)
    for group in config.vrrp_sync_groups:
        yield from _notify_scripts(group.notify, group.name)
    for script in config.vrrp_scripts:
        yield script.script, f"vrrp_script {script.name}"
    for virtual in config.virtual_servers:
        for found, word in ((virtual.quorum_up, "quorum_up"), (virtual.quorum_down, "quorum_down")):
            if found is not None:
                yield found, f"{virtual_text(virtual)} {word}"
        for real in virtual.real_servers:
            for found, word in ((real.notify_up, "notify_up"), (real.notify_down, "notify_down")):
                if found is not None:
                    yield found, f"{real_text(real)} {word}"
    for check, name in _checkers(config):
        if isinstance(check, MiscCheck):
            yield check.script, f"{name} misc_path"


# --- IPVS -------------------------------------------------------------------------------------------------------------


def virtual_text(virtual: VirtualServer) -> str:
    """A virtual server as people write it."""
    if virtual.fwmark is not None:
        return f"virtual server fwmark {virtual.fwmark}"
    return (
        f"virtual server group {virtual.group}" if virtual.group else f"virtual server {virtual.address} {virtual.port}"
    )


def real_text(real: RealServer) -> str:
    return f"real server {real.address} {real.port}"


def _checkers(config: Config) -> Iterator[tuple[Checker, str]]:
    for virtual in config.virtual_servers:
        for real in virtual.real_servers:
            for check in real.checkers:
                yield check, real_text(real)


def server_without_checker(config: Config, environment: Environment) -> Iterator[Finding]:
    """Without a checker a dead server keeps getting connections."""
    for virtual in config.virtual_servers:
        for real in virtual.real_servers:
            if not real.checkers:
                text = f"{real_text(real)} of {virtual_text(virtual)} has no checker: it counts as up for ever"
                yield _finding("lint-no-checker", text, real.at)


def checker_slower_than_period(config: Config, environment: Environment) -> Iterator[Finding]:
    """A check that may take longer than its period makes the period longer."""
    for check, name in _checkers(config):
        connection = getattr(check, "connection", None)
        if connection is not None and connection.timeout_us > check.delay_loop_us:
            text = f"{name}: connect_timeout {connection.timeout_us / 1e6:g} s is longer than delay_loop"
            yield _finding("lint-checker-timeout", text, check.at, "make connect_timeout at most delay_loop")


def checker_at_port_zero(config: Config, environment: Environment) -> Iterator[Finding]:
    """A server without a port of its own is checked at port 0, which nothing answers."""
    for check, name in _checkers(config):
        connection = getattr(check, "connection", None)
        if connection is not None and not connection.port and type(check).__name__ != "PingCheck":
            yield _finding("lint-checker-port", f"{name}: the check connects to port 0", check.at, "give connect_port")


def weight_beyond_kernel(config: Config, environment: Environment) -> Iterator[Finding]:
    for virtual in config.virtual_servers:
        for real in virtual.real_servers:
            if real.weight > KERNEL_WEIGHT_MAX:
                text = f"{real_text(real)}: weight {real.weight} is above the kernel's limit {KERNEL_WEIGHT_MAX}"
                yield _finding("lint-weight", text, real.at)


def service_on_foreign_address(config: Config, environment: Environment) -> Iterator[Finding]:
    """A virtual server on an address that this node never has gets no packets."""
    owned = {one.address for interface in environment.interfaces.values() for one in interface.addresses}
    owned |= {vip.address for instance in config.vrrp_instances for vip in _all_addresses(instance)}
    owned |= {one.address for one in config.static_addresses}
    groups = {group.name: group for group in config.virtual_server_groups}
    for virtual in config.virtual_servers:
        wanted = [virtual.address] if virtual.address is not None else []
        if virtual.group in groups:
            wanted = [entry.first for entry in groups[virtual.group].entries if entry.first is not None]
        for address in wanted:
            if address not in owned:
                text = f"{virtual_text(virtual)}: no interface and no instance has the address {address}"
                yield _finding("lint-address-foreign", text, virtual.at, "add it to virtual_ipaddress", Severity.HINT)


RULES: tuple[Rule, ...] = (
    peer_is_own_address,
    address_without_prefix,
    address_outside_subnets,
    address_in_two_instances,
    nopreempt_with_weights,
    slow_failover,
    unequal_group_weights,
    script_slower_than_interval,
    shell_syntax,
    server_without_checker,
    checker_slower_than_period,
    checker_at_port_zero,
    weight_beyond_kernel,
    service_on_foreign_address,
)
