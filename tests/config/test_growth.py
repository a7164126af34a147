"""Work grows with the length of the file, not with its square: calls are counted, no clock is read."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

import pytest

from tests.config.support import run


def calls(work: Callable[[], object]) -> int:
    """How many functions are called, those written in C included."""
    count = 0

    def profile(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def instances(number: int) -> str:
    return (
        "".join(
            f"vrrp_instance I{n} {{\n interface eth0\n virtual_router_id {n % 255 + 1}\n use_vmac v{n}\n"
            f" mcast_dst_ip 224.1.{n // 255}.18\n track_interface {{\n eth1\n }}\n"
            f" virtual_ipaddress {{\n 10.{n // 250}.{n % 250}.1/24\n }}\n}}\n"
            for n in range(number)
        )
        + "vrrp_sync_group G {\n group {\n"
        + "".join(f" I{n}\n" for n in range(number))
        + " }\n}\n"
    )


def servers(number: int) -> str:
    return "".join(
        f"virtual_server 10.{n // 250}.{n % 250}.1 80 {{\n protocol TCP\n lb_kind NAT\n lb_algo rr\n"
        + "".join(f" real_server 192.168.{n % 250}.{m} 80 {{\n TCP_CHECK {{\n }}\n }}\n" for m in range(1, 6))
        + "}\n"
        for n in range(number)
    )


def mistakes(number: int) -> str:
    return "global_defs {\n" + "".join(f" nonsense{n} x\n" for n in range(number)) + "}\n"


def loops(number: int) -> str:
    return f"$B=static_ipaddress {{ \\\n 10.0.0.${{K}} \\\n }}\n~SEQ(K, 1, {number}) $B\n"


def one_vrid(number: int) -> str:
    return "global_defs {\n dynamic_interfaces\n}\n" + "".join(
        f"vrrp_instance I{n} {{\n interface eth0\n virtual_router_id 7\n use_vmac v{n}\n"
        f" mcast_dst_ip 224.1.{n // 255}.{n % 255}\n"
        f" virtual_ipaddress {{\n 10.{n // 250}.{n % 250}.1/24 dev eth{n % 2}\n }}\n}}\n"
        for n in range(number)
    )


@pytest.mark.parametrize("text", [instances, servers, mistakes, loops, one_vrid])
def test_twice_the_text_is_twice_the_work(text: Callable[[int], str]) -> None:
    for warm in (100, 400):
        run(text(warm))
    once, twice = (calls(lambda text=text, n=number: run(text(n))) for number in (400, 800))  # type: ignore[misc]
    assert twice < once * 2.3, (once, twice)
