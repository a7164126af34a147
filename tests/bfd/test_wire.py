"""Recordings of keepalived, replayed: heard the same packets, our speaker says the same things, byte for byte.

How often a packet is repeated is left to chance and so not compared; each change of content is.
"""

from __future__ import annotations

import pytest

from pykeepalived.bfd.packet import Discard, decode
from pykeepalived.bfd.speaker import Speaker
from pykeepalived.bfd.table import State
from pykeepalived.config.model.bfd import BfdInstance
from pykeepalived.config.model.values import Ip
from tests.bfd import pcap
from tests.bfd.lan import START, A, B, Chance, Line, Node, instance

V6 = {"neighbor": Ip.parse("fd99::2"), "source": Ip.parse("fd99::1")}
TENTH = {"min_rx_us": 100_000, "min_tx_us": 100_000}


def contents(packets: list[bytes]) -> list[bytes]:
    """Repetitions removed."""
    return [data for place, data in enumerate(packets) if place == 0 or packets[place - 1] != data]


def replay(name: str, config: BfdInstance, address: Ip) -> tuple[list[bytes], Node]:
    """What keepalived sent, and our node after it heard the same from keepalived's first packet to its last."""
    recorded = pcap.read(name)
    sent = [item for item in recorded if item.source == address]
    numbers = dict.fromkeys(decode(item.payload).my_discriminator for item in sent)
    node = Node(address, Speaker((config,), START, Chance(*numbers), 2))
    line = Line(node)
    for item in recorded:
        if item.source != address and sent[0].at < item.at <= sent[-1].at:
            line.run(START + item.at - sent[0].at - line.now)
            multihop = item.port == 4784
            node.speaker.hear(
                item.payload, item.source, item.source_port, item.destination, item.ttl, multihop, line.now
            )
            line.settle(node)
    line.run(max(0, START + sent[-1].at - sent[0].at - line.now))
    return [item.payload for item in sent], node


@pytest.mark.keyword("bfd_instance")
@pytest.mark.keyword("bfd_instance/neighbor_ip")
@pytest.mark.keyword("bfd_instance/source_ip")
@pytest.mark.parametrize(
    ("name", "config", "address"),
    [
        ("ka227-bird-v4.pcap", instance(source=A, **TENTH), A),
        ("ka227-bird-v6.pcap", instance(**V6, **TENTH), V6["source"]),
        ("ka227-bird-v6-hl64.pcap", instance(**V6, **TENTH, ttl=64), V6["source"]),
        ("ka227-ka227-v4.pcap", instance(source=A, **TENTH), A),
        ("ka243-bird-multihop.pcap", instance("m1", source=A, multihop=True, max_hops=255, **TENTH), A),
    ],
    ids=["bird-v4", "bird-v6", "bird-v6-hoplimit-64", "keepalived-v4", "bird-multihop"],
)
def test_the_same_is_said_to_the_same(name: str, config: BfdInstance, address: Ip) -> None:
    expected, node = replay(name, config, address)
    assert contents([data for _, _, data in node.sent]) == contents(expected)
