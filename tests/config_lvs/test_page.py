"""docs/checkers.md: every example is good, and no word of ours is missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pykeepalived.config.describe import paths
from pykeepalived.config.schema.base import OURS
from pykeepalived.config.schema.root import ROOT
from tests.config_lvs.loading import errors, notes, virtual

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "checkers.md").read_text()
EXAMPLES = re.findall(r"```\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples(example: str) -> None:
    result = virtual(servers=example)
    assert errors(result) == []
    assert "keyword-ours" in notes(result)


def test_every_word_is_on_the_page() -> None:
    assert len(EXAMPLES) == 7
    for path, keyword in paths(ROOT).items():
        if keyword.since == OURS:
            assert re.search(rf"\b{keyword.name}\b", PAGE), path
