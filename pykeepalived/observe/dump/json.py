"""keepalived.json, in both of its versions: keys, their order and number formats are those of keepalived."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields

from pykeepalived.config.model import Config
from pykeepalived.config.model.network import IpRule
from pykeepalived.config.model.vrrp import AuthType, TrackProcess, VrrpInstance
from pykeepalived.observe.dump.instance import excluded_addresses, states, virtual_addresses
from pykeepalived.observe.dump.network import route_line, rule_line
from pykeepalived.observe.dump.text import command, micro, short
from pykeepalived.observe.snapshot import (
    TrackProcessSnapshot,
    VrrpCounters,
    VrrpInstanceSnapshot,
    VrrpSnapshot,
)

_AUTH_NUMBERS = {AuthType.NONE: 0, AuthType.PASS: 1, AuthType.AH: 2}
_MATCHES = {"": "none", "exact": "exact", "initial": "initial", "partial": "partial"}
_SNMP_ONLY = frozenset({"vers_err", "chk_err", "vrid_err"})

Pairs = list[tuple[str, str]]
"""Keys with values that are JSON already."""


def vrrp_json(config: Config, snapshot: VrrpSnapshot) -> str:
    """The text of keepalived.json, "" without any instance (no file is written then).

    Version 1 is an array of instances, version 2 an object with the keys vrrp and, where there are any, track_process.
    """
    if not config.vrrp_instances:
        return ""
    scripts = {script.name: command(script.script) for script in config.vrrp_scripts}
    instances = []
    for instance, state in states(config, snapshot):
        data = _object(_data(instance, state, snapshot, scripts))
        instances.append(_object([("data", data), ("stats", _stats(state.counters))]))
    array = _array(instances)
    if config.globals.json_version < 2:
        return array + "\n"
    pairs = [("vrrp", array)]
    if config.track_processes:
        counts = {process.name: process for process in snapshot.processes}
        processes = [
            _process(process, counts.get(process.name) or TrackProcessSnapshot(name=process.name))
            for process in config.track_processes
        ]
        pairs.append(("track_process", _array(processes)))
    return _object(pairs) + "\n"


def _data(instance: VrrpInstance, now: VrrpInstanceSnapshot, snapshot: VrrpSnapshot, scripts: dict[str, str]) -> Pairs:
    garp = instance.garp
    virtual_mac = instance.vmac is not None or instance.ipvlan is not None
    pairs: Pairs = [
        ("iname", _text(instance.name)),
        ("dont_track_primary", _number(instance.dont_track_primary)),
        ("skip_check_adv_addr", _number(instance.skip_check_adv_addr)),
        ("strict_mode", _number(instance.strict_mode)),
        ("vmac_ifname", _text((now.vmac_name or now.interface) if virtual_mac else "")),
        ("ifp_ifname", _text(now.interface or instance.interface)),
        ("master_priority", _number(now.master_priority)),
        ("last_transition", micro(snapshot.taken.wall_us(now.last_transition_ns))),
        ("garp_delay", _number(garp.master_delay_s)),
        ("garp_refresh", _number(garp.master_refresh_s)),
        ("garp_rep", _number(garp.master_repeat)),
        ("garp_refresh_rep", _number(garp.master_refresh_repeat)),
        ("garp_lower_prio_delay", _number(garp.lower_prio_delay_s)),
        ("garp_lower_prio_rep", _number(garp.lower_prio_repeat)),
        ("lower_prio_no_advert", _number(instance.lower_prio_no_advert)),
        ("higher_prio_send_advert", _number(instance.higher_prio_send_advert)),
        ("vrid", _number(instance.virtual_router_id)),
        ("base_priority", _number(now.base_priority)),
        ("effective_priority", _number(now.effective_priority)),
        ("vipset", _truth(now.vips_set)),
        ("promote_secondaries", _truth(instance.promote_secondaries)),
        ("adver_int", short(instance.advert_int_us)),
        ("master_adver_int", short(now.master_advert_int_us or instance.advert_int_us)),
        ("accept", _number(instance.accept)),
        ("nopreempt", _truth(instance.nopreempt)),
        ("preempt_delay", _number(instance.preempt_delay_us // 1_000_000)),
        ("state", _number(now.state)),
        ("wantstate", _number(now.wantstate)),
        ("version", _number(instance.version)),
        ("smtp_alert", _truth(instance.smtp_alert)),
        ("notify_deleted", _truth(instance.notify.deleted_as_deleted)),
    ]
    return pairs + _scripts(instance) + _owned(instance, now) + _tracked(instance, scripts) + _authentication(instance)


def _scripts(instance: VrrpInstance) -> Pairs:
    notify = instance.notify
    wanted = (
        ("script_backup", notify.backup),
        ("script_master", notify.master),
        ("script_fault", notify.fault),
        ("script_stop", notify.stop),
        ("script_deleted", notify.deleted),
        ("script", notify.generic),
        ("script_master_rx_lower_pri", notify.master_rx_lower_pri),
    )
    return [(key, _text(command(script))) for key, script in wanted if script is not None]


def _owned(instance: VrrpInstance, now: VrrpInstanceSnapshot) -> Pairs:
    rules: tuple[IpRule, ...] = instance.virtual_rules
    lists = (
        ("vips", virtual_addresses(instance, now)),
        ("evips", excluded_addresses(instance, now)),
        ("vroutes", [route_line(route) for route in instance.virtual_routes]),
        ("vrules", [rule_line(rule) for rule in rules]),
    )
    return [(key, _texts(lines)) for key, lines in lists if lines]


def _tracked(instance: VrrpInstance, scripts: dict[str, str]) -> Pairs:
    """Scripts are listed by their commands, everything else by name."""
    track = instance.track
    lists = (
        ("track_ifp", [tracker.name for tracker in track.interfaces]),
        ("track_script", [scripts.get(tracker.name, tracker.name) for tracker in track.scripts]),
        ("track_process", [tracker.name for tracker in track.processes]),
    )
    return [(key, _texts(names)) for key, names in lists if names]


def _authentication(instance: VrrpInstance) -> Pairs:
    pairs = [("auth_type", _number(_AUTH_NUMBERS[instance.auth_type]))]
    if instance.auth_type != AuthType.NONE:
        pairs.append(("auth_data", _text("********")))
    return pairs


def _stats(counters: VrrpCounters) -> str:
    order = [
        "advert_rcvd",
        "advert_sent",
        "become_master",
        "release_master",
        "packet_len_err",
        "advert_interval_err",
        "ip_ttl_err",
    ]
    order += [field.name for field in fields(counters) if field.name not in order and field.name not in _SNMP_ONLY]
    return _object([(name, _number(getattr(counters, name))) for name in order])


def _process(process: TrackProcess, now: TrackProcessSnapshot) -> str:
    return _object(
        [
            ("process", _text(process.process)),
            ("parameters", _text(" ".join(process.parameters))),
            ("param_match", _text(_MATCHES[process.param_match])),
            ("min_processes", _number(process.quorum)),
            ("max_processes", _number(0xFFFFFFFF if process.quorum_max is None else process.quorum_max)),
            ("current_processes", _number(now.current)),
            ("have_quorum", _truth(now.have_quorum)),
            ("weight", _number(-process.weight if process.reverse else process.weight)),
            ("terminate_delay", short(process.terminate_delay_us)),
            ("fork_delay", short(process.fork_delay_us)),
            ("fork_delay_timer_running", _truth(bool(now.fork_timer_ns))),
            ("terminate_delay_timer_running", _truth(bool(now.terminate_timer_ns))),
            ("full_command", _truth(process.full_command)),
        ]
    )


def _text(value: str) -> str:
    """A string; a slash is escaped, as keepalived's writer does."""
    return json.dumps(value, ensure_ascii=False).replace("/", "\\/")


def _number(value: int) -> str:
    return str(int(value))


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _array(items: Iterable[str]) -> str:
    return f"[{','.join(items)}]"


def _texts(values: Iterable[str]) -> str:
    return _array(_text(value) for value in values)


def _object(pairs: Pairs) -> str:
    return "{" + ",".join(f'"{key}":{value}' for key, value in pairs) + "}"
