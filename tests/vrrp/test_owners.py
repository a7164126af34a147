"""Address owners (priority 255): restored, preempted by rogues, deaf to adverts."""

from __future__ import annotations

import pytest

from pykeepalived.config.model.vrrp import State
from pykeepalived.vrrp import inputs
from tests.vrrp.lan import SECOND, Lan
from tests.vrrp.pairs import pair, start

# address owners


def test_owner_restored_is_never_preempted() -> None:
    lan = Lan()
    b, a = pair(lan, {"priority": 100}, {"priority": 255, "state": State.MASTER})
    lan.run(3)
    assert a.is_master and not b.is_master
    assert next(sent for sent in lan.wire if sent.node is a).at == lan.start + 10 * SECOND


def test_rogue_owner() -> None:
    """Two owners: the higher address complains, waits, lowers itself to 254 and yields."""
    lan = Lan()
    a = start(lan, "A", priority=255, state=State.MASTER)
    b = start(lan, "B", priority=255, state=State.MASTER)
    assert "(VI_1) Entering BACKUP STATE" in a.log(), "the lower address yields to the higher one"
    assert b.is_master and not a.is_master


def test_rogue_owner_that_does_not_yield() -> None:
    """The rogue has the lower address and ignores us, as an owner with owner_ignore_adverts does."""
    lan = Lan()
    ours = start(lan, "B", priority=255, state=State.MASTER)
    lan.run(0.5)
    rogue = start(lan, "A", priority=255, state=State.MASTER, owner_ignore_adverts=True)
    assert ours.is_master and rogue.is_master
    complaint = "(VI_1) CONFIGURATION ERROR: local instance and 192.0.2.1 are both configured as address owner"
    assert f"{complaint}, please resolve" in ours.log()
    # two more adverts of ours, at 1 s and 2 s
    lan.run(1.9)
    assert ours.is_master
    assert ours.snapshot().effective_priority == 255
    # the rogue's advert at 2.5 s comes while the timer of 1.2 s runs
    lan.run(0.2)
    assert any("is still advertising as address owner" in line for line in ours.log())
    assert ours.snapshot().effective_priority == 254
    lan.run(1)
    assert not ours.is_master
    rogue.receive(inputs.Stop())
    rogue.alive = False
    lan.run(1)
    assert ours.is_master
    assert ours.snapshot().effective_priority == 255
    assert ours.snapshot().counters.become_master == 2


def test_rogue_owner_that_goes_away() -> None:
    lan = Lan()
    ours = start(lan, "B", priority=255, state=State.MASTER)
    rogue = start(lan, "A", priority=255, state=State.MASTER, owner_ignore_adverts=True)
    lan.run(1.5)
    lan.kill(rogue)
    lan.run(5)
    assert "(VI_1): rogue address owner appears to have stopped advertising" in ours.log()
    assert ours.is_master
    assert ours.snapshot().effective_priority == 255


@pytest.mark.keyword("vrrp_instance/owner_ignore_adverts")
def test_owner_ignore_adverts() -> None:
    lan = Lan()
    owner = start(lan, "A", priority=255, state=State.MASTER, owner_ignore_adverts=True)
    start(lan, "B", priority=255, state=State.MASTER)
    lan.run(10)
    assert owner.is_master
    assert owner.snapshot().counters.advert_rcvd == 0
    assert owner.log().count("(VI_1) Dropping packet(s) from 192.0.2.2 since we are address owner") == 1
