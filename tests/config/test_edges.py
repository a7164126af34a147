"""Values at the edge of what keepalived takes: accepted or refused as by keepalived 2.2.7 and 2.3.4, side by side."""

from __future__ import annotations

import pytest

from pykeepalived.config.findings import EXIT_ERRORS, EXIT_OK, EXIT_STOPPED
from tests.config.support import FILES, codes, config, instance, instance_text, noted, run


def status(text: str) -> int:
    return run(text).exit_status


def globally(lines: str) -> str:
    return f"global_defs {{\n{lines}\n}}\n"


# --- global_defs ------------------------------------------------------------------------------------------------------


@pytest.mark.keyword("global_defs/smtp_server")
@pytest.mark.parametrize("server", ["10.0.0.1/24", "10.0.0.1-5", "fe80::1/64"])
def test_a_mail_server_is_no_range(server: str) -> None:
    assert codes(run(globally(f"smtp_server {server}"))) == ["smtp-server-invalid"]


@pytest.mark.parametrize("keyword", ["nftables", "nftables_ipvs"])
@pytest.mark.keyword("global_defs/nftables")
@pytest.mark.keyword("global_defs/nftables_ipvs")
def test_a_table_has_a_name(keyword: str) -> None:
    what = "nftables ipvs" if keyword == "nftables_ipvs" else "nftables"
    (finding,) = run(globally(f'{keyword} ""')).findings
    assert finding.message == f"VRRP Error : {what} chain name empty - ignored"
    assert codes(run(globally(f'{keyword} ""\n{keyword} t'))) == ["word-absent"]


@pytest.mark.keyword("global_defs/config_save_dir")
def test_a_directory_has_a_name() -> None:
    assert status(globally('config_save_dir ""')) == EXIT_ERRORS
    assert config(globally('config_save_dir ""')).globals.config_save_dir == ""


@pytest.mark.keyword("global_defs/include_check")
def test_include_check_counts_in_global_defs_only() -> None:
    missing = "include missing.conf\n"
    assert status(globally("include_check match") + missing) == 6
    assert status(globally("notification_email {\na@b.c\n}\ninclude_check match") + missing) == 6
    assert status("include_check match\n" + missing) == EXIT_ERRORS
    assert status(globally("lvs_flush") + "include_check match\n" + missing) == EXIT_ERRORS
    assert status(instance_text("include_check match") + missing) == EXIT_ERRORS


@pytest.mark.keyword("global_defs/vrrp_garp_extra_if")
@pytest.mark.keyword("vrrp_instance/garp_extra_if")
def test_every_word_of_extra_interfaces_is_read() -> None:
    vip = " virtual_ipaddress {\n 10.0.0.1/24 dev eth1\n }\n"
    assert instance("garp_extra_if 10 20", vip=vip).garp.extra_if_s == 20
    late = instance("garp_extra_if 10 all", vip=vip).garp
    assert (late.extra_if_s, late.extra_if_all) == (10, True)
    assert codes(run(instance_text("garp_extra_if all 10 x", vip=vip))) == ["number-invalid"]
    assert codes(run(globally("vrrp_garp_extra_if 10 x"))) == ["number-invalid"]
    assert codes(run(globally("vrrp_garp_extra_if all"))) == ["word-absent"]


# --- instances --------------------------------------------------------------------------------------------------------


@pytest.mark.keyword("vrrp_instance/unicast_fault_no_peer")
def test_unicast_fault_no_peer_alone_is_a_fault() -> None:
    assert instance("unicast_fault_no_peer").config_fault == "no unicast peers"
    result = run(instance_text("unicast_fault_no_peer"))
    assert (result.exit_status, noted(result)) == (EXIT_OK, ["unicast-no-peers"])
    assert result.findings[0].message == "(A) Cannot use unicast without any peers - going to fault state"
    assert instance("unicast_fault_no_peer\nunicast_peer {\n10.255.1.2\n}").config_fault == ""


@pytest.mark.keyword("vrrp_instance/vmac_xmit_base")
@pytest.mark.keyword("vrrp_instance/use_ipvlan")
def test_unicast_over_a_link_of_its_own_sets_vmac_xmit_base() -> None:
    peer = "\nunicast_peer {\n10.255.1.2\n}"
    assert codes(run(instance_text("use_ipvlan iv 10.255.1.8" + peer))) == ["vmac-unicast", "xmit-base"]
    assert codes(run(instance_text("use_vmac\nunicast_fault_no_peer"))) == ["vmac-unicast"]


@pytest.mark.parametrize("source", ["", "mcast_src_ip 10.255.1.1\n"])
@pytest.mark.keyword("vrrp_instance/use_ipvlan")
def test_an_ipvlan_needs_its_own_address(source: str) -> None:
    assert instance(source + "use_ipvlan").config_fault == "ipvlan without address"
    assert codes(run(instance_text(source + "use_ipvlan"))) == ["ipvlan-address"]
    assert instance(source + "use_ipvlan 10.255.1.8").config_fault == ""


@pytest.mark.parametrize("line", ["use_vmac name", "use_vmac v group", "use_ipvlan i name", "use_ipvlan group"])
@pytest.mark.keyword("vrrp_instance/use_vmac")
@pytest.mark.keyword("vrrp_instance/use_ipvlan")
def test_words_of_a_link_need_their_values(line: str) -> None:
    result = run(instance_text(line))
    assert result.exit_status == EXIT_STOPPED
    words = line.split()
    text = f"starting `{words[0]}` is missing a parameter after keyword `{words[-1]}` at word position {len(words) + 1}"
    assert result.findings[0].upstream.endswith(text)


@pytest.mark.keyword("vrrp_instance/notify")
def test_a_lone_quote_takes_the_script_away() -> None:
    result = run(instance_text('notify "/opt/good'))
    assert (result.exit_status, codes(result)) == (EXIT_ERRORS, ["quote-unmatched"])
    assert status(instance_text("notify")) == EXIT_STOPPED
    assert status(instance_text('priority "5')) == EXIT_STOPPED


# --- tracked objects --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code", "value"),
    [
        ("5 6", None, 6),
        ('" 5"', None, 5),
        ("+3", "word-unknown", 0),
        ('""', "word-unknown", 0),
        ("5x", "number-invalid", 0),
        ("-", "number-invalid", 0),
        ("255", "number-range", 255),
    ],
)
@pytest.mark.keyword("track_file/init_file")
def test_values_of_a_new_file(words: str, code: str | None, value: int) -> None:
    text = f"track_file F {{\n file /run/f\n init_file {words}\n}}\n"
    assert codes(run(text)) == ([code] if code else [])
    assert config(text).track_files[0].init_value == value


@pytest.mark.keyword("vrrp_script/script")
def test_an_empty_script_is_none() -> None:
    assert "/opt/good" in FILES
    text = 'vrrp_script S {\n script ""\n}\n' + instance_text("track_script {\n S\n}")
    result = run(text)
    assert (result.exit_status, codes(result)) == (EXIT_ERRORS, ["script-absent", "tracker-unknown"])
    assert result.findings[0].message == "No script set for vrrp_script S - removing"
