"""What differs between two configurations, object by object: the data behind `plan` and the log of a reload.

Objects are matched by what identifies them on a reload (VRID, family and interface of an instance; address and port of
a server; the name of most others), never by their place in a list. Values of secret fields are not shown.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any

from pykeepalived.config.model import Config
from pykeepalived.config.model.ipvs import RealServer, VirtualServer
from pykeepalived.config.model.network import IpAddress, IpRoute
from pykeepalived.config.model.values import Ip, Script, Span
from pykeepalived.config.model.vrrp import VrrpInstance
from pykeepalived.light_dataclasses import dataclass

HIDDEN = "(hidden)"
_MICROSECONDS = "_us"
"""How the names of fields end that are lengths of time."""


class ChangeKind(StrEnum):
    """What happens to an object."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference. `section` is the kind of object (`vrrp_instance`), `name` what people call it.

    `identity` is what it was matched by. `path` names the field of a changed object (`track.scripts`), with `old` and
    `new` its values; `old` or `new` is the whole object when it is removed or added. `at` is its place in the new file.
    """

    kind: ChangeKind
    section: str
    name: str
    identity: tuple[object, ...] = ()
    path: str = ""
    old: Any = None
    new: Any = None
    at: Span | None = None

    def __str__(self) -> str:
        what = f"{self.section} {self.name}".rstrip()
        if self.kind is not ChangeKind.CHANGED:
            return f"{what}: {self.kind}"
        return f"{what}: {_shown_name(self.path)} {_shown(self.path, self.old)} > {_shown(self.path, self.new)}"


def _shown_name(field: str) -> str:
    """A field as people know it: without its unit."""
    return field.removesuffix(_MICROSECONDS)


def _shown(field: str, value: Any) -> str:
    """The value of a field, a length of time in seconds as in the configuration."""
    return f"{value / 1e6:.9g} s" if field.endswith(_MICROSECONDS) and isinstance(value, int) else show(value)


def show(value: Any) -> str:
    """A value in one short line."""
    if value is None or value == () or value == "":
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, Ip):
        return str(value)
    if isinstance(value, bytes):
        return value.hex(":")
    if isinstance(value, Script):
        return value.command_line
    if isinstance(value, IpAddress):
        return f"{value.address}/{value.prefix_length}" + (f" dev {value.interface}" if value.interface else "")
    if isinstance(value, tuple):
        return ", ".join(show(item) for item in value)
    if isinstance(value, IpRoute):
        head = f"{value.destination}/{value.prefix_length}" if value.destination is not None else "default"
        return " ".join((head, *_given(value, ("family", "destination", "prefix_length"))))
    if _is_model(value):
        return " ".join(_given(value)) or "default"
    return str(value)


def _given(value: Any, shown: Sequence[str] = ()) -> Iterator[str]:
    """The fields of an object that are not as by default, except those shown already."""
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        if field.compare and field.repr and field.name not in shown and item != field.default:
            yield f"{_shown_name(field.name)}={_shown(field.name, item)}"


Identity = Callable[[Any], tuple[object, ...]]


def instance_identity(instance: VrrpInstance) -> tuple[object, ...]:
    """What makes an instance the same across a reload: VRID, family, interface, and where its adverts go."""
    if instance.unicast:
        where: tuple[object, ...] = ("unicast", instance.source_address)
    else:
        where = ("multicast", instance.vmac is not None, instance.mcast_dst_ip)
    return instance.virtual_router_id, instance.family, instance.interface, *where


def service_identity(server: VirtualServer) -> tuple[object, ...]:
    """What makes a virtual server the same: address, port and protocol, the fwmark, or the group and place in it."""
    if server.group:
        return "group", server.group, server.group_index
    if server.fwmark is not None:
        return "fwmark", server.fwmark, server.family
    return "address", server.address, server.port, server.protocol


def _server_identity(server: RealServer) -> tuple[object, ...]:
    return server.address, server.port


def _service_name(server: VirtualServer) -> str:
    if server.group:
        return server.group
    return f"fwmark {server.fwmark}" if server.fwmark is not None else f"[{server.address}]:{server.port}"


def _server_name(server: RealServer) -> str:
    return f"[{server.address}]:{server.port}"


def _by_name(item: Any) -> tuple[object, ...]:
    return (item.name,)


def _by_interface(item: Any) -> tuple[object, ...]:
    return (item.interface,)


def _by_value(item: Any) -> tuple[object, ...]:
    return (item,)


_SECTIONS: tuple[tuple[str, str, Identity, Callable[[Any], str]], ...] = (
    ("vrrp_instances", "vrrp_instance", instance_identity, lambda item: item.name),
    ("vrrp_sync_groups", "vrrp_sync_group", _by_name, lambda item: item.name),
    ("vrrp_scripts", "vrrp_script", _by_name, lambda item: item.name),
    ("track_files", "track_file", _by_name, lambda item: item.name),
    ("track_processes", "vrrp_track_process", _by_name, lambda item: item.name),
    ("track_groups", "track_group", _by_name, lambda item: item.name),
    ("garp_groups", "garp_group", lambda item: (item.interfaces,), lambda item: ", ".join(item.interfaces)),
    ("interface_delays", "interface_up_down_delays", _by_interface, lambda item: item.interface),
    ("linkbeat_interfaces", "linkbeat_interfaces", _by_interface, lambda item: item.interface),
    ("static_addresses", "static_ipaddress", lambda item: (item.address, item.interface), show),
    ("static_routes", "static_routes", _by_value, show),
    ("static_rules", "static_rules", _by_value, show),
    ("bfd_instances", "bfd_instance", _by_name, lambda item: item.name),
    ("virtual_server_groups", "virtual_server_group", _by_name, lambda item: item.name),
)


def diff(old: Config, new: Config) -> tuple[Change, ...]:
    """All differences, section by section in the order of the model; equal configurations give none."""
    return tuple(_changes(old, new))


def _changes(old: Config, new: Config) -> Iterator[Change]:
    yield from fields_changed("global_defs", "", (), old.globals, new.globals)
    for attribute, section, identity, name in _SECTIONS:
        yield from objects_changed(section, getattr(old, attribute), getattr(new, attribute), identity, name)
    yield from _services_changed(old.virtual_servers, new.virtual_servers)
    if old.linkbeat_use_polling != new.linkbeat_use_polling:
        yield Change(
            kind=ChangeKind.CHANGED,
            section="linkbeat_use_polling",
            name="",
            path="value",
            old=old.linkbeat_use_polling,
            new=new.linkbeat_use_polling,
        )
    if old.ssl != new.ssl:
        kind = ChangeKind.ADDED if old.ssl is None else ChangeKind.REMOVED if new.ssl is None else ChangeKind.CHANGED
        yield Change(kind=kind, section="SSL", name="", path="context", old=HIDDEN, new=HIDDEN)


def objects_changed(
    section: str, old: Sequence[Any], new: Sequence[Any], identity: Identity, name: Callable[[Any], str]
) -> Iterator[Change]:
    """Differences between two lists of objects: removed, added, changed field by field. Linear in their length."""
    if old is new or old == new:
        return
    before = {identity(item): item for item in old}
    after = {identity(item): item for item in new}
    for key, item in before.items():
        if key not in after:
            yield Change(kind=ChangeKind.REMOVED, section=section, name=name(item), identity=key, old=item)
    for key, item in after.items():
        known = before.get(key)
        if known is None:
            yield Change(kind=ChangeKind.ADDED, section=section, name=name(item), identity=key, new=item, at=item.at)
        elif known != item:
            yield from fields_changed(section, name(item), key, known, item, at=item.at)


def fields_changed(
    section: str,
    name: str,
    identity: tuple[object, ...],
    old: Any,
    new: Any,
    prefix: str = "",
    skip: frozenset[str] = frozenset(),
    at: Span | None = None,
) -> Iterator[Change]:
    """Fields that differ between two objects of one class; nested objects are compared field by field."""
    for field, shown in _compared_fields(new.__class__):
        before, after = getattr(old, field), getattr(new, field)
        if field in skip or before == after:
            continue
        path = f"{prefix}.{field}" if prefix else field
        if shown and _is_model(before) and type(before) is type(after) and not isinstance(after, Script):
            yield from fields_changed(section, name, identity, before, after, path, at=at)
            continue
        yield Change(
            kind=ChangeKind.CHANGED,
            section=section,
            name=name,
            identity=identity,
            path=path,
            old=before if shown else HIDDEN,
            new=after if shown else HIDDEN,
            at=at,
        )


@lru_cache(maxsize=128)
def _compared_fields(kind: Any) -> tuple[tuple[str, bool], ...]:
    """Names of the fields that count for equality, and whether they may be shown."""
    return tuple((field.name, field.repr) for field in dataclasses.fields(kind) if field.compare)


def _is_model(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _services_changed(old: Sequence[VirtualServer], new: Sequence[VirtualServer]) -> Iterator[Change]:
    if old == new:
        return
    before = {service_identity(server): server for server in old}
    after = {service_identity(server): server for server in new}
    inner = frozenset({"real_servers"})
    for key, server in before.items():
        if key not in after:
            name = _service_name(server)
            yield Change(kind=ChangeKind.REMOVED, section="virtual_server", name=name, identity=key, old=server)
    for key, server in after.items():
        name = _service_name(server)
        known = before.get(key)
        if known is None:
            kind = ChangeKind.ADDED
            yield Change(kind=kind, section="virtual_server", name=name, identity=key, new=server, at=server.at)
        elif known != server:
            yield from fields_changed("virtual_server", name, key, known, server, skip=inner, at=server.at)
            for change in objects_changed(
                "real_server", known.real_servers, server.real_servers, _server_identity, _server_name
            ):
                yield dataclasses.replace(change, name=f"{change.name} of {name}", identity=(*key, *change.identity))
