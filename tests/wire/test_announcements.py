"""Gratuitous ARP and neighbour advertisements are byte for byte what keepalived 2.4.3 sent, in its order and pace."""

from __future__ import annotations

import pytest

from pykeepalived.vrrp import effects as fx
from tests.vrrp.lan import SECOND, Lan, config
from tests.wire.recording import read
from tests.wire.setups import COMMON, machine, model, paced


@pytest.mark.parametrize("host", ["A", "B"])
@pytest.mark.parametrize("name", sorted(COMMON))
@pytest.mark.keyword("vrrp_instance/garp_master_repeat")
def test_first_block(name: str, host: str) -> None:
    lan = Lan()
    node = lan.node(host, config(model(name, host)), machine(name, host))
    lan.run(4)
    ((_, block),) = node.effects(fx.SendFrames)
    assert isinstance(block, fx.SendFrames)
    recorded = [frame.data for frame in read(name) if frame.is_garp or frame.is_na]
    mac = block.frames[0].data[6:12]
    expected = [data for data in recorded if data[6:12] == mac]
    count = len(model(name, host).virtual_addresses) + len(model(name, host).excluded_addresses)
    assert [frame.data for frame in block.frames] == expected[: 5 * count]
    assert len(block.frames) == 5 * count


@pytest.mark.keyword("global_defs/vrrp_garp_interval")
@pytest.mark.keyword("global_defs/vrrp_garp_master_refresh")
def test_paced_blocks_equal_the_recording() -> None:
    """One frame every 50 ms, alternating between the addresses; second block at 2 s, refreshes at 6 s and 10 s."""
    lan = Lan()
    node = lan.node("A", paced(), machine("v2-mcast", "A"))
    lan.run(3.414062)
    master = lan.now
    lan.run(10.9)
    ours = [
        ((at - master) / SECOND, frame.data)
        for at, effect in node.effects(fx.SendFrames)
        for frame in effect.frames  # type: ignore[attr-defined]
    ]
    recorded = [(frame.at, frame.data) for frame in read("garp-interval-refresh") if frame.is_garp]
    assert [data for _, data in ours] == [data for _, data in recorded]
    times = [round(at, 3) for at, _ in ours]
    block = [round(0.05 * number, 3) for number in range(9)]
    refresh = [round(0.05 * number, 3) for number in range(6)]
    assert times == [
        *block,
        *(round(2 + at, 3) for at in block),
        *(round(6 + at, 3) for at in refresh),
        *(round(10 + at, 3) for at in refresh),
    ]
    first = recorded[0][0]
    for (at, _), (there, _) in zip(ours, recorded, strict=True):
        assert abs(at - (there - first) / SECOND) < 0.05
