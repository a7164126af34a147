"""Scripts, files, processes, groups, static entries, interface lists, and the track_* blocks."""

from __future__ import annotations

from typing import Any

import pytest

from pykeepalived.config.model.vrrp import GarpGroup, InterfaceDelays, Linkbeat, TrackFile, TrackGroup, TrackProcess
from tests.config.support import codes, config, counted, instance_text, noted, run
from tests.config.test_globals import value_at

SECURE = "global_defs {\n enable_script_security\n script_user root\n}\n"
TRACKED = instance_text(" track_script {\n S\n }")


def script(lines: str) -> str:
    return SECURE + f"vrrp_script S {{\n{lines}\n}}\n" + TRACKED


@pytest.mark.parametrize(
    ("lines", "path", "expected", "status"),
    [
        pytest.param(*row, id=row[0], marks=pytest.mark.keyword(f"vrrp_script/{row[0].split()[0]}"))
        for row in (
            ("interval 2.5", "interval_us", 2_500_000, 0),
            ("interval 0", "interval_us", 1_000_000, 5),
            ("interval 0.0005", "interval_us", 1_000, 5),
            ("interval 4295", "interval_us", 1_000_000, 5),
            ("timeout 0.5", "timeout_us", 500_000, 0),
            ("timeout x", "timeout_us", 0, 5),
            ("weight -20", "weight", -20, 0),
            ("weight 5 reverse", "reverse", True, 0),
            ("weight 300", "weight", 300, 5),
            ("weight 5 foo", "weight", 5, 5),
            ("rise 3", "rise", 3, 0),
            ("rise 0", "rise", 1, 5),
            ("fall 2147483647", "fall", 2147483647, 0),
            ("fall x", "fall", 1, 5),
            ("user nobody", "script.account.uid", 65534, 0),
            ("user nobody daemon", "script.account.gid", 1, 0),
            ("init_fail", "init_fail", True, 0),
        )
    ],
)
def test_script_keywords(lines: str, path: str, expected: Any, status: int) -> None:
    text = script("script /opt/good\n" + lines)
    result = run(text)
    assert result.exit_status == status, result.findings
    assert value_at(config(text).vrrp_scripts[0], path) == expected


@pytest.mark.keyword("vrrp_script")
@pytest.mark.keyword("vrrp_script/script")
def test_scripts_that_are_removed_take_their_trackers_along() -> None:
    for lines, code in (
        ("", "script-absent"),
        ("script /opt/good\nuser gone", "user-unknown"),
        ("script /none", "script-disabled"),
        ("script /opt/open/bad", "script-disabled"),
        ('script "a \\"', "script-disabled"),
    ):
        result = run(script(lines))
        assert result.exit_status == 5
        assert result.config is not None
        assert result.config.vrrp_scripts == ()
        assert result.config.vrrp_instances[0].track.scripts == ()
        assert code in codes(result) or lines.endswith('\\"')


@pytest.mark.keyword("vrrp_script/script")
def test_script_forms() -> None:
    assert config(script("script /x\nscript /opt/good")).vrrp_scripts[0].script.words == ("/opt/good",)
    tested = config(script('script "</run/file"')).vrrp_scripts[0].script
    assert tested.file_test
    assert config(script('script \'"/opt/good" "a b"\'')).vrrp_scripts[0].script.words == ("/opt/good", "a b")
    plain = run(script("script /opt/plain"))
    assert plain.exit_status == 0
    assert plain.config is not None
    assert plain.config.vrrp_instances[0].track.scripts == ()
    assert run("vrrp_script\n").exit_status == 2


@pytest.mark.keyword("vrrp_script")
def test_scripts_without_instances_are_not_looked_at() -> None:
    assert run("vrrp_script S {\n script /none\n}\n").exit_status == 0


@pytest.mark.keyword("global_defs/enable_script_security")
def test_security_class() -> None:
    text = script("script /opt/good").replace(SECURE, "")
    result = run(text)
    assert result.exit_status == 6
    assert counted(result)[-1].message == (
        "SECURITY VIOLATION - scripts are being executed but script_security not enabled."
    )
    insecure = run(script("script /opt/open/bad").replace(SECURE, ""))
    assert counted(insecure)[-1].message.endswith(" There are insecure scripts.")
    assert insecure.config is not None
    assert insecure.config.vrrp_scripts[0].script.insecure


@pytest.mark.keyword("vrrp_script")
def test_unused_scripts_are_removed_with_a_note() -> None:
    text = SECURE + "vrrp_script S {\n script /opt/good\n}\n" + instance_text("")
    result = run(text)
    assert noted(result) == ["script-unused"]
    assert result.config is not None
    assert result.config.vrrp_scripts == ()


# --- track_file -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keyword", ["track_file", "vrrp_track_file"])
@pytest.mark.keyword("track_file")
@pytest.mark.keyword("track_file/file")
@pytest.mark.keyword("track_file/weight")
@pytest.mark.keyword("track_file/init_file")
@pytest.mark.keyword("vrrp_track_file")
@pytest.mark.keyword("vrrp_track_file/file")
@pytest.mark.keyword("vrrp_track_file/weight")
@pytest.mark.keyword("vrrp_track_file/init_file")
def test_track_file(keyword: str) -> None:
    text = f"{keyword} F {{\n file /run/f\n weight -254 reverse\n init_file 7 overwrite\n}}\n"
    result = run(text)
    assert result.exit_status == 0
    assert config(text).track_files == (
        TrackFile(name="F", path="/run/f", weight=-254, reverse=True, init_value=7, overwrite=True),
    )


@pytest.mark.parametrize(
    ("lines", "found", "path"),
    [
        ("", ["track-file-absent"], None),
        ("file /none/f", ["track-file-unusable"], None),
        ("file f", [], "/etc/keepalived/f"),
        ("file /f", [], "/f"),
        ("file /run/f\nfile /run/g", ["keyword-repeated"], "/run/f"),
        ("file\nfile /run/g", ["word-absent"], "/run/g"),
        ("file /run/f\nweight 255", ["number-range"], "/run/f"),
        ("file /run/f\nweight 2\nweight 3", ["keyword-repeated"], "/run/f"),
        ("file /run/f\ninit_file 300", ["number-range"], "/run/f"),
        ("file /run/f\ninit_file foo", ["word-unknown"], "/run/f"),
        ("file /opt/open\ninit_file overwrite", ["track-file-unusable"], None),
    ],
)
@pytest.mark.keyword("track_file")
def test_track_file_faults(lines: str, found: list[str], path: str | None) -> None:
    text = f"track_file F {{\n{lines}\n}}\n"
    assert codes(run(text)) == found
    assert [file.path for file in config(text).track_files] == ([path] if path else [])


# --- processes --------------------------------------------------------------------------------------------------------


@pytest.mark.keyword("vrrp_track_process")
@pytest.mark.keyword("vrrp_track_process/process")
@pytest.mark.keyword("vrrp_track_process/param_match")
@pytest.mark.keyword("vrrp_track_process/weight")
@pytest.mark.keyword("vrrp_track_process/quorum")
@pytest.mark.keyword("vrrp_track_process/quorum_max")
@pytest.mark.keyword("vrrp_track_process/fork_delay")
@pytest.mark.keyword("vrrp_track_process/terminate_delay")
@pytest.mark.parametrize(
    ("lines", "full"),
    [
        ("process sleep", False),
        ("process sleep\n full_command", True),
        ("process sleep 7", True),
        ("process sleep\n param_match", True),
        ("process sleep\n param_match initial", True),
    ],
)
@pytest.mark.keyword("vrrp_track_process/full_command")
def test_parameters_need_the_full_command(lines: str, full: bool) -> None:
    (process,) = config(f"vrrp_track_process P {{\n {lines}\n}}\n" + instance_text("")).track_processes
    assert process.full_command is full


@pytest.mark.keyword("vrrp_track_process/full_command")
def test_track_process() -> None:
    text = (
        'vrrp_track_process P {\n process nginx "a b" c\n param_match initial\n weight 10 reverse\n quorum 2\n'
        " quorum_max 5\n fork_delay 0.5\n terminate_delay 2\n full_command\n}\n"
    )
    assert run(text).exit_status == 0
    assert config(text).track_processes == (
        TrackProcess(
            name="P",
            process="nginx",
            parameters=("a b", "c"),
            param_match="initial",
            weight=10,
            reverse=True,
            quorum=2,
            quorum_max=5,
            fork_delay_us=500_000,
            terminate_delay_us=2_000_000,
            full_command=True,
        ),
    )


@pytest.mark.parametrize(
    ("lines", "path", "expected", "status"),
    [
        pytest.param(*row, id=row[0], marks=pytest.mark.keyword(f"vrrp_track_process/{row[0].split()[0]}"))
        for row in (
            ("delay 3", "fork_delay_us", 3_000_000, 0),
            ("delay 3", "terminate_delay_us", 3_000_000, 0),
            ("delay 3601", "fork_delay_us", 0, 5),
            ("quorum 0", "quorum", 1, 5),
            ("quorum_max 0", "quorum", 0, 0),
            ("quorum_max 3\nquorum 5", "quorum", 1, 5),
            ("quorum 5\nquorum_max 3", "quorum_max", None, 5),
            ("weight", "weight", 0, 5),
            ("weight 255", "weight", 0, 5),
            ("weight 3\nweight 4", "weight", 3, 5),
            ("param_match", "param_match", "exact", 0),
            ("param_match foo", "param_match", "", 5),
            ("process b", "process", "nginx", 5),
        )
    ],
)
def test_track_process_keywords(lines: str, path: str, expected: Any, status: int) -> None:
    text = f"vrrp_track_process P {{\n process nginx\n {lines}\n}}\n"
    assert run(text).exit_status == status
    assert value_at(config(text).track_processes[0], path) == expected


@pytest.mark.keyword("vrrp_track_process")
def test_track_process_removed() -> None:
    import dataclasses

    from tests.config.support import ENVIRONMENT

    assert codes(run("vrrp_track_process P {\n}\n")) == ["process-absent"]
    environment = dataclasses.replace(ENVIRONMENT, process_events=False)
    assert codes(run("vrrp_track_process P {\n process a\n}\n", environment=environment)) == ["process-events"]


# --- groups -----------------------------------------------------------------------------------------------------------


@pytest.mark.keyword("track_group")
@pytest.mark.keyword("track_group/group")
def test_track_group() -> None:
    text = "track_group T {\n group {\n A\n X\n }\n}\n" + instance_text("")
    result = run(text)
    assert result.exit_status == 0
    assert noted(result) == ["member-unknown"]
    assert config(text).track_groups == (TrackGroup(name="T", members=("A",)),)
    assert codes(run("track_group T {\n}\n")) == ["group-empty"]
    assert codes(run(text + "track_group T {\n group { A }\n}\n")) == ["name-repeated"]
    assert codes(run(text.replace(" }\n}\nvrrp", " }\n group { A }\n}\nvrrp"))) == ["keyword-repeated"]


@pytest.mark.keyword("garp_group")
@pytest.mark.keyword("garp_group/garp_interval")
@pytest.mark.keyword("garp_group/gna_interval")
@pytest.mark.keyword("garp_group/interface")
@pytest.mark.keyword("garp_group/interfaces")
def test_garp_group() -> None:
    text = "garp_group {\n garp_interval 1.5\n gna_interval 0\n interface eth0\n interfaces {\n eth1 eth0\n }\n}\n"
    assert codes(run(text)) == ["interface-repeated"]
    assert config(text).garp_groups == (GarpGroup(interfaces=("eth0", "eth1"), garp_interval_us=1_500_000),)
    assert codes(run("garp_group {\n interface eth0\n}\n")) == ["garp-group-empty"]
    assert codes(run("garp_group {\n garp_interval 1\n interface mac0\n}\n")) == ["interface-kind"]
    assert codes(run("garp_group {\n garp_interval 1\n interfaces {\n }\n}\n")) == ["block-empty"]
    unknown = run("garp_group {\n garp_interval 1\n interface eth9\n}\n")
    assert codes(unknown) == ["interface-unknown"]
    assert unknown.refused
    assert run("garp_group {\n interface\n}\n").exit_status == 2


GROUP = "vrrp_sync_group G {\n group {\n A\n B\n }\n%s\n}\n"
TWO = instance_text("") + instance_text("", name="B").replace("_id 51", "_id 52")


@pytest.mark.keyword("vrrp_sync_group")
@pytest.mark.keyword("vrrp_sync_group/group")
def test_sync_group_members() -> None:
    assert config(GROUP % "" + TWO).vrrp_sync_groups[0].members == ("A", "B")
    assert run(GROUP % "" + TWO).exit_status == 0
    unknown = run(GROUP.replace(" B\n", " B C\n") % "" + TWO)
    assert counted(unknown)[0].message == "Virtual router C specified in sync group G doesn't exist - ignoring"
    single = run(GROUP.replace(" B\n", "") % "" + TWO)
    assert counted(single)[0].message == (
        "Sync group G has only 1 virtual router(s) - this probably isn't what you want"
    )
    assert codes(run("vrrp_sync_group G {\n}\n")) == ["group-empty"]
    assert codes(run("vrrp_sync_group G {\n group {\n }\n}\n" + TWO)) == ["block-empty", "group-empty"]
    assert codes(run(GROUP % "" + GROUP % "" + TWO)) == ["name-repeated"]
    second = GROUP.replace(" G ", " H ") % ""
    assert codes(run(GROUP % "" + second + TWO)) == ["member-taken", "member-taken", "group-empty"]


@pytest.mark.keyword("vrrp_sync_group/group")
def test_a_member_named_twice_counts_once() -> None:
    result = run("vrrp_sync_group G {\n group {\n A B\n A\n }\n}\n" + TWO)
    (finding,) = counted(result)
    assert finding.upstream == "Virtual router A cannot exist in more than one sync group; ignoring G"
    assert (finding.at and (finding.at.line, finding.at.column), result.exit_status) == ((4, 2), 5)
    assert result.config is not None
    assert result.config.vrrp_sync_groups[0].members == ("A", "B")
    assert run("track_group G {\n group {\n A\n A\n }\n}\n" + TWO).exit_status == 0


@pytest.mark.keyword("vrrp_sync_group")
def test_owner_before_backup_in_a_group() -> None:
    text = TWO.replace("A {\n", "A {\n state MASTER\n priority 255\n").replace("B {\n", "B {\n state BACKUP\n")
    assert codes(run(GROUP % "" + text)) == ["group-states"]


@pytest.mark.parametrize(
    ("lines", "path", "expected", "status"),
    [
        pytest.param(*row, id=row[0], marks=pytest.mark.keyword(f"vrrp_sync_group/{row[0].split()[0]}"))
        for row in (
            ("smtp_alert", "smtp_alert", True, 0),
            ("smtp_alert x", "smtp_alert", False, 5),
            ("global_tracking", "tracking_weight", True, 5),
            ("sync_group_tracking_weight", "tracking_weight", True, 0),
            ("notify_priority_changes off", "notify_priority_changes", False, 0),
            ("notify_priority_changes x", "notify_priority_changes", None, 5),
            ("notify_backup /opt/good", "notify.backup.words", ("/opt/good",), 6),
            ("notify_master /opt/good", "notify.master.words", ("/opt/good",), 6),
            ("notify_fault /opt/good", "notify.fault.words", ("/opt/good",), 6),
            ("notify_stop /opt/good", "notify.stop.words", ("/opt/good",), 6),
            ("notify /opt/good", "notify.generic.words", ("/opt/good",), 6),
        )
    ],
)
def test_sync_group_keywords(lines: str, path: str, expected: Any, status: int) -> None:
    text = GROUP % lines + TWO
    assert run(text).exit_status == status
    assert value_at(config(text).vrrp_sync_groups[0], path) == expected


@pytest.mark.keyword("vrrp_instance/notify_deleted")
def test_notify_deleted_is_unknown_in_a_group() -> None:
    assert codes(run(GROUP % "notify_deleted /opt/good" + TWO)) == ["keyword-unknown"]


@pytest.mark.keyword("vrrp_instance/notify_priority_changes")
def test_members_inherit_priority_notifications_from_the_group() -> None:
    loaded = config(GROUP % "notify_priority_changes" + TWO)
    assert [instance.notify_priority_changes for instance in loaded.vrrp_instances] == [True, True]


# --- track_* blocks ---------------------------------------------------------------------------------------------------

OBJECTS = (
    SECURE + "vrrp_script S {\n script /opt/good\n weight 4 reverse\n}\n"
    "track_file F {\n file /run/f\n}\nvrrp_track_process P {\n process a\n weight 6\n}\n"
    "bfd_instance N {\n neighbor_ip 10.0.0.2\n weight 7\n}\n"
)


@pytest.mark.parametrize(
    ("block", "entry", "path", "weight", "reverse"),
    [
        pytest.param(*row, id=row[0] + row[1], marks=pytest.mark.keyword(f"{owner}/{row[0]}"))
        for owner in ("vrrp_instance", "vrrp_sync_group")
        for row in (
            ("track_interface", "eth1", "interfaces", 0, False),
            ("track_interface", "eth1 weight -9 reverse", "interfaces", -9, True),
            ("track_script", "S", "scripts", 4, True),
            ("track_script", "S weight 5", "scripts", 5, True),
            ("track_script", "S weight 5 noreverse", "scripts", 5, False),
            ("track_file", "F", "files", 1, False),
            ("track_file", "F weight 254 reverse", "files", 254, True),
            ("track_process", "P", "processes", 6, False),
            ("track_bfd", "N", "bfds", 7, False),
            ("track_bfd", "N weight 9 reverse", "bfds", 9, True),
        )
    ],
)
def test_trackers(block: str, entry: str, path: str, weight: int, reverse: bool) -> None:
    lines = f" {block} {{\n {entry}\n }}"
    for text, owner in (
        (OBJECTS + instance_text(lines), "vrrp_instances"),
        (OBJECTS + GROUP % lines + TWO, "vrrp_sync_groups"),
    ):
        assert run(text).exit_status == 0, counted(run(text))
        tracker = value_at(getattr(config(text), owner)[0].track, path)[0]
        assert (tracker.name, tracker.weight, tracker.reverse) == (entry.split()[0], weight, reverse)


# --- static entries, interface lists ----------------------------------------------------------------------------------


@pytest.mark.keyword("static_ipaddress")
def test_static_addresses_default_to_eth0() -> None:
    loaded = config("static_ipaddress {\n 10.5.0.1/24\n 10.5.0.2 dev eth1\n}\n")
    assert [(str(a.address), a.interface) for a in loaded.static_addresses] == [
        ("10.5.0.1", "eth0"),
        ("10.5.0.2", "eth1"),
    ]
    assert loaded.wants_vrrp
    other = config("global_defs {\n default_interface eth1\n}\nstatic_ipaddress {\n 10.5.0.1/24\n}\n")
    assert other.static_addresses[0].interface == "eth1"


@pytest.mark.keyword("vrrp_script")
@pytest.mark.keyword("vrrp_sync_group")
@pytest.mark.parametrize(
    "text", ["vrrp_script s {\n script /bin/true\n}\n", "vrrp_sync_group G {\n group {\n  A\n }\n}\n"]
)
def test_scripts_and_groups_alone_start_nothing(text: str) -> None:
    assert not config(text).wants_vrrp


@pytest.mark.keyword("static_ipaddress")
def test_static_address_without_any_interface_is_status_4() -> None:
    result = run("global_defs {\n default_interface gone\n}\nstatic_ipaddress {\n 10.5.0.1/24\n}\n")
    assert result.exit_status == 4


@pytest.mark.keyword("static_routes")
@pytest.mark.keyword("static_rules")
def test_static_routes_and_rules() -> None:
    text = (
        "static_routes {\n 10.9.0.0/16 via 10.0.0.1 dev eth0\n}\n"
        "static_rules {\n from 10.9.0.0/16 table 5 priority 9\n}\n"
    )
    assert run(text).exit_status == 0
    assert (len(config(text).static_routes), len(config(text).static_rules)) == (1, 1)


@pytest.mark.keyword("linkbeat_interfaces")
def test_linkbeat_interfaces() -> None:
    text = "linkbeat_interfaces {\n eth0 MII\n eth1\n}\n"
    assert run(text).exit_status == 0
    assert config(text).linkbeat_interfaces == (Linkbeat(interface="eth0", method="MII"), Linkbeat(interface="eth1"))
    assert run("linkbeat_interfaces {\n eth9\n}\n").exit_status == 4
    assert run("linkbeat_interfaces {\n eth0 FOO\n}\n").exit_status == 5
    assert noted(run("linkbeat_interfaces {\n mac0\n}\n")) == ["interface-kind"]


@pytest.mark.keyword("interface_up_down_delays")
def test_interface_delays() -> None:
    text = "interface_up_down_delays {\n eth0 1.5 2\n eth1 3\n}\n"
    assert run(text).exit_status == 0
    assert config(text).interface_delays == (
        InterfaceDelays(interface="eth0", down_us=1_500_000, up_us=2_000_000),
        InterfaceDelays(interface="eth1", down_us=3_000_000),
    )
    assert run("interface_up_down_delays {\n eth9 1\n}\n").exit_status == 4
    assert run("interface_up_down_delays {\n eth0 256\n}\n").exit_status == 5
    assert run("interface_up_down_delays {\n eth0\n}\n").exit_status == 0


@pytest.mark.parametrize(
    ("block", "line"),
    [
        ("static_ipaddress", "10.0.0.9/24 dev eth0"),
        ("static_routes", "10.9.0.0/24 dev eth0"),
        ("static_rules", "iif eth0 table 100 preference 100"),
    ],
)
def test_an_entry_that_is_not_tracked_needs_no_group(block: str, line: str) -> None:
    text = "track_group T {\n group {\n A\n }\n}\n" + instance_text("")
    text += f"{block} {{\n {line} %s\n}}\n"
    assert "track-group-untracked" in noted(run(text % "track_group T no_track"))
    assert "track-group-untracked" not in noted(run(text % "track_group T"))
    assert run(text % "track_group T no_track").exit_status == 0
