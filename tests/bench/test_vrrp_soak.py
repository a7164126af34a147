"""A short soak: twenty failovers of all kinds, nothing grows, nothing is left over; and a growth is noticed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import pytest

from bench.vrrp_soak import GROWTH_BYTES, Sample, Soak, soak


@pytest.mark.netns
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_twenty_failovers_leave_nothing() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    made = soak(20)
    assert made.faults == []
    assert made.failovers >= 20
    assert made.kills >= 1
    assert made.reloads >= 2


@pytest.mark.parametrize(
    ("last", "fault"),
    [
        (Sample({"0 keepalived": 10}, 50_000_000 + GROWTH_BYTES, 0), ""),
        (Sample({"0 keepalived": 11}, 50_000_000, 0), "descriptors grew: {'0 keepalived': 10} to {'0 keepalived': 11}"),
        (Sample({"0 keepalived": 10}, 50_000_001 + GROWTH_BYTES, 0), "memory grew: 50000000 to 52000001 bytes"),
    ],
)
def test_growth_is_a_fault(last: Sample, fault: str) -> None:
    made = Soak(cast(Any, None), Path())
    made.samples = [Sample({"0 keepalived": 10}, 50_000_000, 0), last]
    made.judge()
    assert made.faults == ([fault] if fault else [])
