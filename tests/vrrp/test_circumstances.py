"""What `why` tells beside causes: held back by nopreempt or a group, other masters, adverts that cannot be used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pykeepalived.config.model.vrrp import VrrpSyncGroup
from pykeepalived.observe.snapshot import Taken, VrrpSnapshot
from pykeepalived.observe.status import status_view
from pykeepalived.vrrp.circumstances import DIFFERS, OTHER_MASTER, REFUSED, Notices
from tests.vrrp.adverts import advert, hear, node
from tests.vrrp.lan import SECOND, Lan, Node, address, config, instance, interface, ip, view, vip
from tests.vrrp.pairs import pair


def told(host: Node, name: str = "VI_1") -> list[str]:
    """The circumstances that still hold, without places."""
    return [
        f"{each.cause.fact} {each.cause.subject} ({each.cause.detail})"
        for each in host.snapshot(name).circumstances
        if each.until == 0 or each.until >= host.lan.now
    ]


def test_peace_needs_no_words() -> None:
    lan = Lan()
    a, b = pair(lan, {"priority": 150}, {"priority": 100})
    lan.run(10)
    assert a.is_master
    assert told(a) == told(b) == []


@pytest.mark.keyword("vrrp_instance/nopreempt")
def test_nopreempt_is_named() -> None:
    lan = Lan()
    _, b = pair(lan, {"priority": 100}, {"priority": 150, "nopreempt": True})
    lan.run(5)
    text = "nopreempt 192.0.2.1 (it stays master as long as it is heard; our priority is 150, its 100)"
    assert told(b) == [text]


@pytest.mark.keyword("vrrp_instance/preempt_delay")
def test_preempt_delay_is_named_until_it_is_over() -> None:
    lan = Lan()
    _, b = pair(lan, {"priority": 100}, {"priority": 150, "preempt_delay_us": 20_000_000})
    lan.run(5)
    assert told(b) == ["preempt_delay 192.0.2.1 (it stays master for 20 s; our priority is 150, its 100)"]
    cause = b.snapshot().circumstances[0].cause
    assert 0 < lan.now - cause.since <= 5 * SECOND
    lan.run(30)
    assert b.is_master
    assert told(b) == []


def test_a_better_router_that_is_about_to_take_over_is_not_held_back() -> None:
    lan = Lan()
    _, b = pair(lan, {"priority": 100}, {"priority": 150})
    lan.run(2)
    assert b.state() == "BACKUP"
    assert told(b) == []


def test_a_master_that_cannot_hear_us() -> None:
    """One way is blocked: A goes on hearing B, which is told as long as it lasts, and a little longer."""
    lan = Lan()
    a = node(lan, priority=150)
    lan.run(5)
    assert a.is_master
    hear(a, advert(priority=100))
    assert told(a) == []  # one advert is what everybody says who has just come
    hear(a, advert(priority=100))
    text = "it is master too, with priority 100, and does not hear our adverts or refuses them; 2 adverts"
    assert told(a) == [f"other_master 192.0.2.2 ({text})"]
    lan.run(3.9)
    assert len(told(a)) == 1
    lan.run(0.2)
    assert told(a) == []
    hear(a, advert(priority=100))
    assert told(a) == []  # counted anew


def test_another_master_matters_to_no_backup() -> None:
    lan = Lan()
    a = node(lan, priority=150)
    lan.run(5)
    hear(a, advert(priority=100))
    hear(a, advert(priority=100))
    hear(a, advert(priority=200))
    assert a.state() == "BACKUP"
    assert told(a) == []


def test_a_router_with_our_own_address() -> None:
    lan = Lan()
    a = node(lan, priority=150)
    lan.run(5)
    for _ in range(2):
        hear(a, advert(priority=150, source=ip("192.0.2.1")))
    assert told(a) == ["other_master 192.0.2.1 (another router has our own address; 2 adverts)"]


@pytest.mark.parametrize(
    ("ours", "theirs", "text"),
    [
        (
            {"version": 2, "advert_int_us": 1_000_000},
            {"interval_us": 2_000_000},
            "its advert_int is not ours: advertisement interval mismatch with 192.0.2.2 mine=1 sec rcv'd=2 sec",
        ),
        (
            {"version": 3},
            {},
            "its vrrp_version is not ours: wrong VRRP version from 192.0.2.2. Received 2 and expect 3",
        ),
    ],
)
def test_refused_adverts_are_told_for_a_minute(ours: dict[str, object], theirs: dict[str, object], text: str) -> None:
    lan = Lan()
    host = node(lan, priority=100, **ours)
    hear(host, advert(**theirs))
    assert told(host) == [f"advert_refused 192.0.2.2 ({text}; 1 advert)"]
    hear(host, advert(**theirs))
    assert told(host) == [f"advert_refused 192.0.2.2 ({text}; 2 adverts)"]
    lan.run(59)
    assert len(told(host)) == 1
    lan.run(2)
    assert told(host) == []


def test_a_good_advert_ends_the_complaint_about_its_sender_alone() -> None:
    lan = Lan()
    host = node(lan, priority=100, version=2)
    third = ip("192.0.2.3")
    hear(host, advert(interval_us=2_000_000))
    hear(host, advert(interval_us=2_000_000, source=third))
    assert len(told(host)) == 2
    hear(host, advert(priority=200))
    assert [text.split()[1] for text in told(host)] == ["192.0.2.3"]


def test_another_cluster_with_the_same_vrid() -> None:
    """Its list of addresses is accepted all the same, and told as long as we listen to it."""
    lan = Lan()
    two = (vip("192.0.2.100"), vip("192.0.2.101"))
    _, b = pair(lan, {"priority": 150}, {"priority": 100, "virtual_addresses": two})
    lan.run(3)
    (text,) = told(b)
    assert text.startswith("advert_differs 192.0.2.1 (its addresses are not ours, perhaps it is another cluster")
    assert "expected 2 VIPs but received 1" in text
    lan.run(120)
    assert len(told(b)) == 1


def test_what_differed_is_forgotten_when_it_does_not_any_more() -> None:
    lan = Lan()
    host = node(lan, priority=100)
    hear(host, advert(priority=150, addresses=("192.0.2.101",)))
    assert [text.split()[0] for text in told(host)] == ["advert_differs"]
    lan.run(1)
    hear(host, advert(priority=150))
    assert told(host) == []


def test_a_member_that_its_group_holds_back() -> None:
    """VI_1 would be master, but a better router is master where VI_2 is."""
    lan = Lan()
    eth0, eth1 = interface(), interface("eth1", 3)
    other = instance(
        "VI_2", priority=50, virtual_router_id=52, interface="eth1", virtual_addresses=(vip("198.51.100.100", "eth1"),)
    )
    addresses = (address("192.0.2.1/24"), address("198.51.100.1/24", "eth1"))
    group = VrrpSyncGroup(name="G1", members=("VI_1", "VI_2"))
    settings = config(instance("VI_1", priority=150), other, vrrp_sync_groups=(group,))
    a = lan.node("A", settings, view(*addresses, interfaces=(eth0, eth1)))
    elsewhere = (address("192.0.2.2/24"), address("198.51.100.2/24", "eth1"))
    better = config(instance("VI_2", **{**_values(other), "priority": 200}))
    b = lan.node("B", better, view(*elsewhere, interfaces=(eth0, eth1)))
    lan.run(10)
    assert b.state("VI_2") == "MASTER"
    assert a.state("VI_1") == a.state("VI_2") == "BACKUP"
    assert told(a) == ["group_waits G1 (no better master is heard here, but VI_2 cannot be master)"]
    assert told(a, "VI_2") == []


def _values(model: object) -> dict[str, object]:
    names = ("virtual_router_id", "interface", "virtual_addresses")
    return {name: getattr(model, name) for name in names}


def test_status_shows_a_circumstance_in_place_of_the_cause_while_it_holds() -> None:
    lan = Lan()
    host = node(lan, priority=100, version=3)
    lan.run(5)
    hear(host, advert())
    snapshot = host.router.snapshot()

    def why(moment: int) -> str:
        taken = VrrpSnapshot(taken=Taken(moment, moment), instances=snapshot.instances)
        return status_view([taken])["vrrp"]["instances"][0]["why"]  # type: ignore[no-any-return]

    assert why(lan.now).startswith("advert_refused 192.0.2.2")
    assert why(lan.now + 61 * SECOND).startswith("advert_timeout")


def test_forged_senders_do_not_pile_up() -> None:
    notices = Notices()
    for number in range(1000):
        notices.complain("advert_refused", ip(f"10.0.{number // 256}.{number % 256}"), "version", "x", number)
    assert len(notices.told(True)) == 16
    assert notices.told(True)[-1].source == ip("10.0.3.231")


def test_a_changed_configuration_begins_anew() -> None:
    from pykeepalived.vrrp import inputs

    lan = Lan()
    host = node(lan, priority=100, version=3)
    hear(host, advert())
    assert told(host)
    host.receive(inputs.Reload(config(instance(priority=100, version=2)), view(address("192.0.2.1/24"))))
    assert told(host) == []


def test_the_guide_explains_every_circumstance() -> None:
    root = Path(__file__).resolve().parents[2]
    guide = (root / "docs" / "operator.md").read_text()
    for word in (REFUSED, DIFFERS, OTHER_MASTER, "nopreempt", "preempt_delay", "group_waits"):
        assert re.search(rf"^\|.*`{word}`", guide, re.MULTILINE), word
