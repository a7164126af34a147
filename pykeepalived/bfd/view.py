"""What the BFD core looks like from outside: the snapshot for dumps, status and metrics. Reads, never changes."""

from __future__ import annotations

from collections.abc import Callable

from pykeepalived.bfd.session import Session
from pykeepalived.bfd.speaker import Speaker
from pykeepalived.bfd.table import diagnostic_text
from pykeepalived.observe.snapshot import BfdSessionSnapshot


def session_snapshot(session: Session, fd_out: int = -1) -> BfdSessionSnapshot:
    """One session at this moment; `fd_out` is the descriptor it sends from, -1 = none."""
    config = session.config
    return BfdSessionSnapshot(
        name=config.name,
        fd_out=fd_out,
        transmit_timer_ns=session.send_at or 0,
        detection_timer_ns=session.expire_at or 0,
        reset_timer_ns=session.reset_at or 0,
        send_error=session.send_error,
        local_state=session.state.text,
        remote_state=session.remote_state.text,
        local_discriminator=session.local_discriminator,
        remote_discriminator=session.remote_discriminator,
        local_diagnostic=diagnostic_text(session.local_diagnostic),
        remote_diagnostic=diagnostic_text(session.remote_diagnostic),
        remote_min_tx_us=session.remote_min_tx_us,
        remote_min_rx_us=session.remote_min_rx_us,
        remote_demand=int(session.remote_demand),
        remote_multiplier=session.remote_multiplier,
        poll=session.polling,
        final=session.finaling,
        local_tx_us=session.tx_us,
        remote_tx_us=session.remote_tx_us,
        local_detection_us=session.detect_us,
        remote_detection_us=config.multiplier * session.tx_us,
        last_seen_ns=session.last_seen or 0,
        last_change_ns=session.changed_at,
        packets_sent=session.counters.sent,
        packets_received=session.counters.heard,
        packets_discarded=session.counters.discarded,
        cause=session.cause,
    )


def session_snapshots(speaker: Speaker, fd_out: Callable[[str], int]) -> tuple[BfdSessionSnapshot, ...]:
    """All sessions in the order of the configuration; `fd_out` finds the descriptor of a session by name."""
    return tuple(session_snapshot(session, fd_out(name)) for name, session in speaker.sessions.items())
