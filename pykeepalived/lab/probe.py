"""A client that pings addresses at a fixed pace and says which MAC address answered when.

Runs as a program inside a namespace: `python -m pykeepalived.lab.probe INTERVAL_MS SECONDS ADDRESS...`; prints one line
`monotonic_ns address mac` for every reply. Sending is a raw ICMP socket (the kernel resolves the neighbour),
listening a packet socket, because only the frame tells who answered.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import sys
import time

ETH_P_IP, ETH_P_IPV6 = 0x0800, 0x86DD
ICMP_ECHO_REPLY, ICMPV6_ECHO_REPLY = 0, 129


def checksum(data: bytes) -> int:
    """Internet checksum (RFC 1071)."""
    total = int.from_bytes(data + b"\0" * (len(data) % 2), "big") % 65535
    return 0xFFFF - (total or 0xFFFF)


def echo_request(identifier: int, sequence: int) -> bytes:
    """An ICMP echo request of 8 bytes (RFC 792)."""
    head = struct.pack("!BBHHH", 8, 0, 0, identifier, sequence & 0xFFFF)
    return head[:2] + struct.pack("!H", checksum(head)) + head[4:]


def reply_source(frame: bytes, identifier: int) -> tuple[str, str] | None:
    """(address, MAC) when the frame is an echo reply to us, else None."""
    if len(frame) < 42:
        return None
    kind = int.from_bytes(frame[12:14], "big")
    mac = frame[6:12].hex(":")
    if kind == ETH_P_IP and frame[23] == socket.IPPROTO_ICMP:
        icmp = 14 + (frame[14] & 15) * 4
        if frame[icmp] == ICMP_ECHO_REPLY and int.from_bytes(frame[icmp + 4 : icmp + 6], "big") == identifier:
            return socket.inet_ntop(socket.AF_INET, frame[26:30]), mac
    if kind == ETH_P_IPV6 and frame[20] == socket.IPPROTO_ICMPV6 and frame[54] == ICMPV6_ECHO_REPLY:
        return socket.inet_ntop(socket.AF_INET6, frame[22:38]), mac
    return None


def probe(interval_ns: int, until_ns: int, addresses: list[str]) -> None:
    """Ping every address each interval until the end; a lost reply is simply a missing line."""
    identifier = os.getpid() & 0xFFFF
    listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    v4 = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    v6 = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    for sender in (v4, v6):
        sender.setblocking(False)
    sequence, due = 0, time.monotonic_ns()
    while (now := time.monotonic_ns()) < until_ns:
        if now >= due:
            for address in addresses:
                try:
                    if ":" in address:
                        v6.sendto(struct.pack("!BBHHH", 128, 0, 0, identifier, sequence & 0xFFFF), (address, 0))
                    else:
                        v4.sendto(echo_request(identifier, sequence), (address, 0))
                except OSError:
                    pass
            sequence, due = sequence + 1, due + interval_ns
            continue
        if select.select([listener], [], [], (due - now) / 1e9)[0]:
            source = reply_source(listener.recv(2048), identifier)
            if source:
                print(time.monotonic_ns(), *source, flush=True)


if __name__ == "__main__":
    pace, seconds = float(sys.argv[1]), float(sys.argv[2])
    probe(int(pace * 1e6), time.monotonic_ns() + int(seconds * 1e9), sys.argv[3:])
