"""Prometheus text (exposition format 0.0.4) from snapshots. `pykeepalived metrics` prints it; nothing listens.

Names and labels of the VRRP families are those of the exporter most sites run beside keepalived (it reads
keepalived.data and keepalived.stats), so that dashboards and alerts go on working. States are the numbers of
keepalived.json: 0 INIT, 1 BACKUP, 2 MASTER, 3 FAULT.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pykeepalived.config.model import Config
from pykeepalived.observe.snapshot import (
    BfdSnapshot,
    IpvsSnapshot,
    VrrpInstanceSnapshot,
    VrrpSnapshot,
)

Labels = Mapping[str, str | int]
Sample = tuple[Labels, float]

_COUNTERS = (
    ("advertisements_received_total", "advert_rcvd", "Advertisements received"),
    ("advertisements_sent_total", "advert_sent", "Advertisements sent"),
    ("become_master_total", "become_master", "Transitions to master"),
    ("release_master_total", "release_master", "Transitions from master"),
    ("packet_length_errors_total", "packet_len_err", "Packets with length errors"),
    ("advertisements_interval_errors_total", "advert_interval_err", "Advertisement interval mismatches"),
    ("ip_ttl_errors_total", "ip_ttl_err", "Packets with a wrong TTL"),
    ("invalid_type_received_total", "invalid_type_rcvd", "Packets of an invalid type"),
    ("address_list_errors_total", "addr_list_err", "Address list mismatches"),
    ("authentication_invalid_total", "invalid_authtype", "Packets with an invalid authentication type"),
    ("authentication_mismatch_total", "authtype_mismatch", "Packets with another authentication type"),
    ("authentication_failure_total", "auth_failure", "Authentication failures"),
    ("authentication_extension_missing_total", "auth_ext_missing", "Packets without the HMAC trailer"),
    ("authentication_extension_malformed_total", "auth_ext_malformed", "Packets with a malformed HMAC trailer"),
    ("authentication_extension_unknown_key_total", "auth_ext_unknown_key", "Packets with an unknown HMAC key"),
    ("authentication_extension_invalid_hmac_total", "auth_ext_invalid_hmac", "Packets with a wrong HMAC"),
    ("authentication_extension_stale_total", "auth_ext_stale", "Packets outside the time window"),
    ("authentication_extension_replay_total", "auth_ext_replay", "Replayed packets"),
    ("priority_zero_received_total", "pri_zero_rcvd", "Priority zero advertisements received"),
    ("priority_zero_sent_total", "pri_zero_sent", "Priority zero advertisements sent"),
)
_SCRIPT_STATES = {"idle": 0, "running": 1, "requested termination": 2, "forcing termination": 3}
_NAMES = {VrrpSnapshot: "vrrp", IpvsSnapshot: "checker", BfdSnapshot: "bfd"}
_BFD_STATES = {"AdminDown": 0, "Down": 1, "Init": 2, "Up": 3}


def render(config: Config, snapshots: Iterable[VrrpSnapshot | IpvsSnapshot | BfdSnapshot]) -> str:
    """All metrics of the processes that run; a process without a snapshot does not run, or does not answer."""
    lines: list[str] = []
    processes: dict[str, VrrpSnapshot | IpvsSnapshot | BfdSnapshot] = {}
    for snapshot in snapshots:
        processes[_NAMES[type(snapshot)]] = snapshot
    samples: list[Sample] = [({"process": name}, name in processes) for name in _NAMES.values()]
    family(lines, "up", "gauge", "Whether the process runs", samples)
    for snapshot in processes.values():
        match snapshot:
            case VrrpSnapshot():
                _vrrp(lines, config, snapshot)
            case IpvsSnapshot():
                _ipvs(lines, snapshot)
            case BfdSnapshot():
                _bfd(lines, snapshot)
    _processes(lines, list(processes.items()))
    return "".join(f"{line}\n" for line in lines)


def family(lines: list[str], name: str, kind: str, text: str, samples: Iterable[Sample]) -> None:
    """Append one metric family; nothing where there are no samples."""
    rendered = [f"keepalived_{name}{_labels(labels)} {_value(value)}" for labels, value in samples]
    if rendered:
        lines.append(f"# HELP keepalived_{name} {text}")
        lines.append(f"# TYPE keepalived_{name} {kind}")
        lines += rendered


def _processes(lines: list[str], processes: list[tuple[str, VrrpSnapshot | IpvsSnapshot | BfdSnapshot]]) -> None:
    """Figures about the processes themselves, whatever each of them counts."""
    figures: dict[str, list[Sample]] = {}
    for name, process in processes:
        labels: Labels = {"process": name}
        own = {"log_dropped_total": process.log_dropped, "generation": process.generation, **process.process}
        for figure, value in own.items():
            figures.setdefault(figure, []).append((labels, value))
    for figure, samples in figures.items():
        kind = "counter" if figure.endswith("_total") else "gauge"
        family(lines, f"process_{figure}", kind, figure.replace("_", " "), samples)


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape(str(value))}"' for name, value in labels.items()) + "}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _value(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


def _vrrp(lines: list[str], config: Config, snapshot: VrrpSnapshot) -> None:
    models = {instance.name: instance for instance in config.vrrp_instances}

    def labels(now: VrrpInstanceSnapshot) -> dict[str, str | int]:
        model = models.get(now.name)
        return {"iname": now.name, "intf": now.interface, "vrid": model.virtual_router_id if model else 0}

    instances = [(labels(now), now) for now in snapshot.instances]
    family(lines, "vrrp_state", "gauge", "State of the instance for each of its addresses", _states(config, snapshot))
    for name, attribute, text in _COUNTERS:
        family(lines, name, "counter", text, ((label, getattr(now.counters, attribute)) for label, now in instances))
    family(
        lines,
        "gratuitous_arp_delay_total",
        "gauge",
        "Seconds between the blocks of gratuitous ARP after a transition",
        ((label, models[now.name].garp.master_delay_s) for label, now in instances if now.name in models),
    )
    gauges = (
        ("vrrp_priority", "Effective priority", lambda now: now.effective_priority),
        ("vrrp_base_priority", "Configured priority", lambda now: now.base_priority),
        ("vrrp_faults", "Reasons for the FAULT state", lambda now: len(now.faults)),
        (
            "vrrp_last_transition_seconds",
            "When the state changed last, seconds since the epoch",
            lambda now: snapshot.taken.wall_us(now.last_transition_ns) / 1e6,
        ),
    )
    for name, text, read in gauges:
        family(lines, name, "gauge", text, ((label, read(now)) for label, now in instances))
    family(
        lines,
        "vrrp_circumstance",
        "gauge",
        "What is not as it should be, by its word",
        _circumstances(instances, snapshot),
    )
    groups = (({"group": group.name}, group.state) for group in snapshot.groups)
    family(lines, "vrrp_group_state", "gauge", "State of the sync group", groups)
    _trackers(lines, snapshot)


def _circumstances(
    instances: Iterable[tuple[Labels, VrrpInstanceSnapshot]], snapshot: VrrpSnapshot
) -> Iterator[Sample]:
    """One sample for each word of `why` that holds for an instance."""
    for labels, now in instances:
        facts = {each.cause.fact: None for each in now.circumstances if each.holds(snapshot.taken.monotonic_ns)}
        for fact in facts:
            yield {**labels, "fact": fact}, 1


def _states(config: Config, snapshot: VrrpSnapshot) -> Iterator[Sample]:
    """One sample an address, as the usual exporter has it; one without an address where there are none."""
    now = {instance.name: instance for instance in snapshot.instances}
    for model in config.vrrp_instances:
        state = now.get(model.name)
        if state is None:
            continue
        common: dict[str, str | int] = {"iname": model.name, "vrid": model.virtual_router_id}
        for address in model.virtual_addresses:
            interface = address.interface if address.interface_given and address.interface else state.interface
            text = str(address.address)
            if address.prefix_length != address.address.bits:
                text += f"/{address.prefix_length}"
            yield {**common, "intf": interface, "ip_address": text}, state.state
        if not model.virtual_addresses:
            yield {**common, "intf": state.interface, "ip_address": ""}, state.state


def _trackers(lines: list[str], snapshot: VrrpSnapshot) -> None:
    scripts = [({"name": script.name}, script) for script in snapshot.scripts]
    status: list[Sample] = [(label, script.good) for label, script in scripts]
    family(lines, "script_status", "gauge", "Whether the tracked script is good", status)
    states: list[Sample] = [(label, _SCRIPT_STATES.get(script.run_state, 0)) for label, script in scripts]
    family(lines, "script_state", "gauge", "0 idle, 1 running, 2 terminating, 3 killing", states)
    values: list[Sample] = [({"name": file.name}, file.value) for file in snapshot.files]
    family(lines, "track_file_value", "gauge", "Value read from the tracked file", values)
    counts: list[Sample] = [({"name": process.name}, process.current) for process in snapshot.processes]
    family(lines, "track_process_count", "gauge", "Processes found", counts)
    quorums: list[Sample] = [({"name": process.name}, process.have_quorum) for process in snapshot.processes]
    family(lines, "track_process_quorum", "gauge", "Whether the process has its quorum", quorums)


def _ipvs(lines: list[str], snapshot: IpvsSnapshot) -> None:
    virtuals = [({"virtual_server": virtual.name}, virtual) for virtual in snapshot.virtual_servers]
    for name, attribute, text in (
        ("virtual_server_up", "quorum_up", "Whether the virtual server has its quorum"),
        ("virtual_server_weight", "weight_sum", "Weight of the live real servers"),
        ("virtual_server_sorry", "sorry_in_use", "Whether the sorry server stands in"),
    ):
        family(lines, name, "gauge", text, ((label, getattr(virtual, attribute)) for label, virtual in virtuals))
    reals = [
        ({"virtual_server": virtual.name, "real_server": real.name}, real)
        for virtual in snapshot.virtual_servers
        for real in virtual.real_servers
    ]
    for name, attribute, text in (
        ("real_server_up", "alive", "Whether the real server is usable"),
        ("real_server_weight", "effective_weight", "Effective weight"),
        ("real_server_failed_checkers", "failed_checkers", "Checkers that fail"),
    ):
        family(lines, name, "gauge", text, ((label, getattr(real, attribute)) for label, real in reals))
    checkers = [
        ({**label, "checker": str(number)}, checker)
        for label, real in reals
        for number, checker in enumerate(real.checkers)
    ]
    for name, attribute, kind, text in (
        ("checker_up", "up", "gauge", "Whether the check passes"),
        ("checker_runs_total", "runs", "counter", "Checks done"),
        ("checker_failures_total", "failures", "counter", "Checks failed"),
    ):
        family(lines, name, kind, text, ((label, getattr(checker, attribute)) for label, checker in checkers))
    durations: list[Sample] = [(label, checker.duration_us / 1e6) for label, checker in checkers]
    family(lines, "checker_duration_seconds", "gauge", "How long the last check took", durations)


def _bfd(lines: list[str], snapshot: BfdSnapshot) -> None:
    sessions = [({"name": session.name}, session) for session in snapshot.sessions]
    states: list[Sample] = [(label, _BFD_STATES.get(session.local_state, 1)) for label, session in sessions]
    family(lines, "bfd_state", "gauge", "0 AdminDown, 1 Down, 2 Init, 3 Up", states)
    for name, attribute, text in (
        ("bfd_packets_sent_total", "packets_sent", "Packets sent"),
        ("bfd_packets_received_total", "packets_received", "Packets received"),
        ("bfd_packets_discarded_total", "packets_discarded", "Packets discarded"),
    ):
        family(lines, name, "counter", text, ((label, getattr(session, attribute)) for label, session in sessions))
