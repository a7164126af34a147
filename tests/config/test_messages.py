"""The lines of a config test: keepalived's words and places, missing interfaces and their sum, trackers, rules."""

from __future__ import annotations

import pytest

from pykeepalived.config.messages import config_test_lines
from tests.config.support import MAIN, instance_text, run

SUM = "Non-existent interface specified in configuration"


def printed(text: str) -> tuple[int, list[str]]:
    """Exit status and lines, without the name of the file."""
    result = run(text)
    return result.exit_status, [line.replace(f"{MAIN}: ", "") for line in config_test_lines(result.findings)]


@pytest.mark.parametrize(
    ("text", "status", "lines"),
    [
        (
            instance_text("", basis=" interface eth9\n virtual_router_id 51\n"),
            5,
            ["(Line 2) WARNING - interface eth9 for vrrp_instance A doesn't exist", SUM],
        ),
        (
            instance_text("", vip=" virtual_ipaddress {\n  10.0.0.1/24 dev eth9\n  10.0.0.2/24\n }\n"),
            5,
            ["(Line 6) WARNING - interface eth9 for ip address 10.0.0.1/24 doesn't exist", SUM],
        ),
        (
            instance_text(" track_interface {\n  eth9\n }"),
            5,
            ["(Line 5) (A) tracked interface eth9 doesn't exist", SUM],
        ),
        (
            instance_text(" virtual_routes {\n  10.1.0.0/16 dev eth9\n }"),
            5,
            ["(Line 5) WARNING - interface eth9 for VROUTE nexthop doesn't exist", SUM],
        ),
        (
            "garp_group {\n interface eth9\n garp_interval 1\n}\n",
            5,
            ["(Line 2) WARNING - interface eth9 specified for garp_group doesn't exist", SUM],
        ),
        (
            "linkbeat_interfaces {\n eth9\n}\n",
            4,
            ["(Line 2) unknown interface eth9 specified for linkbeat interface"],
        ),
        (
            "interface_up_down_delays {\n eth9 1 2\n}\n",
            4,
            ["(Line 2) unknown interface eth9 specified for up/down delay"],
        ),
        (
            "global_defs {\n default_interface eth9\n}\nstatic_ipaddress {\n 10.1.2.3/24\n}\n",
            4,
            ["(Line 5) Static address 10.1.2.3/24 requires either an interface or default interface must exist", SUM],
        ),
        (
            instance_text("", basis=" interface lo\n virtual_router_id 51\n"),
            5,
            ["(Line 2) (A) cannot use a loopback interface (lo) for vrrp - ignoring", "(A) Unknown interface!"],
        ),
        (instance_text("", basis=" virtual_router_id 51\n"), 5, ["(A) Unknown interface!"]),
        (
            instance_text(' use_vmac ""'),
            5,
            ["(Line 4) VMAC interface name '' too long or invalid characters - ignoring"],
        ),
        (
            "global_defs {\n dynamic_interfaces\n}\n"
            + instance_text("", basis=" interface eth9\n virtual_router_id 51\n"),
            0,
            [],
        ),
        ("global_defs {\n notification_email_from\n}\n", 5, ["(Line 2) emailfrom missing - ignoring"]),
        ('global_defs {\n snmp_socket ""\n}\n', 0, []),
    ],
)
def test_lines_of_a_config_test(text: str, status: int, lines: list[str]) -> None:
    assert printed(text) == (status, lines)


def test_a_missing_word_ends_before_the_sum() -> None:
    status, lines = printed(instance_text(" priority", basis=" interface eth9\n virtual_router_id 51\n"))
    assert status == 2
    assert SUM not in lines
    assert "(Line 2) WARNING - interface eth9 for vrrp_instance A doesn't exist" in lines


def test_useless_weights_as_keepalived_words_them() -> None:
    objects = (
        "vrrp_script S {\n script /opt/good\n}\ntrack_file F {\n file /run/f\n}\n"
        "track_file H {\n file /run/h\n weight 9\n}\nbfd_instance D {\n neighbor_ip 10.255.1.9\n}\n"
    )
    tracked = " track_script {\n S weight 5\n }\n track_file {\n F\n H\n }\n track_bfd {\n D weight -3\n }\n"
    secure = "global_defs {\n enable_script_security\n script_user root\n}\n"
    _, lines = printed(secure + objects + instance_text(" priority 255\n" + tracked))
    assert sorted(lines) == [
        "(A) ignoring tracked bfd D with weight -3 due to address_owner",
        "(A) ignoring tracked file H with weight 9 due to address_owner",
        "(A) ignoring tracked script S with weights due to address_owner",
        "(A) ignoring weight from tracked file F due to address_owner. specify weight 0",
    ]


def test_rules_speak_without_a_line() -> None:
    words = " vmac_xmit_base\n timer_expired_backup 3\n owner_ignore_adverts on\n"
    _, lines = printed(instance_text(words))
    assert lines == [
        "(A) expired_timer_backup requires nopreempt - resetting",
        "(A) ignoring owner_ignore_adverts since priority is not 255",
        "(A) vmac_xmit_base is only valid with a vmac",
    ]


def test_includes_without_a_file() -> None:
    assert printed("include none.conf\n") == (0, ["(Line 1) Config files missing 'none.conf'."])
    assert printed("includew none*.conf\n") == (6, ["(Line 1) No config files matched 'none*.conf'."])
