"""Deferred packages: their modules alone are loaded, the rest when it is wanted."""

from __future__ import annotations

import subprocess
import sys


def run(text: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=True, timeout=60
    ).stdout.strip()


def test_the_grammar_loads_only_the_core_of_pyparsing() -> None:
    text = (
        "import sys, pykeepalived.config.grammar;"
        "print('pyparsing.core' in sys.modules, 'pyparsing.common' in sys.modules)"
    )
    assert run(text) == "True False"


def test_a_deferred_package_is_whole_for_those_who_want_more() -> None:
    text = (
        "import pykeepalived.config.grammar, pyparsing as pp;"
        "print(pp.pyparsing_common.integer().parse_string('7')[0], pp.core.Token is pp.Token)"
    )
    assert run(text) == "7 True"
