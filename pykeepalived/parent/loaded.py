"""What a reading of the configuration came to, in the terms of the parent: a configuration or a refusal, and texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field

from pykeepalived.config.model import Config
from pykeepalived.light_dataclasses import dataclass
from pykeepalived.observe.cause import LogLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """One reading of the files.

    `config` is None when nothing can be run from it; `refusal` is then the exit status of a start. `check_status` is
    what a config test would have exited with. `lines` are for the log, `messages` as a config test prints them.
    `texts` are the files read, by name and in order.
    """

    config: Config | None
    refusal: int = 0
    check_status: int = 0
    lines: tuple[LogLine, ...] = ()
    messages: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)


Loader = Callable[[], Loaded]
