"""keepalived_bfd.data, the dump of the BFD process."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo

from pykeepalived.config.model import Config
from pykeepalived.config.model.bfd import BfdInstance
from pykeepalived.observe.dump.globals import global_lines
from pykeepalived.observe.dump.text import Moments, true_false
from pykeepalived.observe.snapshot import BfdSessionSnapshot, BfdSnapshot

_NO_POINTER = "0x0"


def bfd_data(config: Config, snapshot: BfdSnapshot, zone: tzinfo | None = None) -> str:
    """The text of keepalived_bfd.data."""
    return "".join(f"{line}\n" for line in bfd_lines(config, snapshot, zone))


def bfd_lines(config: Config, snapshot: BfdSnapshot, zone: tzinfo | None = None, state: bool = True) -> Iterator[str]:
    """The same, line by line; without `state` only what the configuration says (for the log with --dump-conf)."""
    moments = Moments(snapshot.taken, zone)
    yield from global_lines(config, snapshot.realtime_priority, config.globals.bfd.rlimit_rttime_us)
    if state:
        yield "------< BFD Data >------"
        if snapshot.fd_in >= 0:
            yield f" fd_in = {snapshot.fd_in}"
        if snapshot.multihop_fd_in >= 0:
            yield f" multihop fd_in = {snapshot.multihop_fd_in}"
        yield f" thread_in = {_NO_POINTER}"
    if not config.bfd_instances:
        return
    yield "------< BFD Topology >------"
    now = {session.name: session for session in snapshot.sessions}
    for instance in config.bfd_instances:
        yield f" BFD Instance = {instance.name}"
        for line in _configured(instance):
            yield f"   {line}"
        if state:
            for line in _state(now.get(instance.name) or BfdSessionSnapshot(name=instance.name), moments):
                yield f"   {line}"


def _configured(instance: BfdInstance) -> Iterator[str]:
    yield f"Neighbor IP = {instance.neighbor}"
    if instance.source is not None:
        yield f"Source IP = {instance.source}"
    yield f"Required min RX interval = {instance.min_rx_us} us"
    yield f"Desired min TX interval = {instance.min_tx_us} us"
    yield f"Desired idle TX interval = {instance.idle_tx_us} us"
    yield f"Detection multiplier = {instance.multiplier}"
    yield f"{'TTL' if instance.neighbor.family == 4 else 'hoplimit'} = {instance.ttl}"
    yield f"max_hops = {instance.max_hops}"
    yield f"passive = {true_false(instance.passive)}"
    yield f"send event to VRRP process = {'Yes' if instance.to_vrrp else 'No'}"
    yield f"send event to checker process = {'Yes' if instance.to_checker else 'No'}"


def _state(now: BfdSessionSnapshot, moments: Moments) -> Iterator[str]:
    def timer(moment: int) -> str:
        return moments.full(moment) if moment else "[disabled]"

    yield f"fd_out {now.fd_out}"
    yield f"thread_open_fd_out {_NO_POINTER}"
    yield f"thread_out {_NO_POINTER}"
    yield f"sands_out = {timer(now.transmit_timer_ns)}"
    yield f"thread_exp {_NO_POINTER}"
    yield f"sands_exp = {timer(now.detection_timer_ns)}"
    yield f"thread_rst {_NO_POINTER}"
    yield f"sands_rst = {timer(now.reset_timer_ns)}"
    yield f"send error = {true_false(now.send_error)}"
    yield f"local state = {now.local_state}"
    yield f"remote state = {now.remote_state}"
    yield f"local discriminator = 0x{now.local_discriminator:x}"
    yield f"remote discriminator = 0x{now.remote_discriminator:x}"
    yield f"local diag = {now.local_diagnostic}"
    yield f"remote diag = {now.remote_diagnostic}"
    yield f"remote min tx intv = {now.remote_min_tx_us} us"
    yield f"remote min rx intv = {now.remote_min_rx_us} us"
    yield f"local demand = {now.local_demand}"
    yield f"remote demand = {now.remote_demand}"
    yield f"remote detect multiplier = {now.remote_multiplier}"
    yield f"{'' if now.poll else '!'}poll, {'' if now.final else '!'}final"
    yield f"local tx intv = {now.local_tx_us} us"
    yield f"remote tx intv = {now.remote_tx_us} us"
    yield f"local detection time = {now.local_detection_us} us"
    yield f"remote detection time = {now.remote_detection_us} us"
    if now.last_seen_ns:
        yield f"last seen = {moments.year_first(now.last_seen_ns)}"
    else:
        yield "last_seen = [never]"
