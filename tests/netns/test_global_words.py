"""Words of global_defs with the whole daemon: names of files and links, trees of SNMP, sysctls."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pykeepalived.lab.node import Node
from pykeepalived.notify.mib_rfc import VRRP_MIB, VRRPV3_MIB
from pykeepalived.notify.mib_vrrp import GLOBAL, VRRP
from tests.netns.conftest import Lan, has, instance
from tests.notify.test_snmp import Master

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]


def keywords(*words: str) -> Callable[[Any], Any]:
    """Marks a test with all of these words of global_defs."""

    def mark(function: Any) -> Any:
        for word in words:
            function = pytest.mark.keyword(f"global_defs/{word}")(function)
        return function

    return mark


def started(lan: Lan, words: str, blocks: str = "") -> Node:
    """A daemon that has become master."""
    node = lan.host(f"global_defs {{\nscript_user root\n{words}\n}}\n" + (blocks or instance(150)))
    node.start()
    lan.wait(lambda: lan.is_master(node))
    return node


@keywords("state_dump_file", "stats_dump_file", "json_dump_file", "router_id")
def test_where_dumps_are_written(lan: Lan, tmp_path: Path) -> None:
    files = {word: tmp_path / f"{word}.x" for word in ("state_dump_file", "stats_dump_file", "json_dump_file")}
    node = started(lan, "router_id R7\n" + "\n".join(f"{word} {path}" for word, path in files.items()))
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGRTMIN + 2):
        node.signal(number)
    state = files["state_dump_file"]
    lan.wait(lambda: state.exists() and files["stats_dump_file"].exists() and files["json_dump_file"].exists())
    assert "Router ID = R7" in state.read_text()
    assert "VRRP Instance: VI_1" in files["stats_dump_file"].read_text()
    assert json.loads(files["json_dump_file"].read_text())[0]["data"]["iname"] == "VI_1"


@keywords("vmac_prefix", "vmac_addr_prefix")
@pytest.mark.parametrize(
    ("words", "own", "other"),
    [
        ("", "vrrp.51", "vrrp1.51"),
        ("vmac_prefix vr", "vr.51", "vr1.51"),
        ("vmac_prefix vr\nvmac_addr_prefix va", "vr.51", "va.51"),
        ("vmac_addr_prefix va", "vrrp.51", "va.51"),
    ],
)
def test_names_of_links(lan: Lan, words: str, own: str, other: str) -> None:
    text = instance(150, "use_vmac", vip="192.0.2.100/32\n    198.51.100.9/32 dev eth1 use_vmac")
    node = lan.host(f"global_defs {{\n{words}\n}}\n{text}")
    lan.net.attach(node.namespace, "eth1", "other", ["198.51.100.1/24"])
    node.start()
    lan.wait(lambda: lan.is_master(node))
    lan.wait(lambda: has(node, "192.0.2.100", own) and has(node, "198.51.100.9", other))


@keywords("disable_local_igmp")
def test_reports_of_local_groups(lan: Lan) -> None:
    def reports() -> str:
        return node.namespace.run("sysctl", "-n", "net.ipv4.igmp_link_local_mcast_reports").strip()

    node = started(lan, "disable_local_igmp")
    assert reports() == "0"


@pytest.fixture
def master_agent(tmp_path: Path) -> Iterator[Master]:
    master = Master(tmp_path / "agentx")
    yield master
    master.close()


@keywords("enable_snmp_vrrp", "enable_snmp_keepalived", "enable_snmp_rfc", "enable_snmp_rfcv2", "enable_snmp_rfcv3")
@pytest.mark.parametrize(
    ("word", "trees"),
    [
        ("enable_snmp_vrrp", [GLOBAL, VRRP]),
        ("enable_snmp_keepalived", [GLOBAL, VRRP]),
        ("enable_snmp_rfc", [GLOBAL, VRRP_MIB, VRRPV3_MIB]),
        ("enable_snmp_rfcv2", [GLOBAL, VRRP_MIB]),
        ("enable_snmp_rfcv3", [GLOBAL, VRRPV3_MIB]),
    ],
)
def test_trees_of_snmp(lan: Lan, master_agent: Master, tmp_path: Path, word: str, trees: list[Any]) -> None:
    started(lan, f"{word}\nsnmp_socket unix:{tmp_path}/agentx")
    lan.wait(lambda: len(master_agent.registered) >= len(trees))
    lan.pause(0.2)
    assert master_agent.registered == trees


@keywords("iproute_usr_dir", "iproute_etc_dir")
@pytest.mark.parametrize(
    ("usr", "etc", "table"), [("77 blue", "", "77"), ("", "78 blue", "78"), ("77 blue", "78 blue", "78")]
)
def test_names_of_tables(lan: Lan, tmp_path: Path, usr: str, etc: str, table: str) -> None:
    words = ""
    for name, lines in (("usr", usr), ("etc", etc)):
        directory = tmp_path / f"iproute-{name}"
        directory.mkdir()
        (directory / "rt_tables").write_text(f"255 local\n254 main\n{lines}\n")
        words += f"iproute_{name}_dir {directory}\n"
    route = "static_routes {\n 10.77.0.0/16 dev eth0 table blue\n}\n"
    node = started(lan, words, route + instance(150))
    assert "10.77.0.0/16" in node.namespace.ip("route", "show", "table", table)


@keywords("random_seed")
def test_the_same_seed_gives_the_same_order_of_first_checks(lan: Lan) -> None:
    """They are spread over warmup by chance; every server refuses at once."""
    servers = "".join(
        f"real_server 127.0.0.{number} 9 {{\n TCP_CHECK {{\n warmup 1.5\n }}\n}}\n" for number in range(1, 7)
    )
    text = f"virtual_server 192.0.2.80 80 {{\nprotocol TCP\nlvs_sched rr\nlvs_method NAT\n{servers}}}\n"
    node = lan.host("")
    orders = []
    for seed in (5, 5, 6):
        node.config.write_text(f"global_defs {{\nrandom_seed {seed}\n}}\n{text}")
        node.lines.clear()
        node.start()
        lan.wait(lambda: len(first_failures(node)) == 6)
        orders.append(first_failures(node))
        node.kill()
    assert orders[0] == orders[1] != orders[2]


def first_failures(node: Node) -> list[str]:
    return [line.split()[3] for _, line in node.lines if line.startswith("TCP_CHECK on service")]
