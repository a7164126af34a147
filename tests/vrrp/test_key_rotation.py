"""auth_hmac brought in and its keys replaced, one node after the other, without one advert refused or missed."""

from __future__ import annotations

import itertools

import pytest

from pykeepalived.config.model.vrrp import AuthHmac, HmacKey
from pykeepalived.vrrp import inputs
from tests.vrrp.lan import SECOND, Lan, Node, address, config, instance, view
from tests.vrrp.pairs import pair

ONE, TWO = HmacKey(id=1, secret=b"a" * 32), HmacKey(id=2, secret=b"b" * 40)
STEPS = (
    AuthHmac(keys=(ONE,), active_key=1, mode="receive-only"),
    AuthHmac(keys=(ONE,), active_key=1, mode="permissive"),
    AuthHmac(keys=(ONE,), active_key=1),
    AuthHmac(keys=(ONE, TWO), active_key=1),
    AuthHmac(keys=(ONE, TWO), active_key=2),
    AuthHmac(keys=(TWO,), active_key=2),
)
REFUSED = ("auth_ext_missing", "auth_ext_unknown_key", "auth_ext_invalid_hmac", "auth_ext_replay", "auth_ext_malformed")


def change(node: Node, hmac: AuthHmac, priority: int, last: int) -> None:
    wanted = config(instance(priority=priority, auth_hmac=hmac))
    machine = view(*(address(text) for text in (f"192.0.2.{last}/24", *(("192.0.2.100",) if node.is_master else ()))))
    node.receive(inputs.Reload(wanted, machine))


@pytest.mark.keyword("vrrp_instance/auth_hmac/key")
@pytest.mark.keyword("vrrp_instance/auth_hmac/active_key")
@pytest.mark.keyword("vrrp_instance/auth_hmac/mode")
def test_every_step_of_a_rotation() -> None:
    lan = Lan()
    a, b = pair(lan, {"priority": 150}, {"priority": 100})
    lan.run(5)
    begin, lengths = len(lan.wire), []
    for step in STEPS:
        for node, priority, last in ((b, 100, 2), (a, 150, 1)):
            change(node, step, priority, last)
            lan.run(2.3)
        lengths.append(len(lan.wire[-1].data))
    assert (a.state(), b.state()) == ("MASTER", "BACKUP")
    assert {sent.node for sent in lan.wire[begin:]} == {a}
    assert max(later.at - sent.at for sent, later in itertools.pairwise(lan.wire[begin:])) == SECOND
    assert {name: getattr(b.snapshot().counters, name) for name in REFUSED} == dict.fromkeys(REFUSED, 0)
    assert lengths == [40, 68, 68, 68, 68, 68]


def test_a_step_left_out_is_noticed() -> None:
    """A key that the peer does not know yet: the test above can fail."""
    lan = Lan()
    a, b = pair(lan, {"priority": 150, "auth_hmac": STEPS[2]}, {"priority": 100, "auth_hmac": STEPS[2]})
    lan.run(5)
    change(a, STEPS[5], 150, 1)
    lan.run(5)
    assert b.snapshot().counters.auth_ext_unknown_key > 0
    assert b.is_master
