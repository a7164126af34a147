"""What a BFD session does to those who track it: weights with and without `reverse`, faults, whole sync groups."""

from __future__ import annotations

import pytest

from pykeepalived.config.model.bfd import BfdInstance
from pykeepalived.config.model.vrrp import Tracker, Trackers, VrrpSyncGroup
from pykeepalived.vrrp import inputs
from tests.vrrp.lan import Lan, Node, address, config, instance, interface, ip, replace, view, vip

SESSIONS = (BfdInstance(name="b", neighbor=ip("192.0.2.2")),)


def alone(lan: Lan, weight: int, reverse: bool, **values: object) -> Node:
    track = Trackers(bfds=(Tracker(name="b", weight=weight, reverse=reverse),))
    machine = view(address("192.0.2.1/24"))
    return lan.node("A", config(instance(track=track, **values), bfd_instances=SESSIONS), machine)


@pytest.mark.keyword("vrrp_instance/track_bfd")
@pytest.mark.parametrize(
    ("weight", "reverse", "down", "up"),
    [(20, False, 100, 120), (-30, False, 70, 100), (20, True, 100, 80), (-30, True, 130, 100), (253, False, 100, 254)],
)
def test_weights(weight: int, reverse: bool, down: int, up: int) -> None:
    lan = Lan()
    node = alone(lan, weight, reverse, priority=100)
    priorities = [node.snapshot().effective_priority]
    for state in (True, True, False, True):
        node.receive(inputs.BfdChanged("b", state, lan.now))
        priorities.append(node.snapshot().effective_priority)
    assert priorities == [down, up, up, down, up]
    assert node.state() == "BACKUP"


def test_reverse_without_weight_is_at_fault_while_the_session_is_up() -> None:
    lan = Lan()
    node = alone(lan, 0, True)
    assert node.state() == "BACKUP"
    node.receive(inputs.BfdChanged("b", True, lan.now))
    assert node.state() == "FAULT"
    node.receive(inputs.BfdChanged("b", False, lan.now))
    assert node.state() == "BACKUP"


@pytest.mark.parametrize("early", [True, False], ids=["told-before-the-reload", "told-after-it"])
@pytest.mark.parametrize("up", [True, False])
def test_a_reload_that_begins_to_track_a_session(early: bool, up: bool) -> None:
    """The BFD child tells every session when it takes over a configuration, no matter who is first. Nothing changes
    before it has."""
    lan = Lan()
    machine = view(address("192.0.2.1/24"))
    node = lan.node("A", config(instance(), bfd_instances=(replace(SESSIONS[0], to_vrrp=False),)), machine)
    lan.run(5)
    assert node.state() == "MASTER"
    tracking = config(instance(track=Trackers(bfds=(Tracker(name="b"),))), bfd_instances=SESSIONS)
    told, reload = inputs.BfdChanged("b", up, lan.now), inputs.Reload(tracking, machine)
    for message in (told, reload) if early else (reload, told):
        assert node.state() == "MASTER"
        node.receive(message)
    assert node.state() == ("MASTER" if up else "FAULT")
    node.receive(inputs.BfdChanged("b", not up, lan.now))
    assert node.state() == ("FAULT" if up else "BACKUP")


def test_what_was_told_long_ago_says_nothing() -> None:
    lan = Lan()
    machine = view(address("192.0.2.1/24"))
    without = config(instance(), bfd_instances=(replace(SESSIONS[0], to_vrrp=False),))
    node = lan.node("A", without, machine)
    node.receive(inputs.BfdChanged("b", False, lan.now))
    node.receive(inputs.Reload(without, machine))
    tracking = config(instance(track=Trackers(bfds=(Tracker(name="b"),))), bfd_instances=SESSIONS)
    node.receive(inputs.Reload(tracking, machine))
    assert node.state() == "BACKUP"


@pytest.mark.keyword("vrrp_sync_group/track_bfd")
def test_a_session_tracked_by_the_group_holds_all_members() -> None:
    lan = Lan()
    second = instance("VI_2", virtual_router_id=52, virtual_addresses=(vip("192.0.2.101"),))
    group = VrrpSyncGroup(name="G1", members=("VI_1", "VI_2"), track=Trackers(bfds=(Tracker(name="b"),)))
    settings = config(instance("VI_1"), second, vrrp_sync_groups=(group,), bfd_instances=SESSIONS)
    node = lan.node("A", settings, view(address("192.0.2.1/24"), interfaces=(interface(),)))

    def states() -> list[str]:
        return [each.state.name for each in node.router.snapshot().instances]

    assert states() == ["FAULT", "FAULT"]
    node.receive(inputs.BfdChanged("b", True, lan.now))
    assert states() == ["BACKUP", "BACKUP"]
    lan.run(5)
    assert states() == ["MASTER", "MASTER"]
    node.receive(inputs.BfdChanged("b", False, lan.now))
    assert states() == ["FAULT", "FAULT"]
    assert "VRRP_Instance(VI_2) Tracked BFD instance b is DOWN" in node.log()


def test_a_state_that_is_told_again_is_no_news() -> None:
    """A BFD child that was started again repeats the states of all sessions."""
    lan = Lan()
    node = alone(lan, 0, False)
    node.receive(inputs.BfdChanged("b", True, lan.now))
    told, notices = node.log(), node.notices()
    lan.run(1)
    node.receive(inputs.BfdChanged("b", True, lan.now))
    assert [line for line in node.log()[len(told) :] if "VI_1" in line] == []
    assert node.notices() == notices
    assert node.state() == "BACKUP"
