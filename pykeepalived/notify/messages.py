"""What each event says, word for word as keepalived says it: script arguments, FIFO lines, mail subjects and bodies.

Pure: an event and the configuration go in, a Notification comes out. When it is sent is queue.py, how is the shell's.
"""

from __future__ import annotations

from pykeepalived.config.model import Config
from pykeepalived.config.model.globals import GlobalDefs
from pykeepalived.config.model.ipvs import RealServer, VirtualServer
from pykeepalived.config.model.values import Script
from pykeepalived.config.model.vrrp import Notify, VrrpInstance, VrrpSyncGroup
from pykeepalived.notify.queue import BusSignal, Mail, Notification, ScriptCall, Trap
from pykeepalived.observe.snapshot import VrrpState

FIFO_ONLY_STATES = frozenset({"MASTER_RX_LOWER_PRI", "MASTER_PRIORITY", "BACKUP_PRIORITY"})
"""Events of an instance that change no state: FIFOs hear of them, and notify_master_rx_lower_pri of the first."""

_INSTANCE_BODIES = {
    "MASTER": "=> VRRP Instance is now owning VRRP VIPs <=",
    "BACKUP": "=> VRRP Instance is no longer owning VRRP VIPs <=",
    "FAULT": "=> VRRP Instance is no longer owning VRRP VIPs <=",
    "STOP": "=> VRRP Instance stopping <=",
    "DELETED": "=> VRRP Deleted at reload <=",
}


def has_scripts(config: Config) -> bool:
    """Whether instances, sync groups or trackers of this configuration ever run a script."""
    owners = [entry.notify for entry in config.vrrp_instances] + [entry.notify for entry in config.vrrp_sync_groups]
    return bool(config.vrrp_scripts) or any(
        script is not None
        for notify in owners
        for script in (
            notify.master,
            notify.backup,
            notify.fault,
            notify.stop,
            notify.deleted,
            notify.generic,
            notify.master_rx_lower_pri,
        )
    )


def instance_event(
    settings: GlobalDefs, instance: VrrpInstance, state: str, priority: int, fifo_only: bool = False
) -> Notification:
    """An instance entered `state` (MASTER, BACKUP, FAULT, STOP, DELETED) or met an event of FIFO_ONLY_STATES.

    `priority` is the effective one. An instance removed by a reload reports FAULT unless notify_deleted is configured.
    """
    subject = ("INSTANCE", instance.name)
    if state in FIFO_ONLY_STATES:
        script = instance.notify.master_rx_lower_pri if state == "MASTER_RX_LOWER_PRI" else None
        fifo = f'INSTANCE "{instance.name}" {state} {priority}\n'
        return Notification(subject=subject, scripts=_calls((script, ())), fifo=fifo)
    deleted = state == "DELETED"
    if deleted and not instance.notify.deleted_as_deleted:
        state = "FAULT"
    fifo = f'INSTANCE "{instance.name}" {state} {priority}\n'
    if fifo_only:
        return Notification(subject=subject, fifo=fifo)
    number = VrrpState[state]
    return Notification(
        subject=subject,
        scripts=_calls(
            (_state_script(instance.notify, state), ()),
            (instance.notify.generic, ("INSTANCE", instance.name, state, str(priority))),
        ),
        fifo=fifo,
        mail=_vrrp_mail(settings, "Instance", instance.name, state, _INSTANCE_BODIES[state], instance.smtp_alert),
        signal=BusSignal(instance.name, instance.interface, instance.virtual_router_id, instance.family, number),
        trap=Trap("instance", instance.name, number),
        final=state == "STOP",
    )


def group_event(settings: GlobalDefs, group: VrrpSyncGroup, state: str, fifo_only: bool = False) -> Notification:
    """A sync group entered `state`: MASTER, BACKUP, FAULT or STOP."""
    fifo = f'GROUP "{group.name}" {state} 0\n'
    subject = ("GROUP", group.name)
    if fifo_only:
        return Notification(subject=subject, fifo=fifo)
    body = "=> All VRRP group instances are now " + ("stopping <=" if state == "STOP" else f"in {state} state <=")
    return Notification(
        subject=subject,
        scripts=_calls(
            (_state_script(group.notify, state), ()),
            (group.notify.generic, ("GROUP", group.name, state, "0")),
        ),
        fifo=fifo,
        mail=_vrrp_mail(settings, "Group", group.name, state, body, group.smtp_alert),
        trap=Trap("group", group.name, VrrpState[state]),
        final=state == "STOP",
    )


def real_server_event(real: RealServer, real_name: str, virtual_name: str, up: bool) -> Notification:
    """A real server came up or went down; the names are those of log lines. Its mail is `real_server_mail`."""
    word = "UP" if up else "DOWN"
    return Notification(
        subject=("RS", virtual_name, real_name),
        scripts=_calls((real.notify_up if up else real.notify_down, ())),
        fifo=f"RS {real_name} {virtual_name} {word}\n",
        trap=Trap("real_server", f"{virtual_name} {real_name}", int(up)),
    )


def real_server_mail(settings: GlobalDefs, real_name: str, virtual_name: str, up: bool, body: str) -> Notification:
    """The mail about a checker of a real server: `up` is the server's state after the event."""
    subject = f"[{settings.router_id}] Realserver {real_name} of virtual server {virtual_name} - {_up(up)}"
    return Notification(subject=("RS", virtual_name, real_name), mail=Mail(subject, body))


def virtual_server_event(
    settings: GlobalDefs, virtual: VirtualServer, virtual_name: str, up: bool, body: str = ""
) -> Notification:
    """A virtual server gained or lost its quorum. `body` is the text of the mail, which smtp_alert allows."""
    subject = f"[{settings.router_id}] Virtualserver {virtual_name} - {_up(up)}"
    return Notification(
        subject=("VS", virtual_name),
        scripts=_calls((virtual.quorum_up if up else virtual.quorum_down, ())),
        fifo=f"VS {virtual_name} {_up(up)}\n",
        mail=Mail(subject, body) if virtual.smtp_alert and body else None,
        trap=Trap("virtual_server", virtual_name, 1 if up else 2),
    )


def _up(up: bool) -> str:
    return "UP" if up else "DOWN"


def _calls(*wanted: tuple[Script | None, tuple[str, ...]]) -> tuple[ScriptCall, ...]:
    return tuple(ScriptCall(script, arguments) for script, arguments in wanted if script is not None)


def _state_script(notify: Notify, state: str) -> Script | None:
    return {
        "MASTER": notify.master,
        "BACKUP": notify.backup,
        "FAULT": notify.fault,
        "STOP": notify.stop,
        "DELETED": notify.deleted,
    }[state]


def _vrrp_mail(settings: GlobalDefs, kind: str, name: str, state: str, body: str, wanted: bool) -> Mail | None:
    if not wanted or (state == "FAULT" and settings.no_email_faults):
        return None
    what = {"STOP": "Stopping", "DELETED": "Deleted"}.get(state, f"Entering {state} state")
    return Mail(f"[{settings.router_id}] VRRP {kind} {name} - {what}", body, once=True)
