"""Segments: who hears whom, and what loss, duplicates, delay and jitter do to packets."""

from __future__ import annotations

from random import Random

from pykeepalived.config.model.values import Ip
from pykeepalived.sim.lan import Lan, Packet, Quality

PACKET = Packet("a", "eth0", 4, 112, Ip.parse("192.0.2.1"), Ip.parse("224.0.0.18"), True, 255, b"x")


def lan(**quality: float) -> Lan:
    made = Lan(Random(1), {"lan": Quality(**quality)})  # type: ignore[arg-type]
    for host in "abc":
        made.attach(host, "eth0", "lan")
    made.attach("a", "eth1", "other")
    made.attach("d", "eth0", "other")
    return made


def test_the_others_of_the_segment_hear_after_the_delay() -> None:
    arrivals = lan(delay_ns=70).transmit(PACKET, 1000)
    assert [(item.at, item.host, item.interface) for item in arrivals] == [(1070, "b", "eth0"), (1070, "c", "eth0")]


def test_blocks_have_a_direction_and_heal() -> None:
    made = lan()
    made.block("a", "b")
    assert [item.host for item in made.transmit(PACKET, 0)] == ["c"]
    assert [item.host for item in made.transmit(PACKET._replace(host="b"), 0)] == ["a", "c"]
    made.heal("c")
    assert [item.host for item in made.transmit(PACKET, 0)] == ["c"]
    made.heal("b")
    assert [item.host for item in made.transmit(PACKET, 0)] == ["b", "c"]


def test_an_isolated_host_neither_speaks_nor_hears() -> None:
    made = lan()
    made.isolate("a")
    assert made.transmit(PACKET, 0) == []
    assert [item.host for item in made.transmit(PACKET._replace(host="b"), 0)] == ["c"]
    made.heal()
    assert len(made.transmit(PACKET, 0)) == 2


def test_without_carrier_nothing_passes_a_port() -> None:
    made = lan()
    made.set_carrier("b", "eth0", False)
    assert [item.host for item in made.transmit(PACKET, 0)] == ["c"]
    assert made.transmit(PACKET._replace(host="b"), 0) == []
    made.set_carrier("b", "eth0", True)
    assert len(made.transmit(PACKET, 0)) == 2


def test_loss_and_duplicates_are_as_frequent_as_asked() -> None:
    made = lan(loss=0.25)
    arrived = sum(len(made.transmit(PACKET, 0)) for _ in range(5000))
    assert 0.73 < arrived / 10_000 < 0.77
    assert made.lost == 10_000 - arrived
    made = lan(duplicate=0.1)
    assert 1.08 < sum(len(made.transmit(PACKET, 0)) for _ in range(5000)) / 10_000 < 1.12


def test_jitter_lets_packets_overtake_each_other() -> None:
    made = lan(delay_ns=10, jitter_ns=1000)
    times = [arrival.at for sent in range(100) for arrival in made.transmit(PACKET, sent) if arrival.host == "b"]
    assert times != sorted(times)
    assert all(10 + sent <= at < 1010 + sent for sent, at in enumerate(times))
