"""The typed configuration: frozen, slotted, equal by value. The children of the daemon see nothing else of a file.

`Config` is the root. Building it from text is config/build.py; comparing two of them is config/diff.py.
"""

from __future__ import annotations

from pykeepalived.config.model.bfd import BfdInstance
from pykeepalived.config.model.globals import GlobalDefs
from pykeepalived.config.model.ipvs import SslContext, VirtualServer, VirtualServerGroup
from pykeepalived.config.model.network import IpAddress, IpRoute, IpRule
from pykeepalived.config.model.vrrp import (
    GarpGroup,
    InterfaceDelays,
    Linkbeat,
    TrackFile,
    TrackGroup,
    TrackProcess,
    VrrpInstance,
    VrrpScript,
    VrrpSyncGroup,
)
from pykeepalived.light_dataclasses import late_dataclass


@late_dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A whole configuration, completed and checked.

    `wants_vrrp`, `wants_checker` and `wants_bfd` tell whether a keyword that starts the process was seen, even if
    nothing valid remained of its block.
    """

    globals: GlobalDefs = GlobalDefs()
    vrrp_instances: tuple[VrrpInstance, ...] = ()
    vrrp_sync_groups: tuple[VrrpSyncGroup, ...] = ()
    vrrp_scripts: tuple[VrrpScript, ...] = ()
    track_files: tuple[TrackFile, ...] = ()
    track_processes: tuple[TrackProcess, ...] = ()
    track_groups: tuple[TrackGroup, ...] = ()
    garp_groups: tuple[GarpGroup, ...] = ()
    interface_delays: tuple[InterfaceDelays, ...] = ()
    linkbeat_interfaces: tuple[Linkbeat, ...] = ()
    linkbeat_use_polling: bool = False
    static_addresses: tuple[IpAddress, ...] = ()
    static_routes: tuple[IpRoute, ...] = ()
    static_rules: tuple[IpRule, ...] = ()
    bfd_instances: tuple[BfdInstance, ...] = ()
    virtual_server_groups: tuple[VirtualServerGroup, ...] = ()
    virtual_servers: tuple[VirtualServer, ...] = ()
    ssl: SslContext | None = None
    wants_vrrp: bool = False
    wants_checker: bool = False
    wants_bfd: bool = False
