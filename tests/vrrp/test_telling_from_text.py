"""Words that say who is told what, and words of sync groups, from the text of a file."""

from __future__ import annotations

from typing import Any

import pytest

from pykeepalived.notify.messages import group_event, instance_event
from pykeepalived.notify.queue import Notification
from pykeepalived.vrrp import effects as fx
from pykeepalived.vrrp import inputs
from tests.vrrp.lan import Lan, Node, interface
from tests.vrrp.test_from_text import GLOBAL, INSTANCE, MASTER, TWO, alone, host, keywords

GROUP = "vrrp_sync_group"


def told(node: Node) -> list[Notification]:
    """What people and programs are told, in order."""
    settings = node.config.globals
    found = []
    for _, effect in node.history:
        if isinstance(effect, fx.NotifyInstance):
            found.append(instance_event(settings, effect.instance, effect.state, effect.priority, effect.fifo_only))
        elif isinstance(effect, fx.NotifyGroup):
            found.append(group_event(settings, effect.group, effect.state, effect.fifo_only))
    return found


MAIL = "notification_email {\n a@b\n}\nsmtp_server 10.0.0.9\nrouter_id R7\n"


@keywords(f"{GLOBAL}/router_id", f"{GLOBAL}/smtp_alert_vrrp", f"{GLOBAL}/smtp_alert", f"{INSTANCE}/smtp_alert")
@pytest.mark.parametrize(
    ("everywhere", "words", "mailed"),
    [
        ("", "", False),
        ("smtp_alert_vrrp", "", True),
        ("smtp_alert on", "", True),
        ("smtp_alert on\nsmtp_alert_vrrp off", "", False),
        ("smtp_alert_vrrp on", "smtp_alert off", False),
        ("", "smtp_alert", True),
    ],
)
def test_mails_of_an_instance(everywhere: str, words: str, mailed: bool) -> None:
    mails = [one.mail for one in told(alone(words, MAIL + everywhere)) if one.mail is not None]
    subjects = [mail.subject for mail in mails]
    assert subjects[-1:] == (["[R7] VRRP Instance VI_1 - Entering MASTER state"] if mailed else [])


def group(words: str, everywhere: str = "", instances: str = TWO, before: str = "") -> tuple[Lan, Node]:
    """A router with two instances in a group with these words."""
    lan = Lan()
    text = f"vrrp_sync_group G {{\n group {{\n VI_1\n VI_2\n }}\n{words}\n}}\n"
    head = f"global_defs {{\nscript_user root\n{everywhere}\n}}\n"
    return lan, host(lan, head + before + text + instances)


@keywords(
    GROUP,
    f"{GROUP}/notify_backup",
    f"{GROUP}/notify_master",
    f"{GROUP}/notify_fault",
    f"{GROUP}/notify_stop",
    f"{GROUP}/notify",
    f"{GROUP}/smtp_alert",
)
def test_what_a_group_tells() -> None:
    states = ("backup", "master", "fault", "stop")
    words = "".join(f'notify_{state} "/bin/true {state}"\n' for state in states)
    lan, node = group(f'{words}notify "/bin/true any"\nsmtp_alert', MAIL)
    lan.run(MASTER)
    node.receive(inputs.InterfaceChanged(interface(up=False)))
    node.receive(inputs.InterfaceChanged(interface(up=True)))
    node.receive(inputs.Stop())
    calls = [
        (*call.script.words[1:], *call.arguments)
        for one in told(node)
        if one.subject == ("GROUP", "G")
        for call in one.scripts
    ]
    order = ["BACKUP", "MASTER", "FAULT", "BACKUP", "STOP"]
    assert calls == [call for state in order for call in ((state.lower(),), ("any", "GROUP", "G", state, "0"))]
    mails = [one.mail.subject for one in told(node) if one.subject == ("GROUP", "G") and one.mail is not None]
    assert "[R7] VRRP Group G - Entering MASTER state" in mails


@keywords(f"{GROUP}/track_interface", f"{GROUP}/track_process", f"{GROUP}/global_tracking", "vrrp_track_process")
@pytest.mark.parametrize(
    ("words", "before", "fault"),
    [
        ("", "", None),
        ("track_interface {\n eth1\n}", "", inputs.InterfaceChanged(interface("eth1", 3, up=False))),
        (
            "global_tracking\ntrack_interface {\n eth1\n}",
            "",
            inputs.InterfaceChanged(interface("eth1", 3, up=False)),
        ),
        (
            "track_process {\n P\n}",
            "vrrp_track_process P {\n process nosuch\n}\n",
            inputs.ProcessCount("P", 0),
        ),
    ],
)
def test_what_a_group_depends_on(words: str, before: str, fault: Any) -> None:
    lan, node = group(words, before=before)
    if "process" in words:
        node.receive(inputs.ProcessCount("P", 1))
    lan.run(MASTER + 1)
    assert [node.state("VI_1"), node.state("VI_2")] == ["MASTER"] * 2
    other = inputs.InterfaceChanged(interface("eth1", 3, up=False))
    node.receive(fault or other)
    assert {node.state("VI_1"), node.state("VI_2")} == ({"FAULT"} if fault else {"MASTER"})


@keywords(f"{GLOBAL}/vrrp_notify_priority_changes", f"{INSTANCE}/notify_priority_changes")
@pytest.mark.parametrize(
    ("everywhere", "words", "fifo"),
    [("", "", []), ("vrrp_notify_priority_changes", "", [80]), ("", "notify_priority_changes", [80])],
)
def test_a_change_of_priority_is_told(everywhere: str, words: str, fifo: list[int]) -> None:
    node = alone(f"{words}\ntrack_interface {{\n eth1 weight -20\n}}", everywhere)
    node.receive(inputs.InterfaceChanged(interface("eth1", 3, up=False)))
    lines = [one.fifo for one in told(node) if "_PRIORITY" in one.fifo]
    assert lines == [f'INSTANCE "VI_1" MASTER_PRIORITY {priority}\n' for priority in fifo]


@keywords(f"{GROUP}/notify_priority_changes")
def test_a_group_whose_members_tell_their_priorities() -> None:
    instances = TWO.replace("priority 100", "priority 100\ntrack_interface {\n eth1 weight -20\n}")
    counts = []
    for words in ("", "notify_priority_changes"):
        lan, node = group(f"sync_group_tracking_weight\n{words}", instances=instances)
        lan.run(MASTER + 1)
        node.receive(inputs.InterfaceChanged(interface("eth1", 3, up=False)))
        counts.append(sum("_PRIORITY" in one.fifo for one in told(node)))
    assert counts == [0, 2]
