"""The BFD core alone, without sockets: microseconds per packet heard and sent. `python -m bench.bfd_core`."""

from __future__ import annotations

import time
from random import Random

from bench.figures import Row, markdown
from pykeepalived.bfd.effects import DrainSockets, OpenTransmitter, SendPacket, SocketsDrained, TransmitterOpened
from pykeepalived.bfd.packet import ControlPacket, encode
from pykeepalived.bfd.speaker import Speaker
from pykeepalived.bfd.table import State
from pykeepalived.config.model.bfd import BfdInstance
from pykeepalived.config.model.values import Ip

OWN = Ip.parse("10.99.0.1")
START = 1_000_000_000


def speaker(count: int) -> tuple[Speaker, list[tuple[bytes, Ip]]]:
    """A core with `count` sessions up, and the packet that each neighbor repeats."""
    neighbors = [Ip(b"\x0a\x63" + (256 + number).to_bytes(2, "big")) for number in range(count)]
    configs = tuple(
        BfdInstance(name=f"b{number}", neighbor=address, min_rx_us=50_000, min_tx_us=50_000)
        for number, address in enumerate(neighbors)
    )
    core = Speaker(configs, START, Random(1))
    for effect in core.drain():
        if isinstance(effect, OpenTransmitter):
            core.receive(TransmitterOpened(effect.instance.name), START)
    repeated = []
    for session, address in zip(core.sessions.values(), neighbors, strict=True):
        mine = session.local_discriminator
        for packet in (
            ControlPacket(State.INIT, 0, 5, 7, mine, 50_000, 50_000),
            ControlPacket(State.UP, 0, 5, 7, mine, 50_000, 50_000, final=True),
            ControlPacket(State.UP, 0, 5, 7, mine, 50_000, 50_000),
        ):
            core.hear(encode(packet), address, 50_000, OWN, 255, False, START)
        repeated.append((encode(packet), address))
    core.drain()
    return core, repeated


def measure() -> list[Row]:
    rows = []
    for count in (1, 64, 256):
        core, repeated = speaker(count)
        now, heard, sent = START, 0, 0
        hearing = sending = 0
        while heard + sent < 200_000:
            for data, address in repeated:
                begin = time.perf_counter_ns()
                core.hear(data, address, 50_000, OWN, 255, False, now)
                hearing += time.perf_counter_ns() - begin
                heard += 1
            end = sent + count
            while sent < end:
                due = core.deadline()
                assert due is not None
                now = max(now, due)
                begin = time.perf_counter_ns()
                core.tick(now)
                effects = core.drain()
                core.deadline()
                sending += time.perf_counter_ns() - begin
                sent += sum(isinstance(effect, SendPacket) for effect in effects)
                if any(isinstance(effect, DrainSockets) for effect in effects):
                    core.receive(SocketsDrained(), now)
        rows.append(Row(f"heard, {count} sessions", "us", [hearing / heard / 1000]))
        rows.append(Row(f"sent, {count} sessions", "us", [sending / sent / 1000]))
    return rows


if __name__ == "__main__":
    print(markdown(measure()))
