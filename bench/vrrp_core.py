"""Cost of the VRRP core alone: microseconds per advert sent and heard, and per instance of a takeover (until the
adverts are ready, and the whole), of a start and of a reload.

Run: python bench/vrrp_core.py [instances]. No sockets, no kernel: what remains of the budget is the shell's.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable

from pykeepalived.config.model import Config
from pykeepalived.config.model.network import IpAddress
from pykeepalived.config.model.values import Ip
from pykeepalived.config.model.vrrp import AuthHmac, AuthType, HmacKey, VrrpInstance
from pykeepalived.vrrp import effects as fx
from pykeepalived.vrrp import inputs
from pykeepalived.vrrp.router import Router

INTERVAL_US = 100_000
ROUNDS = 100


def configuration(count: int, priority: int, **more: object) -> Config:
    """`count` instances, at most 255 to an interface."""
    instances = []
    for number in range(count):
        device = f"eth{number // 255}"
        vip = IpAddress(address=Ip(bytes((10, 1, number >> 8, number & 255))), prefix_length=32, interface=device)
        values: dict[str, object] = {"version": 3, "advert_int_us": INTERVAL_US, **more}
        instances.append(
            VrrpInstance(
                name=f"V{number}",
                interface=device,
                virtual_router_id=number % 255 + 1,
                priority=priority,
                virtual_addresses=(vip,),
                **values,  # type: ignore[arg-type]
            )
        )
    return Config(vrrp_instances=tuple(instances), wants_vrrp=True)


def machine(count: int, host: int) -> inputs.View:
    devices = range((count + 254) // 255)
    return inputs.View(
        interfaces=tuple(
            inputs.Interface(name=f"eth{n}", index=n + 2, mac=bytes((2, 0, 0, 0, n, host))) for n in devices
        ),
        addresses=tuple(
            inputs.Address(interface=f"eth{n}", address=Ip(bytes((192, 0, n, host))), prefix_length=24) for n in devices
        ),
    )


def measure(action: Callable[[], int]) -> float:
    """Microseconds of CPU per unit; the action returns its units. The best of five."""
    best = float("inf")
    for _ in range(5):
        gc.collect()
        gc.disable()
        began = time.process_time_ns()
        units = action()
        spent = time.process_time_ns() - began
        gc.enable()
        best = min(best, spent / 1000 / max(units, 1))
    return best


def packets(effects: list[fx.Effect]) -> list[tuple[fx.Flow, bytes]]:
    return [packet for effect in effects if isinstance(effect, fx.SendAdverts) for packet in effect.packets]


def bench(title: str, count: int, *, repeatable: bool = True, **more: object) -> None:
    now = 10**9
    build = measure(lambda: (Router(configuration(count, 150, **more), machine(count, 1), now, time.time_ns), count)[1])
    master = Router(configuration(count, 150, **more), machine(count, 1), now, time.time_ns)
    backup = Router(configuration(count, 100, **more), machine(count, 2), now, time.time_ns)
    pools = {effect.pool.interface: effect.pool for effect in backup.drain() if isinstance(effect, fx.OpenPool)}
    master.drain()
    clock = master.exact_deadline() or now
    began = time.process_time_ns()
    master.tick(clock)
    effects = master.drain()
    first = (time.process_time_ns() - began) / 1000 / count
    while master.drain():
        pass
    takeover = (time.process_time_ns() - began) / 1000 / count
    sent = packets(effects)
    period = INTERVAL_US * 1000

    def send() -> int:
        nonlocal clock, sent
        total = 0
        for _ in range(ROUNDS):
            clock += period
            master.tick(clock)
            sent = packets(master.drain())
            total += len(sent)
        return total

    def hear() -> int:
        nonlocal heard_at
        total = 0
        for _ in range(ROUNDS):
            heard_at += period
            for flow, data in sent:
                backup.hear(pools[flow.pool.interface], data, heard_at)
            deadline = backup.deadline()
            if deadline is not None and deadline <= heard_at:
                backup.tick(heard_at)
            backup.drain()
            total += len(sent)
        return total

    sending = measure(send)
    heard_at = now + 1000
    for flow, data in sent:
        backup.hear(pools[flow.pool.interface], data, heard_at)
    hearing = measure(hear) if repeatable else float("nan")
    changed = configuration(count, 150, **more)
    reload = measure(
        lambda: (master.receive(inputs.Reload(changed, machine(count, 1)), clock), master.drain(), count)[2]
    )
    print(f"{title:28} {count:6} {sending:8.2f} {hearing:8.2f} {first:8.1f} {takeover:8.1f} {build:8.1f} {reload:8.1f}")


def main() -> None:
    counts = [int(word) for word in sys.argv[1:]] or [10, 255, 1000, 8000]
    columns = ("sent", "heard", "adverts", "takeover", "start", "reload")
    print(f"{'us per':28} {'number':>6} " + " ".join(f"{word:>8}" for word in columns))
    for count in counts:
        bench("version 3 multicast", count)
    key = HmacKey(id=1, secret=bytes(32))
    hmac = AuthHmac(keys=(key,), active_key=1, anti_replay="monotonic")
    bench("version 3 auth_hmac", 255, repeatable=False, auth_hmac=hmac)
    # faster than version 2 allows, to be comparable
    bench("version 2 AH", 255, repeatable=False, version=2, auth_type=AuthType.AH, auth_pass=b"secret12")


if __name__ == "__main__":
    main()
