"""The installed daemon under a real systemd: start, reload, rejected reload, crashes, stop, journal."""

from __future__ import annotations

import pytest

from tests.vm.conftest import Installed

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def life(installed: Installed) -> tuple[dict[str, str], list[list[str]]]:
    """What the guest's steps printed, and the journal as lists of fields."""
    steps, journal = installed.run("systemd_life.sh")
    return steps, [line.split("|") for line in journal]


def test_start_waits_until_the_daemon_is_ready(life: tuple[dict[str, str], list[list[str]]]) -> None:
    steps, _ = life
    assert (steps["start"], steps["active"], steps["vip"], steps["asked"]) == ("0", "active", "yes", "0"), life
    assert steps["status"]


def test_reload_moves_the_address(life: tuple[dict[str, str], list[list[str]]]) -> None:
    steps, _ = life
    assert (steps["reload"], steps["new_vip"], steps["old_vip"]) == ("0", "yes", "no"), life


def test_a_rejected_file_fails_the_reload_and_changes_nothing(life: tuple[dict[str, str], list[list[str]]]) -> None:
    steps, _ = life
    assert steps["bad_reload"] != "0", life
    assert (steps["bad_reload_active"], steps["bad_reload_kept"]) == ("active", "yesno"), life
    assert steps["bad_reload_same_process"] == "yes"


def test_crashes_are_mended(life: tuple[dict[str, str], list[list[str]]]) -> None:
    steps, _ = life
    for child in ("vrrp", "checkers", "bfd"):
        assert steps[f"{child}_replaced"] == "yes", life
    assert steps["child_vip"] == "yes", life
    assert (steps["restarted"], steps["restarted_vip"]) == ("active", "yes"), life


def test_stop_leaves_nothing_behind(life: tuple[dict[str, str], list[list[str]]]) -> None:
    steps, _ = life
    assert (steps["stop"], steps["stopped"], steps["left_vip"]) == ("0", "inactive", "no"), life
    assert (steps["left_files"], steps["left_processes"]) == ("0", "0"), life


def test_the_unprivileged_unit_holds_the_address_as_a_user_of_its_own(
    life: tuple[dict[str, str], list[list[str]]],
) -> None:
    steps, _ = life
    assert (steps["nonroot_start"], steps["nonroot_vip"], steps["nonroot_reload"]) == ("0", "yes", "0"), life
    assert steps["nonroot_user"] not in ("", "root")
    assert steps["nonroot_left"] == "0no"


def test_the_drop_in_makes_keepaliveds_unit_ours(life: tuple[dict[str, str], list[list[str]]]) -> None:
    steps, _ = life
    assert (steps["alias_start"], steps["alias_ours"], steps["alias_vip"]) == ("0", "yes", "yes"), life
    assert (steps["alias_reload"], steps["alias_left"]) == ("0", "0no"), life


def test_the_journal_has_upstreams_words_and_our_fields(life: tuple[dict[str, str], list[list[str]]]) -> None:
    _, journal = life
    masters = [line for line in journal if line[-1] == "(VI_1) Entering MASTER STATE"]
    assert masters
    identifier, priority, instance, vrid, state, cause, _ = masters[0]
    assert (identifier, priority, instance, vrid, state) == ("Keepalived_vrrp", "6", "VI_1", "51", "MASTER")
    assert cause
    assert any(line[0] == "Keepalived" and line[-1].startswith("Starting VRRP child process") for line in journal)
    assert not any("unset environment variable" in line[-1] for line in journal)
