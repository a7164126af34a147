"""The state table: complete, enforced, and every row taken by a real router."""

from __future__ import annotations

import itertools

import pytest

from pykeepalived.config.model.values import Account, Script
from pykeepalived.config.model.vrrp import State as Wish
from pykeepalived.config.model.vrrp import Tracker, Trackers, VrrpScript, VrrpSyncGroup
from pykeepalived.observe.cause import Cause
from pykeepalived.vrrp import inputs, table
from pykeepalived.vrrp.table import TABLE, Event, IllegalTransition, State, follow
from tests.vrrp.lan import Lan, address, config, instance, interface, view, vip
from tests.vrrp.test_receive import advert, hear, ip

ROWS = sorted(TABLE, key=lambda row: (row[0], row[1].name))


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_only_what_is_in_the_table(state: State, event: Event) -> None:
    if (state, event) in TABLE:
        assert follow(state, event) is TABLE[(state, event)]
    else:
        with pytest.raises(IllegalTransition, match=event.value):
            follow(state, event)


def test_every_row_names_its_source() -> None:
    for row in TABLE.values():
        assert row.source.startswith(("RFC 9568 6.4.", "keepalived.conf(5): "))


def test_nothing_leaves_stop() -> None:
    assert not [row for row in TABLE if row[0] is State.STOP]


def test_every_state_but_init_can_be_reached() -> None:
    assert {row.following for row in TABLE.values()} == set(State) - {State.INIT}


def test_numbers_of_states() -> None:
    """They are seen in JSON dumps and by D-Bus."""
    assert [(state.name, state.value) for state in State] == [
        ("INIT", 0),
        ("BACKUP", 1),
        ("MASTER", 2),
        ("FAULT", 3),
        ("STOP", 98),
    ]


def test_an_illegal_move_changes_nothing() -> None:
    lan = Lan()
    node = lan.node("A", config(instance()), view(address("192.0.2.1/24")))
    (item,) = node.router._assembly.instances.values()
    with pytest.raises(IllegalTransition):
        item.move(Event.ADVERT_HIGHER, Cause("test"), lan.now)
    assert item.state is State.BACKUP


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> set[tuple[State, Event]]:
    """Every row that is followed while the test runs."""
    from pykeepalived.vrrp import election
    from pykeepalived.vrrp import instance as module

    rows: set[tuple[State, Event]] = set()

    def record(state: State, event: Event) -> table.Row:
        rows.add((state, event))
        return follow(state, event)

    monkeypatch.setattr(module, "follow", record)
    monkeypatch.setattr(election, "follow", record)
    return rows


DOWN = inputs.InterfaceChanged(interface(up=False))
UP = inputs.InterfaceChanged(interface())
MACHINE = view(address("192.0.2.1/24"), interfaces=(interface(), interface("eth1", 3)))


def alone(**values: object):  # type: ignore[no-untyped-def]
    lan = Lan()
    options = values.pop("options", {})
    return lan, lan.node("A", config(instance(**values)), values.pop("machine", MACHINE), **options)  # type: ignore[arg-type]


def group(lan: Lan, **values: object):  # type: ignore[no-untyped-def]
    second = instance(
        "VI_2", virtual_router_id=52, interface="eth1", virtual_addresses=(vip("192.0.2.101", "eth1"),), **values
    )
    settings = config(instance(**values), second, vrrp_sync_groups=(VrrpSyncGroup(name="G", members=("VI_1", "VI_2")),))
    machine = view(
        address("192.0.2.1/24"), address("198.51.100.1/24", "eth1"), interfaces=(interface(), interface("eth1", 3))
    )
    return lan.node("A", settings, machine)


def test_every_row_is_taken(taken: set[tuple[State, Event]]) -> None:
    """One short life for each row; together they walk the whole table."""
    # alone: start, timers, adverts, faults, stop
    lan, node = alone(priority=100)
    hear(node, advert(priority=150))
    hear(node, advert(priority=50))
    hear(node, advert(priority=0))
    lan.run(6)
    hear(node, advert(priority=0))
    hear(node, advert(priority=50))
    hear(node, advert(priority=100, source=ip("192.0.2.1")))
    hear(node, advert(priority=200))
    lan.run(6)
    node.receive(DOWN)
    node.receive(UP)
    lan.run(6)
    node.receive(DOWN)
    node.receive(inputs.Stop())
    # stops from other states
    alone()[1].receive(inputs.Stop())
    lan, node = alone(priority=255, state=Wish.MASTER)
    hear(node, advert(priority=255, source=ip("192.0.2.0")))
    node.receive(DOWN)
    node.receive(UP)
    node.receive(inputs.Stop())
    script = VrrpScript(name="s", script=Script(words=("/x",), account=Account(0, 0)))
    waiting = instance(track=Trackers(scripts=(Tracker(name="s"),)))
    node = Lan().node("A", config(waiting, vrrp_scripts=(script,)), MACHINE)
    node.receive(inputs.Stop())
    node = Lan().node("A", config(waiting, vrrp_scripts=(script,)), MACHINE)
    node.router.tick(node.lan.now)
    node.receive(inputs.ScriptFinished("s", status=1))
    # an address deleted, a killed predecessor, a frozen process
    lan, node = alone()
    lan.run(4)
    node.receive(inputs.AddressRemoved(address("192.0.2.100/32")))
    machine = view(address("192.0.2.1/24"), address("192.0.2.100/32"))
    Lan().node("A", config(instance()), machine, adopt=True)
    lan, node = alone(nopreempt=True, timer_expired_backup=254)
    lan.run(4)
    node.frozen = True
    lan.run(10)
    lan.thaw(node)
    # groups
    lan = Lan()
    node = group(lan)
    node.receive(DOWN)
    node.receive(UP)
    lan.run(6)
    hear(node, advert(priority=200))
    lan.run(6)
    node.receive(DOWN)
    Lan().node(
        "A",
        config(
            instance(),
            instance("VI_2", virtual_router_id=52, interface="eth9"),
            vrrp_sync_groups=(VrrpSyncGroup(name="G", members=("VI_1", "VI_2")),),
        ),
        MACHINE,
    )
    lan = Lan()
    node = group(lan, priority=255, state=Wish.MASTER)
    node.receive(DOWN)
    node.receive(UP)
    assert set(TABLE) - taken == set()
