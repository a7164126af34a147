"""net_namespace_ipvs in a guest: checks in the daemon's namespace, the table in another; what the children may do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vm.guest import seen_in_guest

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What namespaces.py saw in the guest."""
    needs = ("linux.uml", "gcc", "insmod", "ipvsadm")
    return seen_in_guest("namespaces.py", tmp_path_factory.mktemp("share"), needs)


@pytest.mark.keyword("net_namespace_ipvs")
def test_the_named_namespace_has_the_table_and_no_other(seen: dict[str, Any]) -> None:
    assert seen["both in the other table"], seen
    assert (seen["own table"], seen["first table"]) == ([], [])
    assert (seen["status"], seen["left"]) == (0, [])


def test_the_parent_loads_the_module(seen: dict[str, Any]) -> None:
    assert (seen["loaded before"], seen["loaded"]) == (False, True)


def test_a_successor_enters_the_namespace_again(seen: dict[str, Any]) -> None:
    assert seen["respawned"], seen
    assert seen["as it was after the death"], seen
    assert seen["without the dead server"], seen


def test_no_child_can_gain_privileges_and_scripts_can(seen: dict[str, Any]) -> None:
    """The parent and the script helper may, the checker may not."""
    assert seen["privileges"] == ["0", "0", "1"]
    assert seen["script is root"]


def test_the_namespace_changes_with_a_restart_only(seen: dict[str, Any]) -> None:
    assert seen["table after a changed namespace"] == ["198.18.0.3:8080"], seen


@pytest.mark.keyword("net_namespace_ipvs")
def test_without_a_name_the_first_namespace_has_the_table(seen: dict[str, Any]) -> None:
    assert seen["in the first table"], seen
    assert (seen["other tables"], seen["left in the first"]) == ([], [])


def test_a_missing_namespace_is_told_and_ends_nothing(seen: dict[str, Any]) -> None:
    assert seen["missing is told"] is True
    assert seen["goes on without"]
