"""nftables of two masters on segments of their own, one of ours and one of the C daemon: the same tables, chains, sets,
rules and elements, whatever the settings; and both take them away."""

from __future__ import annotations

import pytest

from pykeepalived.lab.node import OURS, Node
from tests.interop.conftest import C_DAEMON, MakePair, Pair
from tests.rulesets import blocks

pytestmark = [pytest.mark.netns, pytest.mark.interop, pytest.mark.timeout(120)]

VIPS4 = "virtual_ipaddress {\n    192.0.2.100\n    192.0.2.101/24\n  }"
VIPS6 = "virtual_ipaddress {\n    fe80::100\n    2001:db8:77::100/64\n  }"
EXCLUDED = "virtual_ipaddress_excluded {\n    2001:db8:77::200/64\n    fe80::200/64\n  }"

EXCLUDED4 = "virtual_ipaddress_excluded {\n    192.0.2.200\n  }"


def block(name: str, vrid: int, lines: str) -> str:
    return (
        f"vrrp_instance {name} {{\n  state BACKUP\n  interface eth0\n  virtual_router_id {vrid}\n  priority 150\n"
        f"  version 3\n  advert_int 0.1\n  {lines}\n}}\n"
    )


CASES = {
    "no_accept": block("VI_1", 51, f"no_accept\n  {VIPS4}\n  {EXCLUDED}") + block("VI_6", 61, f"no_accept\n  {VIPS6}"),
    "untracked": block("VI_6", 61, f"no_accept\n  dont_track_primary\n  {VIPS6}"),
    "vmac": block("VI_1", 51, f"use_vmac\n  {VIPS4}") + block("VI_6", 61, f"use_vmac\n  {VIPS6}"),
    "vmac no_accept": block("VI_1", 51, f"use_vmac\n  no_accept\n  {VIPS4}\n  {EXCLUDED}")
    + block("VI_6", 61, f"use_vmac\n  no_accept\n  {VIPS6}"),
    "vmac of addresses": block("VI_1", 51, f"use_vmac\n  use_vmac_addr\n  no_accept\n  {VIPS4}\n  {EXCLUDED}"),
    "no link-local": block("VI_1", 51, f"no_accept\n  {VIPS4}\n  {EXCLUDED.replace('fe80::200/64', '')}"),
    "vmac of both families": block("VI_1", 51, f"use_vmac\n  {VIPS4}\n  {EXCLUDED}")
    + block("VI_6", 61, f"use_vmac\n  no_accept\n  {VIPS6}\n  {EXCLUDED4}"),
    "accept": block("VI_1", 51, f"accept\n  {VIPS4}\n  {EXCLUDED}"),
}
SETTINGS = {
    "default": "nftables",
    "named": "nftables site\n  nftables_priority 7\n  nftables_counters",
    "by index": "nftables\n  nftables_ifindex",
}


def ruleset(node: Node) -> dict[str, list[str]]:
    """Without what 2.4.3 has over 2.2.7: MLD version 1 beside 2, and the rule of the parent's link-local address."""
    found = blocks(node.namespace.run("nft", "list", "ruleset"))
    for name in list(found):
        if name.endswith((" / set parent_link_local", " / set mld-report")):
            del found[name]
        else:
            lines = (line.replace("@mld-report", "mld2-listener-report") for line in found[name])
            found[name] = [_uncounted(line) for line in lines if "@parent_link_local" not in line]
    return found


def _uncounted(line: str) -> str:
    """A counter without what it has counted."""
    words = line.split()
    for place in (number for number, word in enumerate(words) if word == "counter"):
        words[place + 1 : place + 5] = ["packets", "N", "bytes", "N"]
    return " ".join(words)


def differences(pair: Pair) -> dict[str, tuple[list[str], list[str]]]:
    """Chain, set or map -> the lines that only ours has, and those that only the C daemon has."""
    ours, theirs = ruleset(pair.a), ruleset(pair.b)
    found = {}
    for name in ours.keys() | theirs.keys():
        one, other = ours.get(name, ["none"]), theirs.get(name, ["none"])
        if one != other:
            found[name] = ([line for line in one if line not in other], [line for line in other if line not in one])
    return found


def masters(pair: Pair) -> bool:
    return all(node.states and set(node.states.values()) == {"MASTER"} for node in (pair.a, pair.b))


@pytest.mark.parametrize(
    ("case", "settings"),
    [(case, "default") for case in CASES]
    + [(case, settings) for case in ("untracked", "vmac no_accept") for settings in ("named", "by index")],
)
@pytest.mark.keyword("vrrp_instance/no_accept")
@pytest.mark.keyword("vrrp_instance/accept")
@pytest.mark.keyword("vrrp_instance/use_vmac")
@pytest.mark.keyword("vrrp_instance/dont_track_primary")
@pytest.mark.keyword("global_defs/nftables")
@pytest.mark.keyword("global_defs/nftables_priority")
@pytest.mark.keyword("global_defs/nftables_counters")
@pytest.mark.keyword("global_defs/nftables_ifindex")
def test_both_make_the_same_tables(make_pair: MakePair, case: str, settings: str) -> None:
    config = f"global_defs {{\n  {SETTINGS[settings]}\n}}\n{CASES[case]}"
    pair = make_pair(config, config, OURS, C_DAEMON)
    pair.net.partition("a", "b")
    pair.a.start()
    pair.b.start()
    assert pair.wait(lambda: masters(pair)), pair.log()
    pair.wait(lambda: not differences(pair), 5)
    assert differences(pair) == {}
    assert (ruleset(pair.a) == {}) is (case == "accept")
    for node in (pair.a, pair.b):
        assert node.stop() == 0
        assert ruleset(node) == {}
