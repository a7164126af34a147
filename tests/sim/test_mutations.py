"""Each invariant notices a product that breaks it: one rule of the daemon's own code is put out of force, and random
lives are lived until one tells of it. Without the change none of these lives goes wrong (test_seeds.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pykeepalived.ipvs.checks.attempt import Outcome
from pykeepalived.ipvs.checks.framework import Conclusion, RetryingCheck
from pykeepalived.ipvs.service import Director
from pykeepalived.vrrp import election
from pykeepalived.vrrp.announce import Announcer
from pykeepalived.vrrp.estate import Estate
from pykeepalived.vrrp.group import Group
from pykeepalived.vrrp.holdings import Holdings
from pykeepalived.vrrp.instance import Instance
from pykeepalived.vrrp.leftovers import Leftovers
from tests.sim.lives import life, play

MOST_LIVES = 400
RARE = {
    "a refused address is forgotten": 40,
    "a refused removal is forgotten": 363,
    "what the kernel refused is not made up for": 109,
}
"""Where a life is that tells: looked at first, because each of the others takes its time."""
_conclude = RetryingCheck.conclude


def nothing(*_: object, **__: object) -> None:
    """Instead of what ought to be done."""


def no_procedure(*_: object) -> Iterator[Any]:
    """The same for what asks the kernel as it goes."""
    yield from ()


def hasty(instance: Instance) -> None:
    instance.down_ns = -1_000_000_000


def impatient(check: RetryingCheck[Any], outcome: Outcome, now: int) -> Conclusion | None:
    check.retry_it = check.model.retry
    return _conclude(check, outcome, now)


MUTATIONS: dict[str, tuple[object, str, Callable[..., Any], str]] = {
    "a master does not yield": (Instance, "become_backup", nothing, "both been master for too long"),
    "nobody takes over": (election, "down_timer", nothing, "has heard no master for too long and is none"),
    "nobody takes over, in the end": (election, "down_timer", nothing, "expect-settled.*master is nobody"),
    "everybody may stay master": (election, "_is_accepted", lambda *_: True, "is master with priority"),
    "addresses are not added": (Holdings, "place", lambda _: True, "is master without"),
    "addresses are not removed": (Holdings, "give_up", nothing, "without being master"),
    "a refused address is forgotten": (Estate, "_try_again", nothing, "is master without"),
    "a refused removal is forgotten": (Leftovers, "_try_again", nothing, "without being master"),
    "a deadline in the past": (Instance, "compute_down", hasty, "a deadline (lies|stays)"),
    "a sync group does not follow its master": (Group, "member_became_master", nothing, "sync group G is torn"),
    "a sync group does not follow its backup": (Group, "member_left", nothing, "sync group G is torn"),
    "nothing is announced": (Announcer, "send", nothing, "has not announced"),
    "a reload keeps what is not wanted": (Holdings, "surrender", nothing, "expect-fresh.*has address"),
    "a stop leaves the services": (Director, "stop", no_procedure, r"leaves \[.*\] behind"),
    "the quorum is not looked at": (Director, "update_quorum", no_procedure, "quorum"),
    "the sorry server does not stand in": (
        Director,
        "sorry_stands_in",
        no_procedure,
        "the sorry server of .* is in use",
    ),
    "a dead server stays in the table": (Director, "take", nothing, "the IPVS service .* holds"),
    "what the kernel refused is not made up for": (Director, "overdue", lambda *_: [], "the IPVS service .* holds"),
    "one failure is enough": (RetryingCheck, "conclude", impatient, "a checker of .* should be up"),
}


@pytest.mark.parametrize("what", MUTATIONS)
def test_an_invariant_notices(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place, name, instead, told = MUTATIONS[what]
    monkeypatch.setattr(place, name, instead)
    for seed in (RARE.get(what, 0), *range(MOST_LIVES)):
        try:
            failures = play(life(seed)).failures
        except Exception:  # a broken daemon may also break down: that is not what is looked for
            continue
        if any(re.search(told, failure) for failure in failures):
            return
    pytest.fail("nobody noticed")
