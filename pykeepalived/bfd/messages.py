"""The lines the BFD process logs, in keepalived's words, as data. Who logs when: session.py and speaker.py."""

from __future__ import annotations

from pykeepalived.bfd.effects import StateChanged
from pykeepalived.bfd.table import State, diagnostic_text
from pykeepalived.observe.cause import LogLine, Priority

ALWAYS, DETAILED, VERY_DETAILED = 0, 1, 2


def state_changed(change: StateChanged) -> list[LogLine]:
    """A session has left a state for another; Down tells both diagnostics, and how long nothing was heard."""
    name, new, was_up = change.name, change.new, change.old is State.UP
    detail = VERY_DETAILED if new is State.INIT or (new is State.DOWN and not was_up) else ALWAYS
    priority = Priority.WARNING if new in (State.DOWN, State.ADMIN_DOWN) else Priority.INFO
    lines = []
    if change.silence_us is not None:
        silence = f"({name}) Expired after {change.silence_us // 1000} ms ({change.overdue_us} usec overdue)"
        lines.append(LogLine(silence, priority, detail, {"INSTANCE": name}))
    text = f"({name}) Entering {new.text} state"
    if new is State.DOWN:
        local, remote = diagnostic_text(change.local_diagnostic), diagnostic_text(change.remote_diagnostic)
        text += f" (Local diagnostic - {local}, Remote diagnostic - {remote})"
    fields = {"INSTANCE": name, "STATE": new.text, "CAUSE": str(change.cause)}
    lines.append(LogLine(text, priority, detail, fields))
    return lines


def detection_time(name: str, now_us: int, before_us: int) -> LogLine:
    """The detection time has changed."""
    return LogLine(f"{_margin(name)} Detection time is {now_us} us (was {before_us} us)", fields={"INSTANCE": name})


def parameters(
    name: str, local: tuple[int, int, int, int, int], remote: tuple[int, int, int, int, int], detail: int
) -> list[LogLine]:
    """The table of both sides: min_tx, min_rx, tx_intv, mult, detect_time."""
    margin = _margin(name)
    return [
        LogLine(text, detail=detail, fields={"INSTANCE": name})
        for text in (
            f"({name}) ---------------< Session parameters >--------------",
            f"{margin}          min_tx  min_rx  tx_intv  mult  detect_time",
            f"{margin}{_row('local', local)}",
            f"{margin}{_row('remote', remote)}",
        )
    ]


def _row(side: str, values: tuple[int, int, int, int, int]) -> str:
    min_tx, min_rx, interval, multiplier, detect = values
    return f" {side:<6}{min_tx:>9}{min_rx:>8}{interval:>9}{multiplier:>6}{detect:>13}"


def _margin(name: str) -> str:
    return " " * (len(name) + 2)


def poll_started(name: str) -> LogLine:
    return LogLine(f"({name}) Starting poll sequence", detail=DETAILED, fields={"INSTANCE": name})


def socket_failed(name: str, reason: str, detail: int) -> list[LogLine]:
    """The sending socket cannot be opened."""
    return [
        LogLine(f"({name}) {text}", Priority.ERROR, detail, {"INSTANCE": name})
        for text in (reason, "Unable to open output socket, disabling instance")
    ]


def send_failed(name: str, reason: str) -> list[LogLine]:
    """The first packet that could not be sent."""
    return [
        LogLine(f"sendto() error ({reason})", Priority.ERROR, fields={"INSTANCE": name}),
        LogLine(f"({name}) Error sending packet", Priority.ERROR, fields={"INSTANCE": name}),
    ]


def bogus(fault: str, source: str, port: int) -> list[LogLine]:
    """A datagram that no rule lets in."""
    return [_discard(fault), _discard(f"Discarding bogus packet from [{source}]:{port}")]


def truncated(fault: str) -> list[LogLine]:
    """A datagram too long to be looked at."""
    return [_discard(fault)]


def discarding(source: str, port: int, reason: str) -> list[LogLine]:
    """A sound packet that cannot be used."""
    return [_discard(f"Discarding packet from [{source}]:{port} ({reason})")]


def no_session(discriminator: int) -> str:
    return f"session is not found - your discriminator field is 0x{discriminator:x}"


def not_the_neighbor(name: str) -> str:
    return f"the discriminator belongs to ({name}), whose neighbor has another address"


AUTHENTICATED = "auth bit is set, but no authentication  is in use"
ADMIN_DOWN = "session is in AdminDown state"


def ttl_too_low(family: int, ttl: int, least: int) -> list[LogLine]:
    word = "ttl" if family == 4 else "hop_limit"
    return [_discard(f"Packet {word}({ttl}) < {least} - discarding")]


def not_logged(count: int) -> list[LogLine]:
    """Too many faulty packets to log each of them."""
    return [_discard(f"Discarding of {count} more packets was not logged")]


def flooded(window_ns: int, duration_ns: int) -> list[LogLine]:
    """Unusable packets come faster than they should be looked at."""
    window, seconds = window_ns // 1_000_000, duration_ns // 1_000_000_000
    text = f"Too many packets discarded in {window} ms - for {seconds} s the kernel drops what is of no session"
    return [LogLine(text, Priority.WARNING)]


def _discard(text: str) -> LogLine:
    return LogLine(text, Priority.ERROR, DETAILED)
