"""What all tests share: the report on keywords that no behaviour test proves (`pytest --keyword-report`)."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# CI judges a change, not the luck of the draw; by hand every run looks at new examples
settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")

KEYWORDS = Path(__file__).resolve().parents[2] / "shared" / "reference" / "keywords.tsv"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--keyword-report", action="store_true", help="list keywords without a behaviour test")


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """A daemon that was begun in this process leaves handlers, or lets signals wait: processes that later tests start
    would inherit that, and not end when told to."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    mask, handlers = signal.pthread_sigmask(signal.SIG_BLOCK, ()), {each: signal.getsignal(each) for each in numbers}
    yield
    for each, handler in handlers.items():
        signal.signal(each, handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--keyword-report"):
        return
    proven = {str(mark.args[0]) for item in items for mark in item.iter_markers("keyword")}
    if not KEYWORDS.exists():
        print(f"{len(proven)} keywords have a behaviour test; the keyword table is not here to compare with")
    else:
        known = [line.split("\t", 1)[0] for line in KEYWORDS.read_text().splitlines()[1:] if line]
        unknown = sorted(proven - set(known) - _ours())
        missing = [path for path in known if path not in proven]
        print("\n".join(missing))
        print(f"{len(known) - len(missing)} of {len(known)} keywords have a behaviour test")
        if unknown:
            print("marks that name no keyword: " + ", ".join(unknown))
    items.clear()


def _ours() -> set[str]:
    """Keywords that keepalived does not have."""
    from pykeepalived.config.describe import paths
    from pykeepalived.config.schema.base import OURS
    from pykeepalived.config.schema.root import ROOT

    return {path for path, keyword in paths(ROOT).items() if keyword.since == OURS}
