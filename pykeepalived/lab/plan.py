"""Which network a set of configurations needs: segments, addresses of the nodes, a client that can reach the VIPs.

Pure: takes models, returns data; lab/command.py builds it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pykeepalived.config.model import Config

AnyNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Plug:
    """One interface of one host: its segment has the interface's name, so equal names meet on one bridge."""

    host: str
    interface: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LabPlan:
    """Everything to build: plugs of nodes and client, and the addresses the client pings."""

    plugs: tuple[Plug, ...]
    targets: tuple[str, ...]


def interfaces_of(config: Config) -> list[str]:
    """Every interface a configuration names, in order of appearance."""
    names: list[str] = []
    for instance in config.vrrp_instances:
        names.append(instance.interface)
        names += [address.interface for address in (*instance.virtual_addresses, *instance.excluded_addresses)]
        names += [tracker.name for tracker in instance.track.interfaces]
        names += [route.interface for route in instance.virtual_routes]
    for group in config.vrrp_sync_groups:
        names += [tracker.name for tracker in group.track.interfaces]
    names += [address.interface for address in config.static_addresses]
    names += [route.interface for route in config.static_routes]
    return [name for name in dict.fromkeys(names) if name]


def _network(address: str, length: int) -> AnyNetwork:
    """The subnet to build for an address; a host prefix stands in a /24 or /64."""
    host = ipaddress.ip_address(address)
    if length >= host.max_prefixlen - 1:
        length = 24 if host.version == 4 else 64
    return ipaddress.ip_network(f"{address}/{length}", strict=False)


def _networks(configs: Sequence[Config]) -> dict[str, list[AnyNetwork]]:
    found: dict[str, list[AnyNetwork]] = {}
    for config in configs:
        for instance in config.vrrp_instances:
            addresses = [
                (a.interface or instance.interface, str(a.address), a.prefix_length)
                for a in (*instance.virtual_addresses, *instance.excluded_addresses)
            ]
            sources = [peer.address for peer in instance.unicast_peers]
            if instance.source_address:
                sources.append(instance.source_address)
            addresses += [(instance.interface, str(ip), ip.bits) for ip in sources]
            for interface, address, length in addresses:
                if ipaddress.ip_address(address).is_link_local:
                    continue
                network = _network(address, length)
                known = found.setdefault(interface, [])
                if not any(network.version == other.version and network.overlaps(other) for other in known):
                    known.append(network)
    return found


def plan(configs: Mapping[str, Config]) -> LabPlan:
    """The laboratory for these nodes (name -> configuration)."""
    networks = _networks(list(configs.values()))
    taken, targets = _fixed_addresses(configs)
    plugs = []
    for name, config in configs.items():
        for interface in interfaces_of(config):
            own = [
                str(i.source_address) for i in config.vrrp_instances if i.source_address and i.interface == interface
            ]
            addresses = []
            for network in networks.get(interface, []):
                mine = next((a for a in own if ipaddress.ip_address(a) in network), None) or _free(network, taken)
                addresses.append(f"{mine}/{network.prefixlen}")
            plugs.append(Plug(name, interface, tuple(addresses)))
    for interface, found in networks.items():
        free = tuple(f"{_free(network, taken)}/{network.prefixlen}" for network in found)
        plugs.append(Plug(CLIENT, interface, free))
    return LabPlan(tuple(plugs), tuple(targets))


def _fixed_addresses(configs: Mapping[str, Config]) -> tuple[set[str], list[str]]:
    """Addresses that must not be handed out, and those the client pings: all VIPs that are not link-local."""
    taken: set[str] = set()
    targets: list[str] = []
    for config in configs.values():
        for instance in config.vrrp_instances:
            for address in (*instance.virtual_addresses, *instance.excluded_addresses):
                taken.add(str(address.address))
                if not ipaddress.ip_address(str(address.address)).is_link_local:
                    targets.append(str(address.address))
            taken.update(str(peer.address) for peer in instance.unicast_peers)
            if instance.source_address:
                taken.add(str(instance.source_address))
        for session in config.bfd_instances:
            taken.add(str(session.neighbor))
            if session.source is not None:
                taken.add(str(session.source))
    return taken, list(dict.fromkeys(targets))


def _free(network: AnyNetwork, taken: set[str]) -> str:
    """The next address of a network that nothing uses; marks it as used."""
    for host in network.hosts():
        if str(host) not in taken:
            taken.add(str(host))
            return str(host)
    raise ValueError(f"no free address left in {network}")
