"""What is fuzzed: a target takes any bytes and may raise nothing but its own error, which stays inside."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from pykeepalived.bfd import packet as bfd_packet
from pykeepalived.cli.replay import replay_text
from pykeepalived.notify import agentx
from pykeepalived.observe.codec import CodecError
from pykeepalived.observe.control import ProtocolError, read_request
from pykeepalived.runtime import bfd_pipe
from pykeepalived.vrrp import packet, receive

CORPUS = Path(__file__).parent / "corpus"
"""A directory for each target: inputs that once led somewhere new."""


def _vrrp(data: bytes) -> None:
    with contextlib.suppress(packet.VrrpPacketError):
        datagram = receive.open_datagram(data, b"", b"", -1)
        packet.decode(data[datagram.offset :], 4)
    with contextlib.suppress(packet.VrrpPacketError):
        packet.decode(data, 6)


def _bfd(data: bytes) -> None:
    with contextlib.suppress(bfd_packet.BfdPacketError):
        bfd_packet.decode(data)


def _pipe(data: bytes) -> None:
    with contextlib.suppress(bfd_pipe.BfdPipeError):
        bfd_pipe.decode_events(data)


def _control(data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        read_request(data)


def _agentx(data: bytes) -> None:
    with contextlib.suppress(agentx.AgentXError):
        agentx.decode(data)


def _record(data: bytes) -> None:
    with contextlib.suppress(CodecError):
        replay_text(data.decode(errors="replace"))


def _config(data: bytes) -> None:
    from tests.fuzz.test_config_text import consistent

    consistent(data.decode(errors="replace"))


TARGETS: dict[str, Callable[[bytes], None]] = {
    "vrrp": _vrrp,
    "bfd": _bfd,
    "pipe": _pipe,
    "control": _control,
    "agentx": _agentx,
    "record": _record,
    "config": _config,
}
