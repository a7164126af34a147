"""Reload = load, check, plan, commit: one at a time, and only a configuration that can be run replaces another.

The children do the rest (children.py); this module decides whether there is anything for them to do.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Protocol

from pykeepalived.config.model import Config
from pykeepalived.light_dataclasses import dataclass
from pykeepalived.parent.loaded import Loader
from pykeepalived.runtime.log import Log
from pykeepalived.runtime.scheduling import give_way, stand_up


class ReloadEvents(Protocol):
    """What a reload does to the rest of the parent."""

    def on_reload_accepted(self, config: Config) -> None:
        """Hand the new configuration out. `Reloader.completed` is to be called when every child has adopted it."""

    def on_reload_refused(self, reason: str) -> None:
        """Nothing changes."""


@dataclass(frozen=True, slots=True)
class ReloadOutcome:
    """How a reload ended: what an operator who asked for it is told."""

    accepted: bool
    reason: str = ""
    messages: tuple[str, ...] = ()


Done = Callable[[ReloadOutcome], object]


def unchangeable(old: Config, new: Config) -> tuple[str, ...]:
    """Names of the settings that differ and need a restart, in keepalived's words."""
    before, after = old.globals, new.globals
    pairs = (
        ("network namespace", before.net_namespace, after.net_namespace),
        ("IPVS network namespace", before.net_namespace_ipvs, after.net_namespace_ipvs),
        ("instance name", before.instance, after.instance),
        ("nftables table name", before.firewall.nftables_table, after.firewall.nftables_table),
        ("IPVS nftables table name", before.firewall.nftables_ipvs_table, after.firewall.nftables_ipvs_table),
        ("config_directory", before.tmp_config_directory, after.tmp_config_directory),
        (
            "disable_local_igmp",
            before.vrrp_defaults.disable_local_igmp,
            after.vrrp_defaults.disable_local_igmp,
        ),
    )
    return tuple(name for name, was, will_be in pairs if was != will_be)


class Reloader:
    """Serves reload requests one after the other; requests that come meanwhile become one more."""

    def __init__(self, log: Log, loader: Loader, events: ReloadEvents, running: Callable[[], Config]) -> None:
        self._log = log
        self._loader = loader
        self._events = events
        self._running = running
        self._busy = True
        self._queued = False
        self._done: list[Done] = []
        self._queued_done: list[Done] = []
        self._messages: tuple[str, ...] = ()
        self.reload_file = ""

    @property
    def busy(self) -> bool:
        """A start or reload is in progress."""
        return self._busy

    def request(self, done: Done | None = None) -> None:
        """Reload now, or after the start or reload in progress; `done` is told how it ended."""
        if self._busy:
            self._queued = True
            if done is not None:
                self._queued_done.append(done)
            self._log.info("Reload already in progress, request queued", detail=1)
            return
        self._done = [done] if done is not None else []
        self._begin()

    def completed(self) -> None:
        """The start or reload in progress is complete."""
        self._end(ReloadOutcome(True, messages=self._messages))

    def _end(self, outcome: ReloadOutcome) -> None:
        stand_up()
        self._busy = False
        done, self._done = self._done, []
        for callback in done:
            callback(outcome)
        if self._queued and not self._busy:
            self._queued = False
            self._done, self._queued_done = self._queued_done, []
            self._begin()

    def _begin(self) -> None:
        """Until the end of the reload this process and the checkers give way to who has to be on time."""
        give_way()
        self._busy = True
        old = self._running()
        checking = old.globals.reload_check_config
        if checking:
            self._log.info("validate conf before Reload", detail=1)
        else:
            self._log.info("Reloading ...")
        try:
            with reading(self.reload_file):
                loaded = self._loader()
        except Exception as error:
            self._messages = ()
            self._refuse(f"Reload refused: internal error {type(error).__name__}: {error}")
            return
        self._messages = loaded.messages
        if checking:
            write_report(checking, loaded.messages)
            if loaded.check_status != 0 or loaded.config is None:
                self._refuse(f"New config failed validation, see {checking} for details")
                return
            self._log.info("Reloading ...")
        for line in loaded.lines:
            self._log.write(line)
        if loaded.config is None:
            self._refuse("Reload refused: the new configuration cannot be used, the running one stays in force")
            return
        fixed = unchangeable(old, loaded.config)
        if fixed:
            for name in fixed:
                self._log.info(f"Cannot change {name} at a reload - please restart keepalived")
            self._refuse(f"Reload refused: {', '.join(fixed)} cannot be changed, the running one stays in force")
            return
        try:
            self._events.on_reload_accepted(loaded.config)
        except Exception as error:
            self._refuse(f"Reload failed: internal error {type(error).__name__}: {error}")

    def _refuse(self, reason: str) -> None:
        self._log.error(reason)
        self._events.on_reload_refused(reason)
        self._end(ReloadOutcome(False, reason, self._messages))


@contextlib.contextmanager
def reading(path: str) -> Iterator[None]:
    """The reload file exists while configuration files are being read; "" = no such file is wanted."""
    if not path:
        yield
        return
    with contextlib.suppress(OSError):
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(path, flags, 0o644)
        os.fchmod(fd, 0o644)
        os.close(fd)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)


def write_report(path: str, messages: tuple[str, ...]) -> None:
    """Put the messages of a check into the file of reload_check_config; a failure to write is not worth a reload."""
    with contextlib.suppress(OSError):
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, 0o644), "w", encoding="utf-8") as file:
            file.writelines(f"{message}\n" for message in messages)
