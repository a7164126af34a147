"""BFD_CHECK and FILE_CHECK: checkers that are told, without timer or retry. Pure."""

from __future__ import annotations

from typing import Any

from pykeepalived.config.model.ipvs import BfdCheck, FileCheck
from pykeepalived.ipvs.checks.framework import CheckState, Conclusion

_FAULT_PRODUCT = -(2**31)


class BfdState(CheckState[BfdCheck]):
    """One BFD_CHECK: up only while the session is Up."""

    __slots__ = ()
    timed = False

    def same_as(self, old: CheckState[Any]) -> bool:
        return isinstance(old, BfdState) and old.model.name == self.model.name

    def told(self, up: bool, delay_us: int) -> Conclusion:
        """The session is Up, or is not; `delay_us` is how long the event was on its way."""
        word = "Up" if up else "Down"
        details = (f"Received BFD event: instance {self.model.name} is in state {word} (delivered in {delay_us} usec)",)
        if self.has_run and self.is_up == up:
            return Conclusion(details=details)
        line = f"BFD check of [{self.model.name}] RS({self.real_name}) is {word.upper()}"
        mail = f"=> BFD CHECK {self.model.name} {'succeeded' if up else 'failed'} on service <="
        return Conclusion((line,), up, mail, details=details)


class FileState(CheckState[FileCheck]):
    """One FILE_CHECK. The number in the file times the weight is added to the server's; with weight 0 it is a switch.

    `value` is the number last read.
    """

    __slots__ = ("value",)
    timed = False

    def __init__(self, model: FileCheck, real: Any, real_name: str, virtual_name: str) -> None:
        super().__init__(model, real, real_name, virtual_name)
        self.value = 0

    def same_as(self, old: CheckState[Any]) -> bool:
        return isinstance(old, FileState) and old.model.track_file == self.model.track_file

    def judge(self, value: int) -> tuple[bool, int]:
        """Whether this value is a fault, and what it contributes to the weight."""
        weight, reverse = self.model.weight, self.model.reverse
        if weight == 0:
            return (value == 0) if reverse else (value != 0), 0
        product = value * weight * (-1 if reverse else 1)
        fault = product <= _FAULT_PRODUCT
        return fault, 0 if fault else product

    def begin(self, value: int) -> None:
        """Take the value before anything is built: no line, no verdict."""
        self.value = value
        fault, self.weight = self.judge(value)
        self.is_up = not fault
        self.has_run = True

    def told(self, value: int) -> Conclusion | None:
        """The file changed."""
        self.value = value
        fault, weight = self.judge(value)
        changed = weight != self.weight
        self.weight = weight
        if fault == (not self.is_up):
            return Conclusion(reweigh=True) if changed else None
        return Conclusion(verdict=not fault, details=(self.change_line(fault),))

    def change_line(self, fault: bool) -> str:
        state = "now" if fault else "leaving"
        return f"({self.real_name}): tracked file {self.model.track_file} {state} FAULT state"
