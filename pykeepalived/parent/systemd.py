"""What systemd is told: ready, reloading, stopping, status, alive. Silent wherever nobody listens (sd_notify(3))."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, MutableMapping

Send = Callable[[str], None]


class ServiceManager:
    """The notification socket of the service manager, or nothing.

    The variables are removed from the environment, so that neither children nor scripts speak for the daemon.
    `watchdog_ns` is how often systemd wants a sign of life (0 = never).
    """

    def __init__(self, environment: MutableMapping[str, str], send: Send | None = None) -> None:
        path = environment.pop("NOTIFY_SOCKET", "")
        interval = environment.pop("WATCHDOG_USEC", "0")
        owner = environment.pop("WATCHDOG_PID", "")
        self._path = path
        self._send = send or (self._notify if path else None)
        mine = not owner or owner == str(os.getpid())
        self.watchdog_ns = int(interval) * 1000 if self._send and mine and interval.isdigit() else 0

    def ready(self, status: str) -> None:
        """Start or reload is complete."""
        self._tell(f"READY=1\nMAINPID={os.getpid()}\nSTATUS={status}")

    def reloading(self, now_ns: int) -> None:
        """A reload was accepted. `now_ns` is CLOCK_MONOTONIC, which Type=notify-reload requires."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={now_ns // 1000}\nSTATUS=Reloading")

    def stopping(self) -> None:
        self._tell("STOPPING=1\nSTATUS=Stopping")

    def failed(self, errno: int) -> None:
        """A child ended with an error that starting it again cannot mend."""
        self._tell(f"ERRNO={errno}")

    def alive(self) -> None:
        self._tell("WATCHDOG=1")

    def _tell(self, message: str) -> None:
        if self._send is not None:
            self._send(message)

    def _notify(self, message: str) -> None:
        from systemd import daemon

        with contextlib.suppress(OSError):
            os.environ["NOTIFY_SOCKET"] = self._path
            try:
                daemon.notify(message)
            finally:
                os.environ.pop("NOTIFY_SOCKET", None)
