"""The BFD process in this process: what one effect meets."""

from __future__ import annotations

import socket

import pytest

from pykeepalived.bfd import effects
from pykeepalived.bfd.process import BfdProcess
from pykeepalived.config.model import Config
from pykeepalived.runtime.child import ChildContext, DaemonOptions
from pykeepalived.runtime.log import Log
from pykeepalived.runtime.loop import Loop
from pykeepalived.runtime.messages import BfdEvent, ChildKind


def test_an_error_over_one_effect_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, parent = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    context = ChildContext(kind=ChildKind.BFD, config=Config(), options=DaemonOptions(), channel=ours, log=Log([], 0))
    loop = Loop()
    try:
        process = BfdProcess(context, loop)
        errors: list[Exception] = []
        monkeypatch.setattr(loop, "on_error", errors.append)
        told: list[BfdEvent] = []

        def tell(kind: ChildKind, event: BfdEvent) -> None:
            if kind is ChildKind.VRRP:
                raise ValueError("x")
            told.append(event)

        event = BfdEvent("b", False, 1)
        wanted = [[effects.Tell(event, (kind,)) for kind in (ChildKind.VRRP, ChildKind.CHECKER)], []]
        monkeypatch.setattr(process, "_tell", tell)
        monkeypatch.setattr(process.speaker, "drain", lambda: wanted.pop(0))
        process._perform()
        assert told == [event]
        assert [str(error) for error in errors] == ["x"]
    finally:
        loop.close()
        parent.close()
