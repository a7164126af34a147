"""Adverts of instances that became MASTER together are spread once, and never later than an interval."""

from __future__ import annotations

import itertools
import time

from bench.vrrp_core import configuration, machine, packets
from pykeepalived.vrrp.pacing import BUNCH, STEP_NS, Pacer
from pykeepalived.vrrp.router import Router

INTERVAL_NS = 100_000_000


def leaving(router: Router, now: int) -> list[tuple[int, int]]:
    """(moment, VRID) of every advert within the next interval."""
    sent = []
    end = now + INTERVAL_NS
    while (due := router.exact_deadline()) is not None and due <= end:
        router.tick(due)
        while wanted := router.drain():
            sent += [(due, data[21]) for _, data in packets(wanted)]
    return sent


def test_a_crowd_is_spread_once() -> None:
    router = Router(configuration(100, 150), machine(100, 1), 10**9, time.time_ns)
    while router.drain():
        pass
    takeover = router.exact_deadline()
    assert takeover is not None
    router.tick(takeover)
    assert len(packets(router.drain())) == 100
    while router.drain():
        pass
    first = leaving(router, takeover)
    assert {moment for moment, _ in first} == {takeover + INTERVAL_NS}
    second = leaving(router, takeover + INTERVAL_NS)
    third = leaving(router, takeover + 2 * INTERVAL_NS)
    assert sorted(vrid for _, vrid in second) == sorted(vrid for _, vrid in third) == list(range(1, 101))
    bunches = [moment for moment, _ in second]
    assert {bunches.count(moment) for moment in bunches} == {BUNCH, 100 % BUNCH}
    moments = sorted(set(bunches))
    assert moments[-1] == takeover + 2 * INTERVAL_NS, "the first bunch keeps its phase, the others are earlier"
    assert {later - earlier for earlier, later in itertools.pairwise(moments)} == {STEP_NS}
    assert third == [(moment + INTERVAL_NS, vrid) for moment, vrid in second], "from then on nothing moves"


def test_a_few_keep_their_phase_and_an_interval_is_never_cut_by_more_than_half() -> None:
    pacer = Pacer()
    assert [pacer.shift(5, INTERVAL_NS) for _ in range(BUNCH)] == [0] * BUNCH
    assert pacer.shift(5, INTERVAL_NS) == STEP_NS
    assert pacer.shift(6, INTERVAL_NS) == 0
    assert max(pacer.shift(7, 10_000_000) for _ in range(1000)) == 5_000_000
