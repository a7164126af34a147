"""Faults of a whole machine: the journal stuck or gone, the clock set, no memory. Adverts go on, the address stays."""

from __future__ import annotations

import pytest

from tests.vm.conftest import Installed

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.timeout(900)]
ENOUGH = 5
"""Of ten adverts that should have been sent; the guest's clock and processor are not quiet."""


@pytest.fixture(scope="module")
def faults(installed: Installed) -> tuple[dict[str, str], list[str]]:
    return installed.run("systemd_faults.sh")


def test_a_stuck_or_missing_journal_delays_nothing(faults: tuple[dict[str, str], list[str]]) -> None:
    steps, journal = faults
    assert int(steps["quiet"]) >= ENOUGH, faults
    assert int(steps["journal_stuck"]) >= ENOUGH, faults
    assert (steps["journal_stuck_vip"], steps["journal_gone_vip"]) == ("yes", "yes"), faults
    assert int(steps["journal_gone"]) >= ENOUGH, faults
    # once it is back it is written again
    assert any("Reload complete" in line for line in journal), faults


def test_setting_the_clock_changes_nothing(faults: tuple[dict[str, str], list[str]]) -> None:
    steps, _ = faults
    assert int(steps["clock_back"]) >= ENOUGH, faults
    assert int(steps["clock_forward"]) >= ENOUGH, faults
    assert (steps["clock_vip"], steps["same_processes"]) == ("yes", "yes"), faults


def test_little_memory(faults: tuple[dict[str, str], list[str]]) -> None:
    steps, _ = faults
    assert (steps["memory_vip"], steps["stopped"], steps["left"]) == ("yes", "inactiveno", ""), faults
