"""Nodes compared: every difference that matters is named once, and a sound pair is clean."""

from __future__ import annotations

import pytest

from pykeepalived.config.elsewhere import elsewhere
from pykeepalived.config.findings import FindingClass
from pykeepalived.config.model import Config
from pykeepalived.config.rules.cluster import compare, find_routers, healthy_priority
from tests.config_lvs.loading import MACHINE, read

VIPS = "virtual_ipaddress {\n10.0.0.50/24\n}\n"
GROUP = "vrrp_sync_group g {\ngroup {\nv\nw\n}\n}\n"


def instance(words: str = "", *, name: str = "v", vrid: int = 5, priority: int = 100, vips: str = VIPS) -> str:
    return (
        f"vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {vrid}\npriority {priority}\n{words}\n{vips}}}\n"
    )


def config(text: str) -> Config:
    found = read(text).config
    assert found is not None
    assert found.vrrp_instances
    return found


def codes(one: str, two: str) -> list[str]:
    findings = compare({"a": config(one), "b": config(two)})
    assert all(found.kind == FindingClass.NONE and found.at is not None for found in findings)
    return [found.code for found in findings]


def pair(one: str = "", two: str = "", *, before: str = "") -> list[str]:
    """Two sound nodes, each with some words of its own."""
    return codes(before + instance(one, priority=150), before + instance(two))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("", ""),
        ("version 3\nadvert_int .5", "version 3\nadvert_int .5"),
        (
            "unicast_src_ip 10.0.0.2\nunicast_peer {\n10.0.0.3\n}\n",
            "unicast_src_ip 10.0.0.3\nunicast_peer {\n10.0.0.2\n}\n",
        ),
        ("authentication {\nauth_type PASS\nauth_pass x\n}\n", "authentication {\nauth_type PASS\nauth_pass x\n}\n"),
        ("track_interface {\neth1 weight -60\n}\n", "track_interface {\neth1 weight -60\n}\n"),
        ("nopreempt", "nopreempt"),
    ],
)
def test_sound_pairs(one: str, two: str) -> None:
    assert pair(one, two) == []


@pytest.mark.parametrize(
    ("one", "two", "code"),
    [
        ("version 2", "version 3", "cluster-version"),
        ("advert_int 1", "advert_int 2", "cluster-interval"),
        ("authentication {\nauth_type PASS\nauth_pass x\n}\n", "", "cluster-auth"),
        (
            "authentication {\nauth_type PASS\nauth_pass x\n}\n",
            "authentication {\nauth_type PASS\nauth_pass y\n}\n",
            "cluster-auth",
        ),
        ("unicast_peer {\n10.0.0.3\n}\n", "", "cluster-path"),
        ("mcast_dst_ip 224.0.0.77", "", "cluster-path"),
        ("version 3\nv3_checksum_as_v2", "version 3", "cluster-checksum"),
        (
            "version 3\nold_unicast_checksum\nunicast_peer {\n10.0.0.3\n}\n",
            "version 3\nold_unicast_checksum never\nunicast_peer {\n10.0.0.2\n}\n",
            "cluster-checksum",
        ),
        (
            "unicast_src_ip 10.0.0.2\nunicast_peer {\n10.0.0.3\n}\n",
            "unicast_src_ip 10.0.0.4\nunicast_peer {\n10.0.0.2\n}\n",
            "cluster-peers",
        ),
        ("state MASTER", "state MASTER", "cluster-masters"),
        ("nopreempt", "", "cluster-nopreempt"),
        ("track_interface {\neth1 weight -20\n}\n", "", "cluster-weight"),
        ("virtual_ipaddress_excluded {\n10.0.0.60\n}\n", "", "cluster-excluded"),
    ],
)
def test_one_difference_is_one_finding(one: str, two: str, code: str) -> None:
    assert pair(one, two) == [code]


def test_addresses() -> None:
    other = instance(vips="virtual_ipaddress {\n10.0.0.51/24\n}\n")
    assert codes(instance(priority=150), other) == ["cluster-addresses"]
    shorter = instance(vips="virtual_ipaddress {\n10.0.0.50/25\n}\n")
    assert codes(instance(priority=150), shorter) == ["cluster-prefix"]
    order = "virtual_ipaddress {\n10.0.0.51/24\n10.0.0.50/24\n}\n"
    turned = "virtual_ipaddress {\n10.0.0.50/24\n10.0.0.51/24\n}\n"
    assert codes(instance(priority=150, vips=order), instance(vips=turned)) == []


def test_priorities() -> None:
    assert codes(instance(), instance()) == ["cluster-priority"]
    assert codes(instance(priority=255), instance(priority=255)) == ["cluster-owners", "cluster-masters"]
    weighted = instance("track_interface {\neth1 weight 50\n}\n")
    assert codes(weighted, instance(priority=150)) == ["cluster-priority"]


@pytest.mark.parametrize(
    ("words", "priority", "healthy"),
    [
        ("", 100, 100),
        ("track_interface {\neth1 weight 20\n}\n", 100, 120),
        ("track_interface {\neth1 weight -20\n}\n", 100, 100),
        ("track_interface {\neth1 weight 20 reverse\n}\n", 100, 100),
        ("track_interface {\neth1 weight -20 reverse\n}\n", 100, 120),
        ("track_interface {\neth1 weight 200\n}\n", 100, 254),
        ("", 255, 255),
    ],
)
def test_healthy_priority(words: str, priority: int, healthy: int) -> None:
    (found,) = config(instance(words, priority=priority)).vrrp_instances
    assert healthy_priority(found) == healthy


def test_a_weight_must_exceed_the_distance() -> None:
    def moved(weight: int) -> list[str]:
        return pair(f"track_interface {{\neth1 weight {weight}\n}}\n")

    assert moved(-50) == ["cluster-weight"]
    assert moved(-51) == []
    (found,) = compare(
        {"a": config(instance("track_interface {\neth1 weight -20\n}\n", priority=150)), "b": config(instance())}
    )
    assert "falls to 130, not below 100" in found.message
    assert found.suggestion == "the weight must be more than 50"


def hmac(key: int, letter: str, words: str = "") -> str:
    return f"version 3\nauth_hmac {{\nkey {key} {letter * 32}\nactive_key {key}\n{words}\n}}\n"


@pytest.mark.parametrize(
    ("one", "two", "found"),
    [
        (hmac(1, "a"), hmac(1, "a"), []),
        (hmac(1, "a"), hmac(1, "b"), ["cluster-hmac", "cluster-hmac"]),
        (hmac(1, "a"), hmac(2, "a"), ["cluster-hmac", "cluster-hmac"]),
        (hmac(1, "a"), hmac(2, "b", f"key 1 {'a' * 32}"), ["cluster-hmac"]),
        (hmac(1, "a"), "version 3", ["cluster-hmac"]),
        (hmac(1, "a", "mode permissive"), "version 3", []),
    ],
)
def test_hmac_keys(one: str, two: str, found: list[str]) -> None:
    assert pair(one, two) == found


def test_missing_and_several() -> None:
    two = instance(priority=150) + instance(name="w", vrid=6, vips=VIPS.replace("50", "60"))
    assert codes(two, instance()) == ["cluster-missing"]
    assert len(find_routers({"a": config(two), "b": config(instance())})) == 2


def test_same_vrid_twice_on_a_node_is_told_apart_by_name() -> None:
    def node(priority: int) -> str:
        other = instance(name="w", priority=priority, vips=VIPS.replace("50", "60")).replace("eth0", "eth1")
        return instance(priority=priority) + other

    routers = find_routers({"a": config(node(150)), "b": config(node(100))})
    assert [[member.instance.name for member in router.members] for router in routers] == [["v", "v"], ["w", "w"]]
    assert codes(node(150), node(100)) == []


def test_sync_groups() -> None:
    def node(priority: int, group: str) -> str:
        return (
            instance(priority=priority)
            + instance(name="w", vrid=6, priority=priority, vips=VIPS.replace("50", "60"))
            + group
        )

    assert codes(node(150, GROUP), node(100, GROUP.replace(" g ", " other "))) == []
    assert codes(node(150, GROUP), node(100, "")) == ["cluster-sync-groups"]
    assert codes(node(150, ""), node(100, GROUP)) == ["cluster-sync-groups"]


def test_the_file_of_another_machine() -> None:
    """Interfaces, accounts and scripts of a machine one is not on are taken to be there."""
    text = (
        "global_defs {\nenable_script_security\nscript_user carol staff\nconfig_save_dir /var/save\n}\n"
        "track_file f {\nfile /far/away\ninit_file 1 overwrite\n}\n"
        "vrrp_script s {\nscript /far/check.sh\nuser dave\n}\n"
        + instance("notify /far/notify.sh\ntrack_script {\ns\n}\ntrack_interface {\nbond7\n}\n").replace(
            "eth0", "bond0"
        )
        + "static_routes {\n10.77.0.0/24 dev bond9\n}\n"
    )
    text = text.replace("eth0", "bond0")
    here, there = read(text), read(text, elsewhere(MACHINE))
    assert here.refused
    assert (there.refused, there.exit_status) == (False, 0)
    assert there.config is not None
    (found,) = there.config.vrrp_instances
    assert (found.interface, [one.name for one in found.track.interfaces]) == ("bond0", ["bond7"])
    assert [script.script.account.user for script in there.config.vrrp_scripts] == ["dave"]
    assert found.notify.generic is not None


def test_key_files_of_another_machine_do_not_differ() -> None:
    words = "version 3\nauth_hmac {\nkey 1 file:/etc/keepalived/key\nactive_key 1\n}\n"
    machine = elsewhere(MACHINE)
    nodes = {}
    for node, priority in (("a", 150), ("b", 100)):
        result = read(instance(words, priority=priority), machine)
        assert result.exit_status == 0
        assert result.config is not None
        nodes[node] = result.config
    assert compare(nodes) == ()


def test_secrets_are_never_shown() -> None:
    words = "authentication {\nauth_type PASS\nauth_pass %s\n}\n"
    findings = compare({"a": config(instance(words % "hush", priority=150)), "b": config(instance(words % "hash"))})
    assert [found.code for found in findings] == ["cluster-auth"]
    assert not any(secret in str(found) for found in findings for secret in ("hush", "hash"))
