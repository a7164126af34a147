"""vrrp_iptables and vrrp_ipsets: the filter tables and sets of a master are those of keepalived 2.2.7 built with it
(`recorded/iptables`: iptables-save and ipset save), by iptables on nf_tables and on the older tables."""

from __future__ import annotations

import os
import re
import shutil
import signal
from pathlib import Path

import pytest

from pykeepalived.lab.node import Node
from tests.netns.conftest import Lan, has, instance
from tests.netns.test_recorded_kernel import NO_ACCEPT, VMAC

RECORDED = Path(__file__).parent / "recorded" / "iptables"
PROGRAMS = ("iptables", "ip6tables", "iptables-save", "ip6tables-save", "iptables-restore", "ip6tables-restore")
missing = [name for name in ("iptables-legacy", "iptables-nft", "ipset") if shutil.which(name) is None]
pytestmark = [pytest.mark.netns, pytest.mark.timeout(120), pytest.mark.skipif(bool(missing), reason=f"no {missing}")]

OURS_ALONE = {
    "-A OUTPUT -p ipv6-icmp -m set --match-set keepalived_mld dst,dst -m icmp6 --icmpv6-type 131 -j DROP",
    "-A OUTPUT -p ipv6-icmp -m set --match-set keepalived_nd src,dst -m icmp6 --icmpv6-type 136 -j DROP",
    "create keepalived_nd hash:net,iface family inet6 hashsize 1024 maxelem 65536",
    "add keepalived_nd fe80::a,vrrp.61",
    "-A OUTPUT -o vrrp.61 -p ipv6-icmp -m icmp6 --icmpv6-type 131 -j DROP",
    "-A OUTPUT -s fe80::a/128 -o vrrp.61 -p ipv6-icmp -m icmp6 --icmpv6-type 136 -j DROP",
}
"""MLD version 1, and advertisements of the parent's link-local address: what keepalived 2.4 does by nftables."""

SETS, RULES = "vrrp_iptables\n", "vrrp_iptables\n  vrrp_ipsets\n"


def settings(words: str) -> str:
    return f"global_defs {{\n  {words}}}\n"


@pytest.fixture(params=["nft", "legacy"])
def flavor(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which of the two iptables the machine has by that name."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for name in PROGRAMS:
        family, _, rest = name.partition("-")
        program = shutil.which(f"{family}-{request.param}" + (f"-{rest}" if rest else ""))
        assert program is not None
        (directory / name).symlink_to(program)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    return str(request.param)


def filtered(node: Node) -> list[str]:
    """Rules in their order, then sets with their members, without what differs between kernels or programs."""
    namespace = node.namespace
    tables = "".join(namespace.run(f"{program}-save", "-t", "filter") for program in ("iptables", "ip6tables"))
    lines = [line.rstrip() for line in tables.splitlines()]
    rules = [line.replace(" -p 2 ", " -p igmp ") for line in lines if line.startswith("-A")]
    sets = re.sub(r" bucketsize.*", "", namespace.run("ipset", "save")).splitlines()
    return rules + sorted(sets)


def recorded(name: str) -> list[str]:
    lines = (RECORDED / name).read_text().splitlines()
    return [line for line in lines if line.startswith("-A")] + sorted(
        line for line in lines if line.startswith(("create", "add"))
    )


@pytest.mark.usefixtures("flavor")
@pytest.mark.parametrize(("words", "name"), [(SETS, "no-accept-sets.txt"), (RULES, "no-accept-rules.txt")])
@pytest.mark.keyword("global_defs/vrrp_iptables")
@pytest.mark.keyword("global_defs/vrrp_ipsets")
def test_filter_of_no_accept(lan: Lan, words: str, name: str) -> None:
    a = lan.host(settings(words) + NO_ACCEPT.replace("192.0.2.100", "192.0.2.100\n    192.0.2.101"))
    a.start()
    lan.wait(lambda: lan.is_master(a) and has(a, "fe80::200"))
    lan.wait(lambda: filtered(a) == recorded(name))
    assert a.stop() == 0
    assert filtered(a) == []
    lan.wait(lambda: a.said("(VI_1) setting firewall drop rule"))
    lan.wait(lambda: a.said("(VI_1) removing firewall drop rule"))


@pytest.mark.usefixtures("flavor")
@pytest.mark.parametrize(("words", "name"), [(SETS, "vmac-sets.txt"), (RULES, "vmac-rules.txt")])
@pytest.mark.keyword("global_defs/vrrp_ipsets")
def test_filter_of_vmacs(lan: Lan, words: str, name: str) -> None:
    a = lan.host(settings(words) + VMAC)
    a.start()
    lan.wait(lambda: lan.is_master(a) and lan.is_master(a, "VI_6"))
    lan.wait(lambda: set(recorded(name)) <= set(filtered(a)))
    assert set(filtered(a)) - set(recorded(name)) <= OURS_ALONE
    assert len(filtered(a)) == len(set(filtered(a)))
    assert a.stop() == 0
    assert filtered(a) == []


FOREIGN = "-A KIN -s 198.51.100.7/32 -j ACCEPT"


def foreign(node: Node) -> list[str]:
    """Chains, a rule and a set that are somebody's."""
    for program in ("iptables", "ip6tables"):
        for chain in ("KIN", "KOUT"):
            node.namespace.run(program, "-N", chain)
    node.namespace.run("iptables", "-A", "KIN", "-s", "198.51.100.7/32", "-j", "ACCEPT")
    node.namespace.run("ipset", "create", "theirs", "hash:ip")
    node.namespace.run("ipset", "add", "theirs", "198.51.100.8")
    return filtered(node)


@pytest.mark.keyword("global_defs/vrrp_iptables")
@pytest.mark.keyword("global_defs/vrrp_ipsets")
def test_chains_and_sets_of_other_names_beside_those_of_others(lan: Lan) -> None:
    a = lan.host(settings("vrrp_iptables KIN\n  vrrp_ipsets ka kb kc\n") + NO_ACCEPT)
    before = foreign(a)
    a.start()
    lan.wait(lambda: lan.is_master(a) and has(a, "fe80::200"))
    lan.wait(lambda: "-A KIN -m set --match-set ka dst -j DROP" in filtered(a))
    lan.wait(lambda: "-A KIN -m set --match-set kc dst,src -j DROP" in filtered(a))
    now = filtered(a)
    assert now[0] == FOREIGN
    assert not any("KOUT" in line or "OUTPUT" in line for line in now)
    assert {"add ka 192.0.2.100", "add kb 2001:db8:77::200", "add kc fe80::200,eth0"} < set(now)
    assert a.stop() == 0
    assert filtered(a) == before


@pytest.mark.keyword("global_defs/vrrp_iptables")
def test_chain_that_does_not_exist_is_told_and_used_when_it_is_made(lan: Lan) -> None:
    a = lan.host(settings("vrrp_iptables KIN KOUT\n") + instance(150, "no_accept"))
    a.start()
    lan.wait(lambda: lan.is_master(a) and has(a, "192.0.2.100"))
    for chain in ("KIN", "KOUT"):
        lan.wait(lambda chain=chain: a.said(f"iptables chain {chain} doesn't exist"))  # type: ignore[misc]
        a.namespace.run("iptables", "-N", chain)
    lan.wait(
        lambda: (
            filtered(a)[:2]
            == [
                "-A KIN -m set --match-set keepalived dst -j DROP",
                "-A KOUT -m set --match-set keepalived src -j DROP",
            ]
        )
    )
    assert sum("chain KIN doesn't exist" in line for _, line in a.lines) == 1


@pytest.mark.parametrize("words", [SETS, RULES], ids=["sets", "rules"])
@pytest.mark.keyword("vrrp_instance/no_accept")
def test_traffic_is_dropped_and_goes_with_the_address(lan: Lan, words: str) -> None:
    a, b = lan.host(settings(words) + instance(150, "no_accept")), lan.host("")
    a.start()
    lan.wait(lambda: lan.is_master(a) and has(a, "192.0.2.100"))
    lan.wait(lambda: any("192.0.2.100" in line for line in filtered(a)))
    lan.wait(lambda: any(line.startswith("-A INPUT") for line in filtered(a)))
    assert "0 received" in b.namespace.run("ping", "-c1", "-W1", "192.0.2.100", check=False)
    a.config.write_text(settings(words) + instance(150))
    a.reload()
    lan.wait(lambda: not any("192.0.2.100" in line for line in filtered(a)))
    assert "1 received" in b.namespace.run("ping", "-c1", "-W2", "192.0.2.100", check=False)
    assert lan.is_master(a)


@pytest.mark.parametrize(("words", "name"), [(SETS, "no-accept-sets.txt"), (RULES, "no-accept-rules.txt")])
def test_killed_child_leaves_its_filter_to_its_successor(lan: Lan, words: str, name: str) -> None:
    a = lan.host(settings(words) + NO_ACCEPT.replace("192.0.2.100", "192.0.2.100\n    192.0.2.101"))
    a.start()
    lan.wait(lambda: lan.is_master(a) and filtered(a) == recorded(name))
    os.kill(a.pid_of("vrrp"), signal.SIGKILL)
    lan.wait(lambda: sum("Starting VRRP child process" in line for _, line in a.lines) == 2)
    lan.pause(1)
    assert sorted(filtered(a)) == sorted(recorded(name))
    assert a.stop() == 0
    assert filtered(a) == []


@pytest.mark.parametrize("words", [SETS, RULES], ids=["sets", "rules"])
def test_filter_of_a_killed_daemon_is_removed_when_nobody_wants_it(lan: Lan, words: str) -> None:
    a = lan.host(settings(words) + instance(150, "no_accept"))
    before = foreign(a)
    a.start()
    lan.wait(lambda: lan.is_master(a) and any("192.0.2.100" in line for line in filtered(a)))
    lan.wait(lambda: any(line.startswith("-A INPUT") for line in filtered(a)))
    a.kill()
    lan.pause(0.5)
    assert filtered(a) != before
    a.config.write_text(settings(words) + instance(150, "no_accept\n  advert_int 5\n  version 3"))
    a.start()
    lan.wait(lambda: a.states.get("VI_1") == "BACKUP")
    lan.wait(lambda: not any("192.0.2.100" in line for line in filtered(a)))
    a.stop()
    assert filtered(a) == before


def test_killed_helper_is_replaced_and_looks_at_everything_anew(lan: Lan) -> None:
    a = lan.host(settings(RULES) + instance(150, "no_accept"))
    a.start()
    wanted = ["-A INPUT -d 192.0.2.100/32 -j DROP", "-A OUTPUT -s 192.0.2.100/32 -j DROP"]
    lan.wait(lambda: filtered(a) == wanted)
    child = a.pid_of("vrrp")
    helpers = Path(f"/proc/{child}/task/{child}/children").read_text().split()
    assert len(helpers) == 1
    a.namespace.run("iptables", "-F", "INPUT")
    os.kill(int(helpers[0]), signal.SIGKILL)
    lan.wait(lambda: a.said("iptables process died"))
    lan.wait(lambda: filtered(a) == wanted)
    assert a.stop() == 0
    assert filtered(a) == []


@pytest.mark.usefixtures("flavor")
@pytest.mark.parametrize("words", [SETS, RULES], ids=["sets", "rules"])
def test_what_a_killed_daemon_left_goes_when_no_vrrp_is_left(lan: Lan, words: str) -> None:
    a = lan.host(settings(words) + instance(150, "no_accept"))
    a.namespace.run("iptables", "-A", "INPUT", "-s", "203.0.113.9/32", "-j", "DROP")
    foreign = filtered(a)
    a.start()
    lan.wait(lambda: lan.is_master(a) and any("192.0.2.100" in line for line in filtered(a)))
    lan.wait(lambda: sum("DROP" in line for line in filtered(a)) >= 3)
    a.kill()
    assert len(filtered(a)) > len(foreign)
    a.config.write_text("global_defs {\n  router_id none\n}\n")
    a.start()
    lan.wait(lambda: filtered(a) == foreign)
    assert a.stop() == 0
    assert list(a.directory.glob("*.iptables")) == []


@pytest.mark.usefixtures("flavor")
def test_what_a_killed_daemon_left_in_other_chains_goes(lan: Lan) -> None:
    """The successor's configuration names neither the chain nor the address."""
    a = lan.host(settings("vrrp_iptables mine\n  vrrp_ipsets\n") + instance(150, "no_accept"))
    a.namespace.run("iptables", "-N", "mine")
    a.start()
    lan.wait(lambda: lan.is_master(a) and any("192.0.2.100" in line for line in filtered(a)))
    a.kill()
    a.config.write_text(settings(RULES) + instance(150, "no_accept", vip="192.0.2.200/32"))
    a.start()
    lan.wait(lambda: any("192.0.2.200" in line for line in filtered(a)))
    lan.wait(lambda: not [line for line in filtered(a) if "mine" in line])
    assert a.stop() == 0
    assert filtered(a) == []
    assert list(a.directory.glob("*.iptables")) == []
