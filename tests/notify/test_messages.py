"""What notifications say: script arguments, FIFO lines, mails, signals, per event."""

from __future__ import annotations

import pytest

from pykeepalived.config.model import Config
from pykeepalived.config.model.globals import GlobalDefs
from pykeepalived.config.model.ipvs import RealServer, VirtualServer
from pykeepalived.config.model.values import Account, Ip, Script
from pykeepalived.config.model.vrrp import Notify, VrrpInstance, VrrpScript, VrrpSyncGroup
from pykeepalived.notify.messages import (
    group_event,
    has_scripts,
    instance_event,
    real_server_event,
    real_server_mail,
    virtual_server_event,
)
from pykeepalived.notify.queue import BusSignal, Mail, Trap


def script(name: str) -> Script:
    return Script(words=(name,), account=Account(0, 0))


NOTIFY = Notify(
    backup=script("backup"),
    master=script("master"),
    fault=script("fault"),
    stop=script("stop"),
    deleted=script("deleted"),
    generic=script("generic"),
    master_rx_lower_pri=script("rx"),
)
SETTINGS = GlobalDefs(router_id="R1")
INSTANCE = VrrpInstance(name="VI_1", interface="eth0", virtual_router_id=51, notify=NOTIFY, smtp_alert=True)
GROUP = VrrpSyncGroup(name="G1", members=("VI_1",), notify=NOTIFY, smtp_alert=True)


def calls(notification):
    return [(call.script.words[0], call.arguments) for call in notification.scripts]


@pytest.mark.keyword("vrrp_instance/notify")
@pytest.mark.keyword("vrrp_instance/notify_master")
@pytest.mark.keyword("vrrp_instance/notify_backup")
@pytest.mark.keyword("vrrp_instance/notify_fault")
@pytest.mark.keyword("vrrp_instance/notify_stop")
@pytest.mark.parametrize(
    ("state", "name", "number", "subject", "body"),
    [
        ("MASTER", "master", 2, "Entering MASTER state", "=> VRRP Instance is now owning VRRP VIPs <="),
        ("BACKUP", "backup", 1, "Entering BACKUP state", "=> VRRP Instance is no longer owning VRRP VIPs <="),
        ("FAULT", "fault", 3, "Entering FAULT state", "=> VRRP Instance is no longer owning VRRP VIPs <="),
        ("STOP", "stop", 98, "Stopping", "=> VRRP Instance stopping <="),
    ],
)
def test_instance_states(state, name, number, subject, body):
    told = instance_event(SETTINGS, INSTANCE, state, 160)
    assert calls(told) == [(name, ()), ("generic", ("INSTANCE", "VI_1", state, "160"))]
    assert told.fifo == f'INSTANCE "VI_1" {state} 160\n'
    assert told.mail == Mail(f"[R1] VRRP Instance VI_1 - {subject}", body, once=True)
    assert told.signal == BusSignal("VI_1", "eth0", 51, 4, number)
    assert told.trap == Trap("instance", "VI_1", number)
    assert told.final == (state == "STOP")


@pytest.mark.keyword("vrrp_instance/notify_deleted")
def test_deleted_is_told_as_fault_unless_wanted():
    told = instance_event(SETTINGS, INSTANCE, "DELETED", 100)
    assert calls(told)[0] == ("fault", ())
    assert told.fifo == 'INSTANCE "VI_1" FAULT 100\n'
    wanted = VrrpInstance(
        name="VI_1",
        interface="eth0",
        virtual_router_id=51,
        notify=Notify(deleted=script("deleted"), generic=script("generic"), deleted_as_deleted=True),
        smtp_alert=True,
    )
    told = instance_event(SETTINGS, wanted, "DELETED", 100)
    assert calls(told) == [("deleted", ()), ("generic", ("INSTANCE", "VI_1", "DELETED", "100"))]
    assert told.fifo == 'INSTANCE "VI_1" DELETED 100\n'
    assert told.mail == Mail("[R1] VRRP Instance VI_1 - Deleted", "=> VRRP Deleted at reload <=", once=True)
    assert told.signal is not None
    assert told.signal.state == 97


@pytest.mark.keyword("vrrp_instance/notify_master_rx_lower_pri")
def test_events_that_change_no_state():
    told = instance_event(SETTINGS, INSTANCE, "MASTER_RX_LOWER_PRI", 150)
    assert calls(told) == [("rx", ())]
    assert told.fifo == 'INSTANCE "VI_1" MASTER_RX_LOWER_PRI 150\n'
    for state in ("MASTER_PRIORITY", "BACKUP_PRIORITY"):
        told = instance_event(SETTINGS, INSTANCE, state, 150)
        assert told.fifo == f'INSTANCE "VI_1" {state} 150\n'
        assert (told.scripts, told.mail, told.signal, told.trap) == ((), None, None, None)


@pytest.mark.keyword("global_defs/fifo_write_vrrp_states_on_reload")
def test_fifo_only():
    told = instance_event(SETTINGS, INSTANCE, "MASTER", 150, fifo_only=True)
    assert (told.fifo, told.scripts, told.mail, told.signal, told.trap) == (
        'INSTANCE "VI_1" MASTER 150\n',
        (),
        None,
        None,
        None,
    )
    assert group_event(SETTINGS, GROUP, "MASTER", fifo_only=True).fifo == 'GROUP "G1" MASTER 0\n'


@pytest.mark.keyword("vrrp_sync_group/notify")
@pytest.mark.parametrize(
    ("state", "subject", "body"),
    [
        ("MASTER", "Entering MASTER state", "=> All VRRP group instances are now in MASTER state <="),
        ("BACKUP", "Entering BACKUP state", "=> All VRRP group instances are now in BACKUP state <="),
        ("FAULT", "Entering FAULT state", "=> All VRRP group instances are now in FAULT state <="),
        ("STOP", "Stopping", "=> All VRRP group instances are now stopping <="),
    ],
)
def test_group_states(state, subject, body):
    told = group_event(SETTINGS, GROUP, state)
    assert calls(told) == [(state.lower(), ()), ("generic", ("GROUP", "G1", state, "0"))]
    assert told.fifo == f'GROUP "G1" {state} 0\n'
    assert told.mail == Mail(f"[R1] VRRP Group G1 - {subject}", body, once=True)
    assert told.signal is None


@pytest.mark.keyword("global_defs/no_email_faults")
def test_no_mail_about_faults():
    settings = GlobalDefs(router_id="R1", no_email_faults=True)
    assert instance_event(settings, INSTANCE, "FAULT", 1).mail is None
    assert instance_event(settings, INSTANCE, "BACKUP", 1).mail is not None
    assert group_event(settings, GROUP, "FAULT").mail is None


@pytest.mark.keyword("vrrp_instance/smtp_alert")
def test_no_mail_without_smtp_alert():
    quiet = VrrpInstance(name="VI_1", virtual_router_id=51)
    assert instance_event(SETTINGS, quiet, "MASTER", 1).mail is None


@pytest.mark.keyword("virtual_server/real_server/notify_up")
@pytest.mark.keyword("virtual_server/real_server/notify_down")
def test_real_server():
    real = RealServer(address=Ip.parse("10.10.0.11"), port=80, notify_up=script("up"), notify_down=script("down"))
    for up, word in ((True, "UP"), (False, "DOWN")):
        told = real_server_event(real, "[10.10.0.11]:tcp:80", "[10.99.0.1]:tcp:80", up)
        assert calls(told) == [(word.lower(), ())]
        assert told.fifo == f"RS [10.10.0.11]:tcp:80 [10.99.0.1]:tcp:80 {word}\n"
        mail = real_server_mail(SETTINGS, "[10.10.0.11]:tcp:80", "[10.99.0.1]:tcp:80", up, "text").mail
        assert mail == Mail(
            f"[R1] Realserver [10.10.0.11]:tcp:80 of virtual server [10.99.0.1]:tcp:80 - {word}", "text"
        )


@pytest.mark.keyword("virtual_server/quorum_up")
@pytest.mark.keyword("virtual_server/quorum_down")
def test_virtual_server():
    virtual = VirtualServer(
        address=Ip.parse("10.99.0.1"), port=80, quorum_up=script("q"), quorum_down=script("nq"), smtp_alert=True
    )
    told = virtual_server_event(SETTINGS, virtual, "[10.99.0.1]:tcp:80", True, "=> Gained quorum 1+0=1 <= 1 <=")
    assert calls(told) == [("q", ())]
    assert told.fifo == "VS [10.99.0.1]:tcp:80 UP\n"
    assert told.mail == Mail("[R1] Virtualserver [10.99.0.1]:tcp:80 - UP", "=> Gained quorum 1+0=1 <= 1 <=")
    assert calls(virtual_server_event(SETTINGS, virtual, "x", False)) == [("nq", ())]
    assert virtual_server_event(SETTINGS, virtual, "x", False).mail is None


def test_whether_any_script_is_configured():
    quiet = VrrpInstance(name="q", virtual_router_id=1)
    assert not has_scripts(Config(vrrp_instances=(quiet,)))
    assert has_scripts(Config(vrrp_instances=(quiet, INSTANCE)))
    assert has_scripts(Config(vrrp_sync_groups=(GROUP,)))
    assert has_scripts(Config(vrrp_scripts=(VrrpScript(name="s", script=script("x")),)))
