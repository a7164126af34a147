"""What all checkers share: their state, the retry rule, delays, migration over a reload. Pure.

A checker turns the outcome of an attempt into a Conclusion: lines for the log, a verdict for the real server, the body
of a mail. What each kind asks and how it judges is in the file of its name.
"""

from __future__ import annotations

from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from pykeepalived.config.model.ipvs import Checker
from pykeepalived.ipvs.checks.attempt import Attempt, Outcome, Reason
from pykeepalived.runtime.contract import NANOSECONDS_PER_MICROSECOND

FIRST_RUN_NS = 1_000_000_000
"""A timed checker runs this long, and up to warmup more, after start or reload."""

ModelT = TypeVar("ModelT", bound=Checker)


class Conclusion(NamedTuple):
    """What follows from an attempt. `verdict` None = the server's state is not judged.

    `reweigh` = the checker's weight contribution changed and is to be announced before the verdict. `mail` is sent when
    the checker changed state, with `mail_always` on every verdict. `details` are lines that only -D shows.
    """

    lines: tuple[str, ...] = ()
    verdict: bool | None = None
    mail: str = ""
    reweigh: bool = False
    mail_always: bool = False
    details: tuple[str, ...] = ()


def skipped(outcome: Outcome, word: str, end: str = ".") -> Conclusion:
    """The attempt could not be made (its text: why, "" = there was no socket): say so and try again later."""
    if outcome.text:
        return Conclusion((outcome.text, f"{word} socket bind failed. Rescheduling{end}"))
    return Conclusion((f"{word} connect fail to create socket. Rescheduling{end}",))


class CheckState(Generic[ModelT]):
    """One checker at work. `real_name` and `virtual_name` are the names used in logs; moments are nanoseconds.

    `retry_it` counts failed attempts of the current failure. It starts at `retry`, so that the very first result after
    the start decides (`decides_at_once`); what a reload brings has its retries.
    """

    __slots__ = (
        "decides_at_once",
        "delay_loop",
        "delay_retry",
        "delegated",
        "due",
        "duration_ns",
        "enabled",
        "failures",
        "has_run",
        "is_up",
        "model",
        "real",
        "real_name",
        "retry_it",
        "runs",
        "started",
        "text",
        "virtual_name",
        "weight",
    )
    timed: ClassVar[bool] = True
    reported: ClassVar[tuple[str, ...]] = (
        "has_run",
        "retry_it",
        "runs",
        "failures",
        "started",
        "duration_ns",
        "text",
    )
    """What another process that runs the checker reports beside its conclusions."""

    def __init__(self, model: ModelT, real: Any, real_name: str, virtual_name: str) -> None:
        self.model = model
        self.real = real
        self.real_name = real_name
        self.virtual_name = virtual_name
        self.is_up = True
        self.has_run = False
        self.retry_it = model.retry
        self.decides_at_once = True
        self.enabled = True
        self.delegated = False
        """Another process makes the attempts; this object is told of them."""
        self.weight = 0
        self.delay_loop = model.delay_loop_us * NANOSECONDS_PER_MICROSECOND
        self.delay_retry = model.delay_before_retry_us * NANOSECONDS_PER_MICROSECOND
        self.due = 0
        self.started = 0
        self.duration_ns = 0
        self.runs = 0
        self.failures = 0
        self.text = ""

    def attempt(self) -> Attempt:
        """The next attempt to make."""
        raise NotImplementedError

    def conclude(self, outcome: Outcome, now: int) -> Conclusion | None:
        """Judge an attempt and set `due`; None = nothing to say."""
        raise NotImplementedError

    def same_as(self, old: CheckState[Any]) -> bool:
        """Whether `old`, of the previous configuration, was this checker (keepalived.conf(5), reload)."""
        raise NotImplementedError

    def adopt(self, old: CheckState[Any]) -> None:
        """Take over the state of `old` over a reload."""
        if old.has_run:
            self.is_up = old.is_up
            self.has_run = True
        self.retry_it = min(old.retry_it, self.model.retry) if self.is_up else self.model.retry + 1
        self.decides_at_once = old.decides_at_once
        self.runs, self.failures, self.text = old.runs, old.failures, old.text
        self.weight = old.weight

    def decide_at_once(self, at_once: bool) -> None:
        """Whether the first result of a checker that has not run decides."""
        self.decides_at_once = at_once
        self.retry_it = self.model.retry if at_once else 0

    @property
    def had_retries(self) -> bool:
        """Whether a failure that is final now came after the retries."""
        return self.has_run or (self.is_up and not self.decides_at_once)

    def figures(self) -> tuple[Any, ...]:
        """The values of `reported`."""
        return tuple([getattr(self, name) for name in self.reported])

    def take_figures(self, figures: tuple[Any, ...]) -> None:
        """Be as the same checker in another process is."""
        for name, value in zip(self.reported, figures, strict=True):
            setattr(self, name, value)


class RetryingCheck(CheckState[ModelT]):
    """The retry rule of TCP, UDP, PING and DNS checks: down after `retry` further failures, up with one success."""

    __slots__ = ()

    def conclude(self, outcome: Outcome, now: int) -> Conclusion | None:
        self.due = now + self.delay_loop
        if outcome.ok:
            self.retry_it = 0
            if self.is_up and self.has_run:
                return None
            return Conclusion(self.success_lines(), True, self.mail_body(True))
        if outcome.reason == Reason.SKIPPED:
            return skipped(outcome, self.skip_word())
        self.failures += 1
        self.text = outcome.text or outcome.reason.name.replace("_", " ").lower()
        if not self.is_up and self.has_run:
            return None
        lines = self.attempt_lines(outcome) if self.model.log_all_failures else ()
        if self.is_up and self.retry_it < self.model.retry:
            self.retry_it += 1
            self.due = now + self.delay_retry
            return Conclusion(lines) if lines else None
        self.retry_it = 0
        return Conclusion(lines + self.failure_lines(outcome), False, self.mail_body(False))

    def skip_word(self) -> str:
        """How the line about an attempt that could not be made begins."""
        raise NotImplementedError

    def success_lines(self) -> tuple[str, ...]:
        raise NotImplementedError

    def attempt_lines(self, outcome: Outcome) -> tuple[str, ...]:
        """What log_all_failures prints of one attempt."""
        raise NotImplementedError

    def failure_lines(self, outcome: Outcome) -> tuple[str, ...]:
        """The final failure."""
        raise NotImplementedError

    def mail_body(self, up: bool) -> str:
        raise NotImplementedError

    def after_retries(self) -> str:
        """How failure lines end: retries are named if there were any."""
        if self.model.retry and self.had_retries:
            return f"failed after {self.model.retry} retries."
        return "failed."
