"""The ipvlans of a killed daemon, in a guest whose kernel has them: those that the next file names stay, the others go.

For macvlans see tests/netns/test_leftover_links.py.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.vm.guest import seen_in_guest

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What ipvlans.py saw in the guest."""
    return seen_in_guest("ipvlans.py", tmp_path_factory.mktemp("share"), ("linux.uml", "gcc", "insmod"))


@pytest.mark.parametrize("life", ["one", "none"])
def test_the_killed_daemon_leaves_them(seen: dict[str, Any], life: str) -> None:
    found = seen[life]
    assert found["up"], found["log"]
    assert set(found["before"]) == {"foreign", "vrrp.51", "vrrp.52"}
    assert found["killed"] == found["before"]


@pytest.mark.keyword("vrrp_instance/use_ipvlan")
def test_the_wanted_one_stays_the_same_and_the_other_goes(seen: dict[str, Any]) -> None:
    found = seen["one"]
    assert found["came"], found["log"]
    assert found["between"] == {name: found["before"][name] for name in ("foreign", "vrrp.51")}
    assert (found["status"], set(found["end"])) == (0, {"foreign"})


def test_without_vrrp_all_of_them_go_but_somebodys(seen: dict[str, Any]) -> None:
    found = seen["none"]
    assert found["came"], found["log"]
    assert found["between"] == found["end"] == {"foreign": found["before"]["foreign"]}
    assert found["status"] == 0
