"""What a reading of the configuration came to, in the terms of the parent: a configuration or a refusal, and texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pykeepalived.config.model import Config
from pykeepalived.observe.cause import LogLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """One reading of the files.

    `config` is None when nothing can be run from it; `refusal` is then the exit status of a start. `check_status` is
    what a config test would have exited with. `lines` are for the log, `messages` as a config test prints them.
    """

    config: Config | None
    refusal: int = 0
    check_status: int = 0
    lines: tuple[LogLine, ...] = ()
    messages: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


Loader = Callable[[], Loaded]
