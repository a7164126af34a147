"""Reload of sync groups and trackers: what is known of them is kept, what is new does no harm."""

from __future__ import annotations

import dataclasses

import pytest

from pykeepalived.config.model.globals import GlobalDefs, VrrpDefaults
from pykeepalived.config.model.values import Account, Script
from pykeepalived.config.model.vrrp import (
    Tracker,
    Trackers,
    TrackFile,
    VrrpInstance,
    VrrpScript,
    VrrpSyncGroup,
)
from pykeepalived.vrrp import effects as fx
from pykeepalived.vrrp import inputs
from tests.vrrp.lan import SECOND, Lan, address, config, interface, ip, view, vip
from tests.vrrp.reloading import MACHINE, SCRIPT, changed, reload, start

# groups and trackers


def group(*members: str, **more: object) -> VrrpSyncGroup:
    return VrrpSyncGroup(name="G", members=members, **more)  # type: ignore[arg-type]


def two_members(priority: int = 150) -> tuple[VrrpInstance, VrrpInstance]:
    second = changed("VI_2", priority=priority, virtual_router_id=52, virtual_addresses=(vip("192.0.2.101"),))
    return changed(priority=priority), second


def test_group_of_masters_stays_master() -> None:
    lan = Lan()
    node = start(lan, *two_members(), vrrp_sync_groups=(group("VI_1", "VI_2"),))
    lan.run(4)
    notices = node.notices()
    assert reload(node, *two_members(), vrrp_sync_groups=(group("VI_1", "VI_2"),)) == []
    assert node.notices() == notices
    assert node.router.snapshot().groups[0].state.name == "MASTER"


def test_group_formed_by_a_reload() -> None:
    """Two MASTERs become a group that is MASTER, and so do a MASTER and an instance that has not begun."""
    lan = Lan()
    node = start(lan, *two_members())
    lan.run(4)
    reload(node, *two_members(), vrrp_sync_groups=(group("VI_1", "VI_2"),))
    assert node.router.snapshot().groups[0].state.name == "MASTER"
    lan = Lan()
    node = start(lan, changed())
    lan.run(4)
    reload(node, *two_members(), vrrp_sync_groups=(group("VI_1", "VI_2"),))
    assert {item.state.name for item in node.router.snapshot().instances} == {"MASTER"}
    assert node.router.snapshot().groups[0].state.name == "MASTER"


def test_a_group_formed_of_master_and_backup_is_backup() -> None:
    """The master of the BACKUP is somebody else: the MASTER follows it, without an advert of priority 0."""
    lan = Lan()
    node = start(lan, *two_members())
    other = lan.node("B", config(two_members(200)[1]), view(address("192.0.2.2/24")))
    lan.run(5)
    assert (node.state("VI_1"), node.state("VI_2")) == ("MASTER", "BACKUP")
    assert other.state("VI_2") == "MASTER"
    sent = len(lan.wire)
    reload(node, *two_members(), vrrp_sync_groups=(group("VI_1", "VI_2"),))
    assert {item.state.name for item in node.router.snapshot().instances} == {"BACKUP"}
    assert node.router.snapshot().groups[0].state.name == "BACKUP"
    assert ("eth0", ip("192.0.2.100")) not in node.addresses
    assert len(lan.wire) == sent


def test_group_dissolved_by_a_reload() -> None:
    lan = Lan()
    node = start(lan, *two_members(), vrrp_sync_groups=(group("VI_1", "VI_2"),))
    lan.run(4)
    reload(node, *two_members())
    node.receive(inputs.AddressRemoved(address("192.0.2.100/32")))
    assert node.state("VI_1") == "BACKUP"
    assert node.state("VI_2") == "MASTER"


def scripted(**more: object) -> dict[str, object]:
    return {"vrrp_scripts": (VrrpScript(name="chk", script=SCRIPT, **more),)}  # type: ignore[arg-type]


def tracked(weight: int = 0) -> VrrpInstance:
    return changed(track=Trackers(scripts=(Tracker(name="chk", weight=weight),)))


def test_script_result_is_kept() -> None:
    """No waiting, no new first run: its rhythm goes on."""
    lan = Lan()
    node = start(lan, tracked(), **scripted(interval_us=10_000_000))
    lan.run(0.1)
    node.receive(inputs.ScriptFinished("chk"))
    lan.run(5)
    reload(node, tracked(), **scripted(interval_us=10_000_000, rise=2, fall=2))
    assert node.is_master
    assert "VRRP_Script(chk) considered successful on reload" in node.log()
    assert node.router.snapshot().scripts[0].result == 3
    lan.run(6)
    assert [(at - lan.start) / SECOND for at, _ in node.effects(fx.StartScript)] == [0.0, 10.0]


def test_failed_script_is_kept() -> None:
    lan = Lan()
    node = start(lan, tracked(), **scripted())
    lan.run(0.1)
    node.receive(inputs.ScriptFinished("chk", status=1))
    notices = node.notices()
    reload(node, tracked(), **scripted())
    assert node.state() == "FAULT"
    assert node.notices() == notices
    assert "VRRP_Script(chk) considered unsuccessful on reload" in node.log()
    reload(node, changed())
    assert node.state() == "BACKUP", "nothing is tracked any more"


def test_waiting_goes_on_over_a_reload() -> None:
    """Still waiting while the script is tracked, and begins when it is not any more."""
    lan = Lan()
    node = start(lan, tracked(), **scripted())
    lan.run(0.1)
    reload(node, tracked(), **scripted())
    assert node.snapshot().scripts_init == 1
    assert node.notices() == []
    reload(node, changed(), **scripted())
    assert node.state() == "BACKUP"


def test_waiting_member_of_a_working_group() -> None:
    """It begins when its script has answered; a failure takes the group to FAULT."""
    for status, state in ((0, "MASTER"), (1, "FAULT")):
        lan = Lan()
        first, second = two_members()
        waiting = dataclasses.replace(second, track=Trackers(scripts=(Tracker(name="chk"),)))
        node = start(lan, first, waiting, **scripted())
        lan.run(4)
        assert node.state("VI_1") == "MASTER"
        reload(node, first, waiting, vrrp_sync_groups=(group("VI_1", "VI_2"),), **scripted())
        assert node.state("VI_1") == "MASTER"
        node.receive(inputs.ScriptFinished("chk", status=status))
        assert node.state("VI_1") == node.state("VI_2") == state
        assert node.router.snapshot().groups[0].state.name == state


def test_new_script_makes_no_master_yield() -> None:
    lan = Lan()
    node = start(lan)
    lan.run(4)
    reload(node, tracked(), **scripted(init_fail=True))
    assert node.is_master
    lan.run(0.1)
    assert len(node.effects(fx.StartScript)) == 1
    node.receive(inputs.ScriptFinished("chk", status=1))
    assert node.state() == "FAULT"


def test_other_command_is_another_script() -> None:
    lan = Lan()
    node = start(lan, tracked(), **scripted())
    lan.run(0.1)
    other = Script(words=("/bin/other",), account=Account(0, 0))
    reload(node, tracked(), vrrp_scripts=(VrrpScript(name="chk", script=other),))
    assert [effect.name for _, effect in node.effects(fx.StopScript)] == ["chk"]  # type: ignore[attr-defined]
    lan.run(0.1)
    assert node.effects(fx.StartScript)[-1][1].script == other  # type: ignore[attr-defined]


def test_weights_follow() -> None:
    lan = Lan()
    files = {"track_files": (TrackFile(name="f", path="/f"),)}
    before = changed(track=Trackers(files=(Tracker(name="f", weight=2),)))
    node = start(lan, before, **files)
    node.receive(inputs.FileChanged("f", b"10"))
    assert node.snapshot().effective_priority == 170
    after = changed(priority=120, track=Trackers(files=(Tracker(name="f", weight=-1),)))
    reload(node, after, **files)
    assert node.snapshot().effective_priority == 110
    reload(node, changed(priority=120))
    assert node.snapshot().effective_priority == 120
    assert node.snapshot().total_priority == 120


def test_a_failed_script_loses_its_weight_or_gets_one() -> None:
    """Without a weight its failure is a fault and nothing else, with one it costs priority and nothing else."""
    lan = Lan()
    node = start(lan, tracked(-30), **scripted())
    lan.run(0.1)
    node.receive(inputs.ScriptFinished("chk", status=1))
    assert (node.state(), node.snapshot().effective_priority) == ("BACKUP", 120)
    reload(node, tracked(0), **scripted())
    assert (node.state(), node.snapshot().effective_priority) == ("FAULT", 150)
    reload(node, tracked(-40), **scripted())
    assert (node.state(), node.snapshot().effective_priority) == ("BACKUP", 110)


def test_a_fault_of_a_file_stays_a_fault_over_a_reload() -> None:
    """Also with a weight: what it comes to is below the lowest priority."""
    lan = Lan()
    files = {"track_files": (TrackFile(name="f", path="/f"),)}
    watching = changed(track=Trackers(files=(Tracker(name="f", weight=-1),)))
    node = start(lan, watching, **files)
    node.receive(inputs.FileChanged("f", b"254"))
    notices = node.notices()
    reload(node, watching, **files)
    assert (node.state(), node.notices()) == ("FAULT", notices)


@pytest.mark.keyword("global_defs/fifo_write_vrrp_states_on_reload")
def test_states_written_on_reload() -> None:
    lan = Lan()
    defaults = GlobalDefs(vrrp_defaults=VrrpDefaults(fifo_write_states_on_reload=True))
    more: dict[str, object] = {"vrrp_sync_groups": (group("VI_1", "VI_2"),), "globals": defaults}
    node = start(lan, *two_members(), **more)
    lan.run(4)
    count = len(node.notices())
    reload(node, *two_members(), **more)
    assert node.notices()[count:] == ["INSTANCE VI_1 MASTER 150", "INSTANCE VI_2 MASTER 150", "GROUP G MASTER"]
    notices = [effect for _, effect in node.history if isinstance(effect, fx.NotifyInstance | fx.NotifyGroup)]
    assert all(notice.fifo_only for notice in notices[count:])


def test_a_member_at_fault_for_another_begins_again_in_its_new_group() -> None:
    """VI_2 is in FAULT because VI_1 is; a reload gives it to a group without faults, where all are MASTER."""
    lan = Lan()
    one = changed(interface="eth1", virtual_addresses=(vip("198.51.100.100", "eth1"),))
    two = changed("VI_2", virtual_router_id=52, virtual_addresses=(vip("192.0.2.101"),))
    three = changed("VI_3", virtual_router_id=53, virtual_addresses=(vip("192.0.2.102"),))
    node = start(lan, one, two, three, vrrp_sync_groups=(group("VI_1", "VI_2"),))
    lan.run(5)
    node.receive(inputs.InterfaceChanged(interface("eth1", 3, up=False)))
    assert [node.state(name) for name in ("VI_1", "VI_2", "VI_3")] == ["FAULT", "FAULT", "MASTER"]
    broken = view(*MACHINE.addresses, interfaces=(interface(), interface("eth1", 3, up=False)))
    node.receive(inputs.Reload(config(one, two, three, vrrp_sync_groups=(group("VI_2", "VI_3"),)), broken))
    assert [node.state(name) for name in ("VI_1", "VI_2", "VI_3")] == ["FAULT", "BACKUP", "BACKUP"]
    assert node.router.snapshot().groups[0].state.name == "BACKUP"
    lan.run(5)
    assert [node.state(name) for name in ("VI_1", "VI_2", "VI_3")] == ["FAULT", "MASTER", "MASTER"]
    assert node.router.snapshot().groups[0].state.name == "MASTER"
