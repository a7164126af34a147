"""Recordings of keepalived, replayed: heard the same packets, our speaker says the same things, byte for byte.

How often a packet is repeated is left to chance and so not compared; each change of content is.
"""

from __future__ import annotations

import pytest

from pykeepalived.bfd.effects import Reconfigure
from pykeepalived.bfd.packet import decode
from pykeepalived.bfd.speaker import Speaker
from pykeepalived.bfd.table import State
from pykeepalived.config.model.bfd import BfdInstance
from pykeepalived.config.model.values import Ip
from tests.bfd import pcap
from tests.bfd.lan import MS, START, A, Chance, Line, Node, instance

V6 = {"neighbor": Ip.parse("fd99::2"), "source": Ip.parse("fd99::1")}
TENTH = {"min_rx_us": 100_000, "min_tx_us": 100_000}


def contents(packets: list[bytes]) -> list[bytes]:
    """Repetitions removed."""
    return [data for place, data in enumerate(packets) if place == 0 or packets[place - 1] != data]


Reloads = dict[int, tuple[BfdInstance, ...]]
"""Milliseconds after the first packet, and the configuration from then on."""


def replay(name: str, config: BfdInstance, address: Ip, reloads: Reloads | None = None) -> tuple[list[bytes], Node]:
    """What keepalived sent, and our node after it heard the same from keepalived's first packet to its last."""
    waiting = sorted((START + at * MS, instances) for at, instances in (reloads or {}).items())
    recorded = pcap.read(name)
    sent = [item for item in recorded if item.source == address]
    numbers = dict.fromkeys(decode(item.payload).my_discriminator for item in sent)
    node = Node(address, Speaker((config,), START, Chance(*numbers), 2))
    line = Line(node)

    def run_until(moment: int) -> None:
        while waiting and waiting[0][0] <= moment:
            at, instances = waiting.pop(0)
            line.run(at - line.now)
            node.speaker.receive(Reconfigure(instances), line.now)
            line.settle(node)
        line.run(max(0, moment - line.now))

    for item in recorded:
        if item.source != address and sent[0].at < item.at <= sent[-1].at:
            run_until(START + item.at - sent[0].at)
            multihop = item.port == 4784
            node.speaker.hear(
                item.payload, item.source, item.source_port, item.destination, item.ttl, multihop, line.now
            )
            line.settle(node)
    run_until(START + sent[-1].at - sent[0].at)
    return [item.payload for item in sent], node


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


def test_frr_after_a_pause_needs_one_round_only() -> None:
    """keepalived let Init expire while FRR's packets went on (RFC 5880 6.8.4 restarts the timer with each of them)."""
    expected, node = replay("ka227-frr-v4.pcap", instance(source=A, **TENTH), A)
    theirs, ours = contents(expected), contents([data for _, _, data in node.sent])
    lost = [decode(data) for data in theirs if data not in ours]
    assert [(packet.state, packet.diagnostic) for packet in lost] == [(State.DOWN, 1)]
    gained = [decode(data) for data in ours if data not in theirs]
    assert [packet.state for packet in gained] == [State.INIT]
    assert [fact for *_, fact in node.changes] == [
        "neighbor_init",
        "neighbor_admin_down",
        "neighbor_down",
        "neighbor_init",
    ]


def test_scripted_peer() -> None:
    """Polls, changes with and without poll, demand, AdminDown: as keepalived, but nothing periodic for min rx 0."""
    expected, node = replay("ka227-scripted-fsm.pcap", instance(source=A), A)
    theirs, ours = contents(expected), contents([data for _, _, data in node.sent])
    zero = next(place for place, data in enumerate(theirs) if decode(data).final) + 4
    assert decode(theirs[zero]).final and not decode(theirs[zero + 1]).final
    # between the answer to the poll with min rx 0 and the answer to the next poll keepalived went on sending
    assert ours == theirs[: zero + 1] + theirs[zero + 3 :]


def test_reloads() -> None:
    """Unchanged, another interval (poll), another multiplier, another name, no instance, the first one again: as
    keepalived, but a neighbor that has been silent for the detection time is forgotten (RFC 5880 6.8.1)."""
    b1 = instance(source=A)
    slower = instance(source=A, min_tx_us=80_000)
    tougher = instance(source=A, min_tx_us=80_000, multiplier=7, idle_tx_us=1_500_000)
    reloads = {1733: (b1,), 2550: (slower,), 2854: (tougher,), 3655: (instance("b9", source=A),), 7550: (), 9034: (b1,)}
    expected, node = replay("ka227-scripted-reload.pcap", b1, A, reloads)
    theirs, ours = contents(expected), contents([data for _, _, data in node.sent])
    forgotten = next(place for place, data in enumerate(theirs) if place and decode(data).state == State.DOWN) + 2
    assert ours[:forgotten] + ours[forgotten + 1 :] == theirs
    assert ours[forgotten] == ours[forgotten - 2]
    assert [decode(data).your_discriminator for data in ours[forgotten - 2 : forgotten + 1]] == [0, 0x11223344, 0]


def test_scripted_faults() -> None:
    """One packet a rule, each on a session that is Down: what keepalived dropped is dropped, for the same reason."""
    recorded = [item for item in pcap.read("ka227-scripted-discards.pcap") if item.source != A]
    verdicts = []
    for item in recorded:
        sessions = (
            instance("b1", source=A),
            instance("hop", Ip.parse("10.99.0.3"), max_hops=5, passive=True),
            instance("any", Ip.parse("10.99.0.4"), max_hops=255, passive=True),
        )
        node = Node(A, Speaker(sessions, START, Chance(), 2))
        node.perform(START)
        node.speaker.hear(item.payload, item.source, item.source_port, A, item.ttl, False, START + 1)
        node.perform(START + 1)
        raised = [str(discard) for discard, count in node.speaker.discards.items() if count]
        heard = [f"{name} Init" for name, session in node.speaker.sessions.items() if session.state is State.INIT]
        verdicts.append((raised + heard or ["heard"])[0])
    assert verdicts == EXPECTED_VERDICTS


EXPECTED_VERDICTS = [
    "b1 Init",
    "ttl",
    "version",
    "version",
    "zero_multiplier",
    "multipoint",
    "zero_my_discriminator",
    "authenticated",
    "b1 Init",  # control plane independent
    "b1 Init",  # echo offered
    "b1 Init",  # diagnostic 8
    "b1 Init",  # diagnostics 9 and 31 are reserved, which is no reason to drop (keepalived did)
    "b1 Init",
    "size_mismatch",
    "size_mismatch",
    "b1 Init",  # 28 bytes that say 28
    "truncated",
    "truncated",
    "too_small",
    "too_small",
    "no_session",
    "zero_your_discriminator",
    "zero_your_discriminator",
    "heard",  # AdminDown changes nothing in Down
    "b1 Init",  # poll
    "b1 Init",  # demand
    "hop Init",
    "hop Init",
    "hop Init",
    "ttl",
    "ttl",
    "any Init",
    "any Init",
]
