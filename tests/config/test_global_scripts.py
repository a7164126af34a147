"""Global scripts, FIFOs and the firewall: keywords of global_defs that depend on users and programs of the machine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pykeepalived.config.model.globals import Firewall
from tests.config.support import ENVIRONMENT, codes, global_defs, noted, run

# --- scripts and FIFOs ------------------------------------------------------------------------------------------------


@pytest.mark.keyword("global_defs/startup_script")
@pytest.mark.keyword("global_defs/shutdown_script")
def test_startup_and_shutdown_script() -> None:
    text = "global_defs {\n startup_script \"/opt/good a 'b c'\" nobody\n shutdown_script /opt/good\n}\n"
    result = run(text)
    assert result.exit_status == 6
    assert result.config is not None
    script = result.config.globals.startup_script
    assert script is not None
    assert script.words == ("/opt/good", "a", "b c")
    assert script.account.uid == 65534
    secure = run(text.replace("global_defs {", "global_defs {\n enable_script_security\n script_user root"))
    assert secure.exit_status == 0


@pytest.mark.keyword("global_defs/enable_script_security")
def test_security_without_any_user_drops_scripts() -> None:
    text = "global_defs {\n enable_script_security\n startup_script /opt/good\n}\n"
    result = run(text)
    assert codes(result) == ["script-user-default"]
    assert result.config is not None
    assert result.config.globals.startup_script is None


@pytest.mark.keyword("global_defs/startup_script")
def test_second_startup_script_is_ignored() -> None:
    text = (
        "global_defs {\n enable_script_security\n script_user root\n startup_script /opt/good\n startup_script /x\n}\n"
    )
    assert codes(run(text)) == ["keyword-repeated"]


@pytest.mark.keyword("global_defs/notify_fifo")
@pytest.mark.keyword("global_defs/vrrp_notify_fifo")
@pytest.mark.keyword("global_defs/lvs_notify_fifo")
@pytest.mark.keyword("global_defs/notify_fifo_script")
def test_fifos() -> None:
    found = global_defs(
        "notify_fifo /run/a nobody\nnotify_fifo_script /opt/good\nvrrp_notify_fifo /run/a\nlvs_notify_fifo /run/c"
    )
    assert found.notify_fifo.path == "/run/a"
    assert found.notify_fifo.account.user == "nobody"
    assert found.notify_fifo.script.words == ("/opt/good",)
    assert found.vrrp_notify_fifo is None
    assert found.lvs_notify_fifo.path == "/run/c"


@pytest.mark.keyword("global_defs/vrrp_notify_fifo_script")
@pytest.mark.keyword("global_defs/lvs_notify_fifo_script")
def test_one_fifo_has_one_reader() -> None:
    found = global_defs(
        "vrrp_notify_fifo /run/a\nvrrp_notify_fifo_script /opt/good\n"
        "lvs_notify_fifo /run/a\nlvs_notify_fifo_script /opt/good"
    )
    assert found.vrrp_notify_fifo.script is not None
    assert found.lvs_notify_fifo.script is None


@pytest.mark.keyword("global_defs/notify_fifo")
def test_fifo_faults() -> None:
    assert codes(run("global_defs {\n notify_fifo /a\n notify_fifo /b\n}\n")) == ["keyword-repeated"]
    assert codes(run("global_defs {\n notify_fifo\n}\n")) == ["word-absent"]
    assert run("global_defs {\n notify_fifo /a gone\n}\n").exit_status == 0
    assert global_defs("notify_fifo /a gone").notify_fifo is None


# --- firewall ---------------------------------------------------------------------------------------------------------


def with_iptables(lines: str) -> tuple[Firewall, list[str], int]:
    """Where iptables is installed: the firewall, what is only noted, and the status."""
    result = run(f"global_defs {{\n{lines}\n}}\n", environment=replace(ENVIRONMENT, iptables=lambda: True))
    assert result.config is not None
    return result.config.globals.firewall, noted(result), result.exit_status


DEFAULT_SETS = (
    "keepalived",
    "keepalived6",
    "keepalived_if6",
    "keepalived_igmp",
    "keepalived_mld",
    "keepalived_nd",
)


@pytest.mark.keyword("global_defs/vrrp_iptables")
@pytest.mark.keyword("global_defs/vrrp_ipsets")
@pytest.mark.parametrize(
    ("lines", "chains", "ipsets"),
    [
        ("vrrp_iptables", ("INPUT", "OUTPUT"), DEFAULT_SETS),
        ("vrrp_iptables IN", ("IN",), DEFAULT_SETS),
        ("vrrp_iptables IN OUT", ("IN", "OUT"), DEFAULT_SETS),
        ("vrrp_iptables\nvrrp_ipsets", ("INPUT", "OUTPUT"), ()),
        ("vrrp_ipsets a b\nvrrp_iptables", ("INPUT", "OUTPUT"), ("a", "b", "a_if6", "a_igmp", "a_mld", "a_nd")),
    ],
)
def test_iptables_where_it_is_installed(lines: str, chains: tuple[str, ...], ipsets: tuple[str, ...]) -> None:
    firewall, _, status = with_iptables(lines)
    assert (firewall.iptables_chains, firewall.ipsets, firewall.nftables_table, status) == (chains, ipsets, "", 5)


@pytest.mark.keyword("global_defs/vrrp_iptables")
def test_nftables_wins_over_iptables() -> None:
    for lines in ("vrrp_iptables\nnftables t", "nftables t\nvrrp_iptables"):
        firewall, found, status = with_iptables(lines)
        assert (firewall.nftables_table, firewall.iptables_chains, status) == ("t", (), 5)
        assert "iptables-ignored" in found
