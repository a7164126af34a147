"""Routes: which kernel route a configured one is, and the steps from what is there to what is wished. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pykeepalived.config.model.network import IpRoute
from pykeepalived.netlink.facts import Facts, Link, Route, RouteHop
from pykeepalived.netlink.operations import AddRoute, DeleteRoute, Operation, ReplaceRoute

_IPV6_DEFAULT_METRIC = 1024
"""What the kernel gives an IPv6 route without a metric (IP6_RT_PRIO_USER)."""


def route_key(route: IpRoute) -> tuple[int, int, bytes, int, int, int]:
    """The key a configured route has in the kernel's table: see facts.Route.key."""
    destination = bytes(route.destination) if route.destination is not None else b""
    if not any(destination):
        destination = b""
    metric = route.metric
    if metric is None or (metric == 0 and route.family == 6):
        metric = _IPV6_DEFAULT_METRIC if route.family == 6 else 0
    length = route.prefix_length if route.destination is not None else 0
    return (route.family, route.table, destination, length, route.tos or 0, metric)


def match_route(actual: Route, configured: Iterable[IpRoute], links: Mapping[int, Link]) -> IpRoute | None:
    """The configured route that this kernel route is, or None: same key, and the same way where one is given."""
    for route in configured:
        if route_key(route) == actual.key and route.type == actual.type and _same_way(route, actual, links):
            return route
    return None


def _same_way(route: IpRoute, actual: Route, links: Mapping[int, Link]) -> bool:
    if route.nexthops:
        # The kernel reports hops of an IPv6 multipath route one by one.
        return (
            any(_same_hop(hop.via, hop.interface, found, links) for hop in route.nexthops for found in actual.hops)
            or not actual.hops
        )
    if not actual.hops:
        return True
    return _same_hop(route.via, route.interface, actual.hops[0], links)


def _same_hop(via: bytes | None, interface: str, actual: RouteHop, links: Mapping[int, Link]) -> bool:
    if via is not None and via != actual.via:
        return False
    link = links.get(actual.index)
    return not interface or link is None or link.name == interface


def diff(desired: Sequence[IpRoute], previous: Sequence[IpRoute], facts: Facts) -> list[Operation]:
    """From the `previous` wishes, and whatever of them the kernel has, to the `desired` ones.

    Vanished ones are deleted first; a wish whose key is in the kernel is replaced unless nothing about it changed.
    """
    present = {key for route in facts.routes for key in [route.key]}
    wanted = {route_key(route) for route in desired}
    before = {route_key(route): route for route in previous}
    operations: list[Operation] = [
        DeleteRoute(route, lenient=True) for key, route in before.items() if key not in wanted and key in present
    ]
    for route in desired:
        key = route_key(route)
        if key not in present:
            operations.append(AddRoute(route))
        elif before.get(key) != route:
            operations.append(ReplaceRoute(route))
    return operations
