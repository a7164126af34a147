"""virtual_server_group: its entries, their faults, and how virtual servers are linked to groups."""

from __future__ import annotations

import pytest

from pykeepalived.config.findings import EXIT_ERRORS, EXIT_OK, EXIT_STOPPED
from tests.config_lvs.loading import GOOD, REAL, errors, notes, read, the_virtual


@pytest.mark.keyword("virtual_server_group")
@pytest.mark.keyword("virtual_server_group:ADDRESS")
@pytest.mark.keyword("virtual_server_group:fwmark")
def test_group_entries() -> None:
    text = """virtual_server_group g {
        10.0.0.1 80
        10.0.0.5-9 81
        10.0.0.5-10.0.1.7 82
        10.0.2.0/30 83
        10.0.0.1 000
        fwmark 7
        fwmark 8 inet
    }"""
    result = read(text)
    assert errors(result) == []
    assert result.config is not None
    (group,) = result.config.virtual_server_groups
    shown = [
        (str(e.first), str(e.last), e.port) if e.first is not None else (e.fwmark, e.family) for e in group.entries
    ]
    assert shown == [
        ("10.0.0.1", "10.0.0.1", 80),
        ("10.0.0.5", "10.0.0.9", 81),
        ("10.0.0.5", "10.0.1.7", 82),
        ("10.0.2.0", "10.0.2.3", 83),
        ("10.0.0.1", "10.0.0.1", 0),
        (7, 0),
        (8, 4),
    ]


def test_ipv6_ranges_count_in_hex() -> None:
    result = read("virtual_server_group g {\n2001:db8::1-1f 80\n2001:db8::/126\n}")
    assert result.config is not None
    ends = [str(entry.last) for entry in result.config.virtual_server_groups[0].entries]
    assert ends == ["2001:db8::1f", "2001:db8::3"]


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ("10.0.0.1-0 80", "Address range end is not greater than address range start - 10.0.0.1-0 - skipping"),
        ("10.0.0.1-1 80", "Address range end is not greater than address range start - 10.0.0.1-1 - skipping"),
        ("10.0.0.1-x 80", "Virtual server group range '10.0.0.1-x' has extra characters at end 'x'"),
        ("10.0.0.1-300 80", "Virtual server group range '10.0.0.1-300' end '300' too large"),
        ("10.0.0.5-10.0.0.4 80", "Address range end is less than address range start - 10.0.0.5-10.0.0.4 - skipping"),
        ("10.0.0.5-fe80::1", "Range address families do not match 10.0.0.5-fe80::1 - skipping"),
        ("10.0.0.5/24 80", "Address mask bits not empty - 10.0.0.5/24 - skipping"),
        ("10.0.0.0/33 80", "Invalid netmask - 10.0.0.0/33 - skipping"),
        ("10.0.0.0/0 80", "Invalid netmask - 10.0.0.0/0 - skipping"),
        ("10.0.0.1 70000", "Invalid virtual server group IP address 10.0.0.1 /port/70000 - skipping"),
        ("10.0.0", "Invalid virtual server group IP address 10.0.0 - skipping"),
        ("fe80::1-g 80", "Virtual server group range 'fe80::1-g' has extra characters at end 'g'"),
        ("fwmark 1 inet7", "(g): fwmark '1' family inet7 unknown - ignoring"),
    ],
)
def test_bad_group_entry_is_skipped(entry: str, text: str) -> None:
    result = read(f"virtual_server_group g {{\n{entry}\n10.9.9.9 80\n}}")
    assert [one.message for one in result.findings] == [text]
    assert result.exit_status == EXIT_ERRORS
    assert result.config is not None
    assert len(result.config.virtual_server_groups[0].entries) == 1


def test_group_without_entries_or_with_too_many_families() -> None:
    assert errors(read("virtual_server_group g {\n}")) == ["group-empty"]
    assert errors(read("virtual_server_group g {\n10.0.0.1\n2001:db8::1\nfwmark 5\n}")) == ["group-families"]
    assert errors(read("virtual_server_group g {\n10.0.0.1\n2001:db8::1\nfwmark 5 inet\n}")) == []
    assert read("virtual_server_group {\n10.0.0.1\n}").exit_status == EXIT_STOPPED


def test_group_is_linked_and_numbered() -> None:
    one = f"virtual_server group g {{\n{GOOD}{REAL}}}\n"
    result = read(one + one + "virtual_server_group g {\n10.0.0.1 80\n}\n")
    assert errors(result) == []
    assert result.config is not None
    assert [(v.group, v.group_index, v.family) for v in result.config.virtual_servers] == [("g", 0, 4), ("g", 1, 4)]


def test_unknown_or_unfit_group_drops_the_server_with_a_log_line() -> None:
    unknown = read(f"virtual_server group h {{\n{GOOD}{REAL}}}\n")
    assert (errors(unknown), notes(unknown), unknown.exit_status) == ([], ["group-unknown"], EXIT_OK)
    unfit = read(f"virtual_server group g {{\n{GOOD}{REAL}}}\nvirtual_server_group g {{\n2001:db8::1 80\n}}\n")
    assert (errors(unfit), notes(unfit)) == ([], ["group-family"])
    both = read(
        f"virtual_server group g {{\n{GOOD}{REAL}}}\nvirtual_server_group g {{\n2001:db8::1 80\n10.0.0.1 80\n}}\n"
    )
    assert notes(both) == ["group-family"]


def test_group_of_marks_defaults_to_ipv4() -> None:
    servers = "real_server 10.0.1.10 {\n}\n"
    text = f"virtual_server group g {{\nlvs_sched rr\nlvs_method TUN\n{servers}}}\n"
    result = read(text + "virtual_server_group g {\nfwmark 5\n}\n")
    assert (errors(result), notes(result)) == ([], ["group-family-default"])
    assert the_virtual(result).family == 4


def test_group_ports_are_only_reported() -> None:
    servers = "real_server 10.0.1.10 80 {\n}\nreal_server 10.0.1.11 {\n}\n"
    text = (
        f"virtual_server group g {{\nlvs_sched rr\nprotocol UDP\nlvs_method DR\nsorry_server 10.0.1.2 90\n{servers}}}\n"
    )
    result = read(text + "virtual_server_group g {\n10.0.0.2 53\nfwmark 5\n}\n")
    assert errors(result) == ["port-fwmark", "port-group", "port-fwmark"]
    assert [one.port for one in the_virtual(result).real_servers] == [80, 0]


def test_group_entry_without_port_is_persistent() -> None:
    result = read(f"virtual_server group g {{\n{GOOD}{REAL}}}\nvirtual_server_group g {{\n10.0.0.2\n}}\n")
    assert errors(result) == ["persistence-port"]
