"""MISC_CHECK: a script whose exit status is the verdict, and with misc_dynamic also the weight. Pure."""

from __future__ import annotations

from typing import Any

from pykeepalived.config.model.ipvs import MiscCheck
from pykeepalived.ipvs.checks.attempt import Attempt, Outcome, Reason, Transport
from pykeepalived.ipvs.checks.framework import CheckState, Conclusion


class MiscState(CheckState[MiscCheck]):
    """One MISC_CHECK. `last_status` is the last accepted exit status; 2..255 stand for the weights 0..253."""

    __slots__ = ("last_end", "last_status")

    def __init__(self, model: MiscCheck, real: Any, real_name: str, virtual_name: str) -> None:
        super().__init__(model, real, real_name, virtual_name)
        self.last_status = 0
        self.last_end = 0

    def attempt(self) -> Attempt:
        return Attempt(Transport.SCRIPT, script=self.model.script, timeout_us=self.model.timeout_us)

    def same_as(self, old: CheckState[Any]) -> bool:
        if not isinstance(old, MiscState):
            return False
        return (self.model.dynamic, self.model.script) == (old.model.dynamic, old.model.script)

    def adopt(self, old: CheckState[Any]) -> None:
        super().adopt(old)
        if isinstance(old, MiscState):
            self.last_status, self.last_end = old.last_status, old.last_end
            self.weight = self._contribution(self.last_status) if self.is_up else 0

    def _contribution(self, status: int) -> int:
        if not self.model.dynamic or status < 2:
            return 0
        return status - 2 - int(self.real.model.weight)

    def conclude(self, outcome: Outcome, now: int) -> Conclusion | None:
        self.due = max(now, self.started + self.delay_loop)
        self.last_end = now
        status = outcome.value
        ended = outcome.reason == Reason.SCRIPT_ENDED
        if ended and (status == 0 or (self.model.dynamic and 2 <= status <= 255)):
            return self._succeeded(status)
        return self._failed(outcome, now)

    def _succeeded(self, status: int) -> Conclusion | None:
        self.retry_it = 0
        reweigh = False
        if self.model.dynamic and status != self.last_status:
            self.last_status = status
            self.weight = self._contribution(status)
            reweigh = True
        if self.is_up and self.has_run:
            return Conclusion(reweigh=True) if reweigh else None
        line = f"{self._subject()} succeeded."
        return Conclusion((line,), True, "=> MISC CHECK succeeded on service <=", reweigh, mail_always=True)

    def _failed(self, outcome: Outcome, now: int) -> Conclusion | None:
        self.failures += 1
        if not self.is_up and self.has_run:
            return None
        retry = self.model.retry
        self.text = self._result(outcome, "")
        if self.is_up and self.retry_it < retry:
            suffix = f" on retry {self.retry_it}/{retry}" if self.retry_it else f", will do {retry} {_retries(retry)}"
            self.retry_it += 1
            self.due = now + self.delay_retry
            line = f"{self._subject()} {self._result(outcome, suffix)}"
            return Conclusion((line,)) if self.model.log_all_failures else None
        self.retry_it = 0
        self.weight = 0
        self.last_status = 0
        suffix = f" after {retry} {_retries(retry)}" if retry else " with retry disabled"
        word = "timed out" if outcome.reason == Reason.SCRIPT_TIMED_OUT else "failed"
        line = f"{self._subject()} {self._result(outcome, suffix)}"
        return Conclusion((line,), False, f"=> MISC CHECK {word} on service <=", mail_always=True)

    def _subject(self) -> str:
        return f"Misc check for [{self.real_name} VS {self.virtual_name}] by [{self.model.script.words[0]}]"

    def _result(self, outcome: Outcome, suffix: str) -> str:
        match outcome.reason:
            case Reason.SCRIPT_TIMED_OUT:
                return f"timed out{suffix}."
            case Reason.SCRIPT_SIGNALLED:
                return f"failed{suffix} (due to signal {outcome.value})."
        return f"failed{suffix} (exited with status {outcome.value})."


def _retries(count: int) -> str:
    return "retry" if count == 1 else "retries"
