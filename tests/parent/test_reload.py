"""Reload requests, one at a time, whatever becomes of the one before."""

from __future__ import annotations

import os

import pytest

from pykeepalived.config.model import Config
from pykeepalived.parent.loaded import Loaded
from pykeepalived.parent.reload import Reloader
from pykeepalived.runtime.log import Log


class Events:
    """Takes over a configuration, or fails at it."""

    def __init__(self):
        self.error = None
        self.accepted = 0
        self.refused = []

    def on_reload_accepted(self, config):
        if self.error is not None:
            raise self.error
        self.accepted += 1

    def on_reload_refused(self, reason):
        self.refused.append(reason)


def test_an_error_while_handing_out_a_configuration_does_not_hold_up_later_reloads():
    events = Events()
    outcomes = []
    reloader = Reloader(Log(), lambda: Loaded(config=Config()), events, Config)
    reloader.completed()
    events.error = OSError(24, "Too many open files")
    reloader.request(outcomes.append)
    assert [outcome.accepted for outcome in outcomes] == [False]
    assert events.refused == ["Reload failed: internal error OSError: [Errno 24] Too many open files"]
    events.error = None
    reloader.request(outcomes.append)
    assert events.accepted == 1
    reloader.completed()
    assert [outcome.accepted for outcome in outcomes] == [False, True]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_reload_gives_way_until_its_end():
    usual, seen = os.getpriority(os.PRIO_PROCESS, 0), []

    def load():
        seen.append(os.getpriority(os.PRIO_PROCESS, 0))
        return Loaded(config=Config())

    reloader = Reloader(Log(), load, Events(), Config)
    reloader.completed()
    reloader.request()
    seen.append(os.getpriority(os.PRIO_PROCESS, 0))
    reloader.completed()
    assert seen == [usual + 10] * 2
    assert os.getpriority(os.PRIO_PROCESS, 0) == usual
