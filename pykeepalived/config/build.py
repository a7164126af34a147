"""From drafts to the model: the completion of every section in keepalived's order, then one frozen Config."""

from __future__ import annotations

from pykeepalived.config.build_lvs import build_bfd, build_lvs, check_lvs_scripts
from pykeepalived.config.model import Config
from pykeepalived.config.rules.globals import complete_globals
from pykeepalived.config.rules.lvs import complete_lvs
from pykeepalived.config.rules.vrrp import complete_vrrp, sync_daemon
from pykeepalived.config.schema.base import Reading
from pykeepalived.light_dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Built:
    """A finished configuration. `refused`: the VRRP process would not run with it (what there is of it is empty)."""

    config: Config
    refused: bool


def build(reading: Reading, *, detailed: bool = False, findings_only: bool = False) -> Built:
    """Complete what was read. `detailed`: option -D was given, which makes one more rule speak.

    `findings_only` leaves the virtual servers and what VRRP acts on, the largest parts, out of the model.
    """
    draft = reading.draft
    globals_ = complete_globals(reading)
    complete_lvs(reading)
    groups, servers, ssl = ((), (), None) if findings_only else build_lvs(reading)
    if findings_only:
        check_lvs_scripts(reading)
    elif reading.memo is not None:
        reading.memo.keep(draft.virtual_servers, servers, reading.findings)
    vrrp = complete_vrrp(reading, globals_, detailed=detailed, findings_only=findings_only)
    config = Config(
        globals=sync_daemon(globals_, vrrp, reading),
        vrrp_instances=vrrp.instances,
        vrrp_sync_groups=vrrp.sync_groups,
        vrrp_scripts=vrrp.scripts,
        track_files=vrrp.track_files,
        track_processes=vrrp.track_processes,
        track_groups=vrrp.track_groups,
        garp_groups=vrrp.garp_groups,
        interface_delays=tuple(draft.interface_delays),
        linkbeat_interfaces=tuple(draft.linkbeat_interfaces),
        linkbeat_use_polling=draft.linkbeat_use_polling,
        static_addresses=tuple(draft.static_addresses),
        static_routes=tuple(draft.static_routes),
        static_rules=tuple(draft.static_rules),
        bfd_instances=build_bfd(reading),
        virtual_server_groups=groups,
        virtual_servers=servers,
        ssl=ssl,
        wants_vrrp="vrrp" in draft.started,
        wants_checker="checker" in draft.started,
        wants_bfd="bfd" in draft.started,
    )
    return Built(config, vrrp.refused)
