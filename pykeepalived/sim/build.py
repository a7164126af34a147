"""From configurations to a cluster: interfaces of the same name meet, free addresses are handed out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_interface

from pykeepalived.config.model import Config
from pykeepalived.config.model.values import Ip
from pykeepalived.lab.plan import plan
from pykeepalived.sim.cluster import Cluster
from pykeepalived.sim.lan import Quality, RandomSource
from pykeepalived.sim.machine import Plug


def make_cluster(configs: Mapping[str, Config], random: RandomSource, quality: Quality) -> Cluster:
    """A cluster for these configurations, nothing started. Raises ValueError when a subnet has no free address."""
    cluster = Cluster(random, quality)
    layout = plan(configs)
    for number, (name, config) in enumerate(configs.items()):
        plugs = []
        for place, plug in enumerate(plug for plug in layout.plugs if plug.host == name):
            called = [f"{each}/{_length(each)}" for each in _called_by_peers(configs, name, plug.interface)]
            addresses = _with_bfd([*called, *plug.addresses], _bfd_addresses(configs, name))
            local = f"fe80::{place + 1}:{number + 1}/64"
            mac = bytes((2, 0, 0, 0, place, number + 1))
            plugs.append(Plug(plug.interface, mac, (*dict.fromkeys(addresses), local)))
        cluster.add(name, config, plugs)
    return cluster


def _length(address: Ip) -> int:
    return 24 if address.family == 4 else 64


def _called_by_peers(configs: Mapping[str, Config], name: str, interface: str) -> list[Ip]:
    """The address by which the other nodes call a node that does not name its own (unicast_peer, no unicast_src_ip)."""
    found: list[Ip] = []
    for instance in configs[name].vrrp_instances:
        if not instance.unicast or instance.source_address is not None or instance.interface != interface:
            continue
        twins = (
            twin
            for other, config in configs.items()
            if other != name
            for twin in config.vrrp_instances
            if (twin.virtual_router_id, twin.family) == (instance.virtual_router_id, instance.family)
        )
        called = {peer.address for twin in twins for peer in twin.unicast_peers}
        found += _only(called - {peer.address for peer in instance.unicast_peers})
    return found


def _bfd_addresses(configs: Mapping[str, Config], name: str) -> list[Ip]:
    """The addresses of a node's BFD sessions: those it names, else the one by which the other nodes call it."""
    own = configs[name].bfd_instances
    found = [each.source for each in own if each.source is not None]
    if any(each.source is None for each in own):
        called = {each.neighbor for other, config in configs.items() if other != name for each in config.bfd_instances}
        found += _only(called - {each.neighbor for each in own})
    return found


def _only(addresses: set[Ip]) -> Iterable[Ip]:
    """An address if there is no other to choose from."""
    return addresses if len(addresses) == 1 else ()


def _with_bfd(addresses: list[str], wanted: list[Ip]) -> list[str]:
    """The addresses of an interface, those of BFD sessions in place of others of the same subnet."""
    result = list(addresses)
    for address in wanted:
        for place, text in enumerate(result):
            network = ip_interface(text).network
            target = ip_address(str(address))
            if network.version == target.version and target in network:
                result[place] = f"{address}/{network.prefixlen}"
                break
    return result
