"""Which part of a configuration concerns which child. Pure: nothing is sent or started here."""

from __future__ import annotations

from dataclasses import replace

from pykeepalived.config.model import Config
from pykeepalived.runtime.messages import ChildKind


def part_for(kind: ChildKind, config: Config) -> Config:
    """The configuration without what this child never looks at: what is not sent costs it nothing at a reload."""
    if kind is ChildKind.VRRP:
        return replace(config, virtual_server_groups=(), virtual_servers=(), ssl=None)
    if kind is ChildKind.BFD:
        return Config(
            globals=config.globals,
            bfd_instances=config.bfd_instances,
            wants_vrrp=config.wants_vrrp,
            wants_checker=config.wants_checker,
            wants_bfd=config.wants_bfd,
        )
    return replace(
        config,
        vrrp_instances=(),
        vrrp_sync_groups=(),
        vrrp_scripts=(),
        track_processes=(),
        track_groups=(),
        garp_groups=(),
        interface_delays=(),
        linkbeat_interfaces=(),
        static_addresses=(),
        static_routes=(),
        static_rules=(),
    )


def wanted_children(config: Config, enabled: frozenset[ChildKind], run_all: bool) -> tuple[ChildKind, ...]:
    """The children that have something to do, or all enabled ones with --all; in the order in which they start."""
    wants = {
        ChildKind.CHECKER: config.wants_checker,
        ChildKind.VRRP: config.wants_vrrp,
        ChildKind.BFD: config.wants_bfd,
    }
    return tuple(kind for kind, wanted in wants.items() if kind in enabled and (wanted or run_all))
