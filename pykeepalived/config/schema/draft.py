"""The root draft: what has been read so far, before completion. Section files put their own drafts into its lists."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from pykeepalived.config.model.network import IpAddress, IpRoute, IpRule
from pykeepalived.config.model.vrrp import InterfaceDelays, Linkbeat
from pykeepalived.light_dataclasses import late_dataclass

if TYPE_CHECKING:
    from pykeepalived.config.schema.globals_draft import GlobalsDraft
    from pykeepalived.config.schema.sync_group import SyncGroupDraft
    from pykeepalived.config.schema.track import (
        GarpGroupDraft,
        ProcessDraft,
        ScriptDraft,
        TrackFileDraft,
        TrackGroupDraft,
    )
    from pykeepalived.config.schema.vrrp_draft import InstanceDraft


@late_dataclass(slots=True, eq=False, repr=False)
class ConfigDraft:
    """Everything read from the files, in the order of the files.

    The LVS, BFD and SSL lists hold the drafts of schema/lvs.py, schema/bfd.py and schema/ssl.py. `started` collects the
    processes that a root keyword asked for. `refused` tells that the VRRP process rejects the whole configuration
    (a named interface does not exist).
    """

    globals: GlobalsDraft
    instances: list[InstanceDraft] = field(default_factory=list)
    sync_groups: list[SyncGroupDraft] = field(default_factory=list)
    scripts: list[ScriptDraft] = field(default_factory=list)
    track_files: list[TrackFileDraft] = field(default_factory=list)
    track_processes: list[ProcessDraft] = field(default_factory=list)
    track_groups: list[TrackGroupDraft] = field(default_factory=list)
    garp_groups: list[GarpGroupDraft] = field(default_factory=list)
    interface_delays: list[InterfaceDelays] = field(default_factory=list)
    linkbeat_interfaces: list[Linkbeat] = field(default_factory=list)
    linkbeat_use_polling: bool = False
    static_addresses: list[IpAddress] = field(default_factory=list)
    static_routes: list[IpRoute] = field(default_factory=list)
    static_rules: list[IpRule] = field(default_factory=list)
    bfd_instances: list[Any] = field(default_factory=list)
    virtual_server_groups: list[Any] = field(default_factory=list)
    virtual_servers: list[Any] = field(default_factory=list)
    ssl: Any = None
    started: set[str] = field(default_factory=set)
    refused: bool = False
    rule_preferences: dict[int, int] = field(default_factory=dict)
    """Next automatic preference of an IP rule by family."""
    names: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Names seen by kind ("vrrp_instance", ...), for duplicates and suggestions; the first object of a name wins."""

    def register(self, kind: str, name: str, item: Any) -> bool:
        """Remember a named object; False when the name was used before (the first one stays)."""
        known = self.names.setdefault(kind, {})
        if name in known:
            return False
        known[name] = item
        return True

    def find(self, kind: str, name: str) -> Any:
        """The first object of this kind and name, or None."""
        return self.names.get(kind, {}).get(name)
