"""From the model of a checker to its state machine. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pykeepalived.config.model.ipvs import (
    BfdCheck,
    Checker,
    DnsCheck,
    FileCheck,
    HttpCheck,
    MiscCheck,
    PingCheck,
    SmtpCheck,
    TcpCheck,
    UdpCheck,
)
from pykeepalived.ipvs.checks.dns import DnsState
from pykeepalived.ipvs.checks.events import BfdState, FileState
from pykeepalived.ipvs.checks.framework import CheckState
from pykeepalived.ipvs.checks.http import HttpState
from pykeepalived.ipvs.checks.misc import MiscState
from pykeepalived.ipvs.checks.ping import PingState
from pykeepalived.ipvs.checks.smtp import SmtpState
from pykeepalived.ipvs.checks.tcp import TcpState
from pykeepalived.ipvs.checks.udp import UdpState


def make(
    model: Checker, real: Any, real_name: str, virtual_name: str, random_below: Callable[[int], int]
) -> CheckState[Any]:
    """The state machine of one configured checker; `random_below(n)` gives 0..n-1."""
    match model:
        case TcpCheck():
            return TcpState(model, real, real_name, virtual_name)
        case HttpCheck():
            return HttpState(model, real, real_name, virtual_name)
        case SmtpCheck():
            return SmtpState(model, real, real_name, virtual_name)
        case DnsCheck():
            return DnsState(model, real, real_name, virtual_name, random_below)
        case MiscCheck():
            return MiscState(model, real, real_name, virtual_name)
        case UdpCheck():
            return UdpState(model, real, real_name, virtual_name)
        case PingCheck():
            return PingState(model, real, real_name, virtual_name)
        case BfdCheck():
            return BfdState(model, real, real_name, virtual_name)
        case FileCheck():
            return FileState(model, real, real_name, virtual_name)
    from pykeepalived.ipvs.checks import extra  # what few need

    return extra.make(model, real, real_name, virtual_name)
