"""What an operator is told of a running daemon: `status` and `why`, made from snapshots. Pure; only plain values leave.

Times are seconds since the epoch (None = never); `for_s` is how long something has lasted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pykeepalived.config.model import Config
from pykeepalived.observe.cause import Cause
from pykeepalived.observe.snapshot import (
    BfdSessionSnapshot,
    BfdSnapshot,
    CheckerSnapshot,
    IpvsSnapshot,
    RealServerSnapshot,
    Taken,
    VirtualServerSnapshot,
    VrrpInstanceSnapshot,
    VrrpSnapshot,
)

View = dict[str, Any]
Snapshot = VrrpSnapshot | IpvsSnapshot | BfdSnapshot


def status_view(snapshots: Iterable[Snapshot]) -> View:
    """Every instance, group, virtual server and session with its state, since when, and why in one line."""
    view: View = {}
    for snapshot in snapshots:
        if isinstance(snapshot, VrrpSnapshot):
            view["vrrp"] = {
                "instances": [_instance(instance, snapshot.taken) for instance in snapshot.instances],
                "groups": [
                    {
                        "name": group.name,
                        "state": group.state.name,
                        **_since(group.last_transition_ns, snapshot.taken),
                        "why": _text(group.cause),
                    }
                    for group in snapshot.groups
                ],
                "scripts": [
                    {
                        "name": script.name,
                        "good": script.good,
                        "result": script.result,
                        "status": script.last_status,
                        "ending": script.ending,
                    }
                    for script in snapshot.scripts
                ],
                "files": [{"name": file.name, "value": file.value} for file in snapshot.files],
                "processes": [
                    {"name": process.name, "running": process.current, "quorum": process.have_quorum}
                    for process in snapshot.processes
                ],
                "log_lines_lost": snapshot.log_dropped,
            }
        elif isinstance(snapshot, IpvsSnapshot):
            servers = [_virtual_server(server, snapshot.taken) for server in snapshot.virtual_servers]
            workers = [
                {"pid": worker.pid, "checkers": worker.checkers, "restarts": worker.restarts}
                for worker in snapshot.workers
            ]
            view["checker"] = {
                "virtual_servers": servers,
                "ipvs": snapshot.ipvs_version,
                "workers": workers,
                "log_lines_lost": snapshot.log_dropped,
            }
        else:
            view["bfd"] = {
                "sessions": [_session(session, snapshot.taken) for session in snapshot.sessions],
                "log_lines_lost": snapshot.log_dropped,
            }
    return view


def why_view(name: str, snapshots: Iterable[Snapshot], config: Config | None = None) -> list[View]:
    """Everything called `name` ("" = everything): its state and every fact behind it. Empty: nothing has that name.

    With the configuration instances are found by their addresses and interfaces too, servers always by address, with or
    without port.
    """
    users = _users(name, config) if config is not None and name else set()
    return [
        view
        for view in _explanations(snapshots)
        if name in ("", *_names(view["name"])) or (view["kind"] == "vrrp_instance" and view["name"] in users)
    ]


def known_names(snapshots: Iterable[Snapshot]) -> list[str]:
    """What `why_view` explains."""
    return list(dict.fromkeys(view["name"] for view in _explanations(snapshots)))


def _users(word: str, config: Config) -> set[str]:
    """Instances with this virtual address, or on this interface."""
    return {
        instance.name
        for instance in config.vrrp_instances
        if word == instance.interface
        or any(word == str(each.address) for each in (*instance.virtual_addresses, *instance.excluded_addresses))
    }


def _names(name: str) -> tuple[str, ...]:
    """The names of an object: of a server `[192.0.2.1]:tcp:80` also 192.0.2.1, 192.0.2.1:80 and [192.0.2.1]:80."""
    address, bracket, rest = name.partition("]:")
    if not name.startswith("[") or not bracket:
        return (name,)
    bare, port = address[1:], rest.rpartition(":")[2]
    return name, bare, f"{bare}:{port}", f"[{bare}]:{port}"


def _explanations(snapshots: Iterable[Snapshot]) -> Iterator[View]:
    for snapshot in snapshots:
        if isinstance(snapshot, VrrpSnapshot):
            yield from _explain_vrrp(snapshot)
        elif isinstance(snapshot, IpvsSnapshot):
            yield from _explain_ipvs(snapshot)
        else:
            for session in snapshot.sessions:
                facts = [_fact(session.cause, snapshot.taken)] if session.cause is not None else []
                facts += _neighbor(session, snapshot.taken)
                state = session.local_state
                since = _since(session.last_change_ns, snapshot.taken)
                yield {"kind": "bfd_instance", "name": session.name, "state": state, **since, "facts": facts}


def _neighbor(session: BfdSessionSnapshot, taken: Taken) -> Iterator[str]:
    """What is known of the other end of a session that is not Up, and of what it says."""
    if not session.last_seen_ns:
        yield "no packet of the neighbor has come yet"
    elif session.local_state != "Up":
        silent = max(taken.monotonic_ns - session.last_seen_ns, 0) / 1e9
        yield f"the last packet of the neighbor came {silent:.1f} s ago"
    yield f"the neighbor's state is {session.remote_state}, its diagnostic {session.remote_diagnostic}"
    yield f"our diagnostic is {session.local_diagnostic}"
    if session.packets_discarded:
        yield f"{session.packets_discarded} packets were discarded"


def _explain_vrrp(snapshot: VrrpSnapshot) -> Iterator[View]:
    taken = snapshot.taken
    for instance in snapshot.instances:
        causes = (instance.cause, *instance.faults, *instance.troubles, *_circumstances(instance, taken))
        facts = list(dict.fromkeys(_fact(cause, taken) for cause in causes if cause is not None))
        if instance.scripts_init:
            facts.append(f"scripts that have no result yet: {instance.scripts_init}")
        if instance.state.name == "BACKUP":
            facts += _master(instance, taken)
        if instance.effective_priority != instance.base_priority:
            text = f"trackers change the priority {instance.base_priority} to {instance.effective_priority}"
            shares = ", ".join(f"{kind} {name} {amount:+d}" for kind, name, amount in instance.contributions)
            facts.append(f"{text}: {shares}" if shares else text)
        if instance.state.name == "MASTER" and instance.addresses_set:
            missing = instance.addresses_set.count(False)
            held = f"{missing} of its {len(instance.addresses_set)} addresses are not in place"
            facts.append(held if missing else "its addresses are in place")
        if instance.group:
            facts.append(f"it follows sync group {instance.group}")
        since = _since(instance.last_transition_ns, taken)
        yield {
            "kind": "vrrp_instance",
            "name": instance.name,
            "state": instance.state.name,
            "before": instance.previous_state.name,
            **since,
            "facts": facts,
        }
    for group in snapshot.groups:
        facts = [_fact(group.cause, taken)] if group.cause is not None else []
        if group.members_fault:
            facts.append(f"{group.members_fault} members are in fault")
        since = _since(group.last_transition_ns, taken)
        yield {"kind": "vrrp_sync_group", "name": group.name, "state": group.state.name, **since, "facts": facts}
    for script in snapshot.scripts:
        ran = f"its last run: {script.ending}" if script.ending else "has not run yet"
        facts = [ran, f"result {script.result}"]
        state = "good" if script.good else "bad"
        yield {"kind": "vrrp_script", "name": script.name, "state": state, "facts": facts}
    for file in snapshot.files:
        yield {"kind": "track_file", "name": file.name, "state": str(file.value), "facts": []}
    for process in snapshot.processes:
        state = "good" if process.have_quorum else "bad"
        facts = [f"{process.current} processes match"]
        yield {"kind": "vrrp_track_process", "name": process.name, "state": state, "facts": facts}


def _master(instance: VrrpInstanceSnapshot, taken: Taken) -> Iterator[str]:
    """Whom a BACKUP listens to, and when it would be MASTER without."""
    if instance.master_address is not None:
        text = f"the master is {instance.master_address} with priority {instance.master_priority}"
        yield f"{text}, ours is {instance.effective_priority}"
    elif instance.timer_expires_ns:
        left = max(instance.timer_expires_ns - taken.monotonic_ns, 0) / 1e9
        yield f"no master has been heard; the wait for one ends in {left:.1f} s"


def _circumstances(instance: VrrpInstanceSnapshot, taken: Taken) -> list[Cause]:
    """Those that still hold."""
    return [each.cause for each in instance.circumstances if each.holds(taken.monotonic_ns)]


def _explain_ipvs(snapshot: IpvsSnapshot) -> Iterator[View]:
    taken = snapshot.taken
    for virtual in snapshot.virtual_servers:
        facts = [_fact(virtual.cause, taken)] if virtual.cause is not None else []
        facts.append(f"weight of live servers {virtual.weight_sum}")
        if virtual.sorry_in_use:
            facts.append("the sorry server is in use")
        since = _since(virtual.last_change_ns, taken)
        state = "up" if virtual.quorum_up else "down"
        yield {"kind": "virtual_server", "name": virtual.name, "state": state, **since, "facts": facts}
        for real in virtual.real_servers:
            facts = [_fact(real.cause, taken)] if real.cause is not None else []
            facts += [_check(check) for check in real.checkers]
            since = _since(real.last_change_ns, taken)
            state = "up" if real.alive else "down"
            yield {
                "kind": "real_server",
                "name": real.name,
                "of": virtual.name,
                "state": state,
                **since,
                "facts": facts,
            }


def _instance(instance: VrrpInstanceSnapshot, taken: Taken) -> View:
    circumstances = _circumstances(instance, taken)
    return {
        "name": instance.name,
        "state": instance.state.name,
        **_since(instance.last_transition_ns, taken),
        "why": _text(next(iter((*instance.faults, *instance.troubles, *circumstances)), instance.cause)),
        "interface": instance.interface,
        "priority": instance.effective_priority,
        "configured_priority": instance.base_priority,
        "group": instance.group,
        "master": str(instance.master_address) if instance.master_address is not None else "",
        "master_priority": instance.master_priority,
        "addresses_set": instance.vips_set,
        "adverts_sent": instance.counters.advert_sent,
        "adverts_received": instance.counters.advert_rcvd,
        "became_master": instance.counters.become_master,
    }


def _virtual_server(server: VirtualServerSnapshot, taken: Taken) -> View:
    return {
        "name": server.name,
        "state": "up" if server.quorum_up else "down",
        **_since(server.last_change_ns, taken),
        "why": _text(server.cause),
        "weight": server.weight_sum,
        "sorry_in_use": server.sorry_in_use,
        "real_servers": [_real_server(real, taken) for real in server.real_servers],
    }


def _real_server(real: RealServerSnapshot, taken: Taken) -> View:
    failed = next((check.text for check in real.checkers if not check.up and check.text), "")
    return {
        "name": real.name,
        "state": "up" if real.alive else "down",
        **_since(real.last_change_ns, taken),
        "weight": real.effective_weight,
        "in_ipvs": real.set,
        "why": _text(real.cause) or failed,
        "failed_checkers": real.failed_checkers,
    }


def _session(session: BfdSessionSnapshot, taken: Taken) -> View:
    return {
        "name": session.name,
        "state": session.local_state,
        **_since(session.last_change_ns, taken),
        "remote_state": session.remote_state,
        "why": _text(session.cause) or session.local_diagnostic,
        "diagnostic": session.local_diagnostic,
        "detection_us": session.local_detection_us,
        "sent": session.packets_sent,
        "received": session.packets_received,
    }


def _check(check: CheckerSnapshot) -> str:
    word = "has not run yet" if not check.has_run else "succeeds" if check.up else f"fails: {check.text or 'no reason'}"
    return f"a check {word} ({check.runs} runs, {check.failures} failures)"


def _text(cause: Cause | None) -> str:
    return str(cause) if cause is not None else ""


def _fact(cause: Cause, taken: Taken) -> str:
    if not cause.since:
        return str(cause)
    seconds = max(taken.monotonic_ns - cause.since, 0) / 1e9
    return f"{cause}, for {seconds:.1f} s"


def _since(moment_ns: int, taken: Taken) -> View:
    if not moment_ns:
        return {"since": None, "for_s": None}
    lasted = max(taken.monotonic_ns - moment_ns, 0)
    return {"since": taken.wall_us(moment_ns) / 1e6, "for_s": round(lasted / 1e9, 3)}
