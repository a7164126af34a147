"""BFD and checkers in the simulator: sessions over the LAN, real servers that die or dawdle, the reference model."""

from __future__ import annotations

import pytest

from pykeepalived.cli.simulate import prepare
from pykeepalived.runtime.messages import ChildKind
from pykeepalived.sim.cluster import SECOND, Cluster
from pykeepalived.sim.play import Play
from pykeepalived.sim.scenario import read

MS = 1_000_000

INSTANCE = """
    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        priority %d
        %s
        virtual_ipaddress {
            192.0.2.100/24
        }
    }
"""
TRACKED = (
    """
    bfd_instance GW {
        neighbor_ip 192.0.2.254
        min_tx 100
        min_rx 100
        multiplier 3
    }
"""
    + INSTANCE % (150, "track_bfd {\n GW weight -60\n }")
)
SERVICE = """
    virtual_server 192.0.2.100 80 {
        delay_loop 5
        lb_algo wrr
        lb_kind NAT
        protocol TCP
        quorum 2
        hysteresis 1
        sorry_server 10.1.0.9 80
        %s
        real_server 10.1.0.1 80 {
            weight 2
            TCP_CHECK {
                connect_timeout 2
                retry 1
                delay_before_retry 1
                warmup 0
            }
        }
        real_server 10.1.0.2 80 {
            weight 1
            TCP_CHECK {
                connect_timeout 2
                retry 0
                warmup 0
            }
        }
    }
"""


def lived(events: str, **nodes: str) -> Play:
    texts = "\n".join(f"node {name}\n{text}" for name, text in nodes.items())
    scenario = read(f"{events}\n{texts}")
    play = prepare(scenario)
    play.run(scenario.duration, scenario.actions)
    return play


def told(cluster: Cluster, part: str) -> list[tuple[float, str]]:
    return [(round(each.at / SECOND, 4), each.what) for each in cluster.moments if part in each.what]


def table(cluster: Cluster, node: str = "a") -> dict[str, int]:
    found = cluster.nodes[node].ipvs.destinations.values()
    return {str(key): values.weight for entries in found for key, values in entries.items()}


# BFD


def test_a_session_with_a_router_comes_up_and_its_loss_costs_the_mastership() -> None:
    words = "for 30\nbfd-down a:GW@10\nbfd-up a:GW@20\nexpect-master b@14\nexpect-master a@30"
    cluster = (play := lived(words, a=TRACKED, b=INSTANCE % (100, ""))).cluster
    assert play.failures == []
    (up, _), (down, text), (again, _) = [each for each in told(cluster, "BFD GW") if each[1].startswith("BFD")]
    assert up < 2, "packets at the slow pace of one a second until both sides are up"
    # 3 x 100 ms after the last packet, which came at most 100 ms before the loss
    assert 10.2 <= down <= 10.3
    assert text == "BFD GW down (detection_time_expired)"
    assert 20 < again < 22


def test_nodes_speak_bfd_with_each_other_over_the_lan() -> None:
    def node(neighbor: int, priority: int) -> str:
        session = f"\n    bfd_instance P {{\n neighbor_ip 192.0.2.{neighbor}\n min_tx 50\n min_rx 50\n }}"
        return session.replace("\n ", "\n     ") + INSTANCE % (priority, "")

    words = "for 20\ncut a-b@8\nheal a@14"
    cluster = lived(words, a=node(2, 150), b=node(1, 100)).cluster
    assert cluster.violations == []
    assert cluster.nodes["a"].has_address(next(iter(cluster.nodes["b"].config.bfd_instances)).neighbor)
    for name in ("a", "b"):
        sessions = [each for each in cluster.moments if each.node == name and "BFD P" in each.what]
        assert [each.what.split()[2] for each in sessions] == ["up", "down", "up"]
        # default multiplier 5, 50 ms each
        assert 8.2 <= sessions[1].at / SECOND <= 8.25


def test_a_killed_bfd_child_is_no_news_to_the_neighbor_but_to_its_own_node() -> None:
    cluster = lived("for 20\nkill-child a:bfd@10", a=TRACKED).cluster
    assert [what for _, what in told(cluster, "BFD")][:2] == ["BFD GW up (neighbor_init)", "BFD child killed"]
    assert told(cluster, "BFD GW up")[-1][0] > 10
    assert cluster.violations == []


# checkers


def test_a_real_server_dies_slows_down_and_returns() -> None:
    words = """for 60
server-down 10.1.0.2@10
server-slow 10.1.0.1:80@20+3
server-up 10.1.0.2@40
expect-in-use 10.1.0.1:80@9
expect-out-of-use a:10.1.0.2:80@16
expect-out-of-use 10.1.0.1:80@32
expect-in-use 10.1.0.9:80@32
expect-in-use 10.1.0.2:80@60"""
    play = lived(words, a=INSTANCE % (100, "") + SERVICE % "")
    # first attempts a second after the start, then 5 s after each answer, which takes 1 ms; a timeout takes 2 s and
    # is borne once, for a second
    real = "real server [10.1.0.%d]:tcp:80 of [192.0.2.100]:tcp:80 %s"
    assert told(play.cluster, "real server") == [
        (11.003, real % (2, "DOWN")),
        (26.004, real % (1, "DOWN")),
        (41.009, real % (2, "UP")),
    ]
    failed = [verdict.text for verdict in play.verdicts if not verdict.holds]
    # 10.1.0.2 alone has weight 1: quorum 2 with hysteresis 1 needs 3, so that the sorry server stays
    assert failed == ["expect-in-use 10.1.0.2:80@60"]
    assert play.cluster.violations == []
    assert table(play.cluster) == {"10.1.0.9:80": 1}


def test_a_killed_checker_child_adopts_the_table() -> None:
    play = lived("for 20\nserver-down 10.1.0.2@5\nkill-child a:checker@12", a=INSTANCE % (100, "") + SERVICE % "")
    assert play.failures == []
    assert table(play.cluster) == {"10.1.0.1:80": 2}
    assert len(told(play.cluster, "real server [10.1.0.2]")) == 1


def test_a_cleared_table_is_filled_again_and_a_stopped_daemon_leaves_none() -> None:
    words = "for %d\nclear-services a@12\nexpect-in-use a:10.1.0.1:80@18\nstop a@19"
    node = INSTANCE % (100, "") + SERVICE % ""
    assert lived(words % 18, a=node).failures == []
    play = lived(words % 20, a=node)
    assert play.failures == []
    assert table(play.cluster) == {}


def test_a_refusing_kernel_gets_everything_in_the_end() -> None:
    node = INSTANCE % (100, "") + SERVICE % ""
    play = lived("for 30\nrefuse a@0+6\nexpect-master a@10\nexpect-settled @30", a=node)
    assert play.failures == []
    assert table(play.cluster) == {"10.1.0.1:80": 2, "10.1.0.2:80": 1}
    assert any(str(address) == "192.0.2.100" for _, address in play.cluster.nodes["a"].machine.addresses())


def test_what_a_refusing_kernel_kept_at_a_reload_goes_in_the_end() -> None:
    node = INSTANCE % (100, "") + SERVICE % ""
    smaller = node.replace("10.1.0.2", "10.1.0.3").replace("weight 2", "weight 5")
    words = f"for 30\nrefuse a@9.9+1\nreload a@10=new\nexpect-settled @30\nexpect-fresh @30\nfile new\n{smaller}"
    play = lived(words, a=node)
    assert play.failures == []
    assert table(play.cluster) == {"10.1.0.1:80": 5, "10.1.0.3:80": 1}


def test_ha_suspend_follows_the_vip() -> None:
    service = SERVICE % "ha_suspend"
    nodes = {"a": INSTANCE % (150, "") + service, "b": INSTANCE % (100, "") + service}
    words = (
        "for 30\nserver-down 10.1.0.2@1\nexpect-out-of-use a:10.1.0.2:80@20\nexpect-in-use b:10.1.0.2:80@20\nkill a@20"
    )
    play = lived(f"{words}\nexpect-out-of-use b:10.1.0.2:80@30", **nodes)
    assert play.failures == []


# the reference model notices


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("weight", "instead of"),
        ("service", "instead of None"),
        ("quorum", "the quorum of [192.0.2.100]:tcp:80 should be up at weight 3"),
        ("alive", "[10.1.0.1]:tcp:80 of [192.0.2.100]:tcp:80 is dead against its checks"),
        ("sorry", "the sorry server of [192.0.2.100]:tcp:80 is in use at the wrong time"),
    ],
)
def test_what_is_not_as_the_reference_says_is_noticed(spoil: str, words: str) -> None:
    play = lived("for 10", a=INSTANCE % (100, "") + SERVICE % "")
    cluster = play.cluster
    node = cluster.nodes["a"]
    assert node.checker is not None
    virtual = node.checker.core.director.virtuals[0]
    if spoil == "weight":
        entries = next(iter(node.ipvs.destinations.values()))
        key = next(iter(entries))
        entries[key] = entries[key]._replace(weight=7)
    elif spoil == "service":
        service, values = next(iter(node.ipvs.services.items()))
        node.ipvs.services[service._replace(port=81)] = values
    elif spoil == "quorum":
        virtual.quorum_up = False
    elif spoil == "alive":
        virtual.reals[0].alive = False
    else:
        assert virtual.sorry is not None
        virtual.sorry.in_use = True
    assert cluster.violations == []
    node.checker.compare(cluster.now)
    assert any(words in text for text in cluster.violations), cluster.violations


def test_a_verdict_against_the_retries_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    from pykeepalived.ipvs.checks.tcp import TcpState

    node = INSTANCE % (100, "") + SERVICE % ""
    sound = TcpState.conclude

    def hasty(self: TcpState, *words: object) -> object:
        self.retry_it = self.model.retry
        return sound(self, *words)  # type: ignore[arg-type]

    monkeypatch.setattr(TcpState, "conclude", hasty)
    play = lived("for 12\nserver-down 10.1.0.1@8", a=node)
    expected = "11.003000 s a: a checker of [10.1.0.1]:tcp:80 should be up after CONNECT_FAILED"
    assert play.cluster.violations == [expected]


def test_only_children_that_exist_can_be_killed() -> None:
    cluster = lived("for 5", a=INSTANCE % (100, "")).cluster
    assert cluster.nodes["a"].restart(ChildKind.BFD) is False
    assert cluster.nodes["a"].restart(ChildKind.CHECKER) is False
    assert cluster.nodes["a"].restart(ChildKind.VRRP) is True
