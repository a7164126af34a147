"""Dumps of the VRRP process against files that keepalived 2.4.3 wrote."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest

from pykeepalived.observe.dump.json import vrrp_json
from pykeepalived.observe.dump.vrrp import vrrp_data, vrrp_stats

from .recorded import CONFIG, SNAPSHOT

DATA = Path(__file__).parent / "data"
OURS_NOT = {" libnftnl version 1.2.4"}
"""Lines about a library that keepalived is built with and we are not."""


def test_data_file_is_keepalived_s():
    recorded = [line for line in (DATA / "keepalived-2.4.3.data").read_text().splitlines() if line not in OURS_NOT]
    assert vrrp_data(CONFIG, SNAPSHOT, UTC).splitlines() == recorded


def test_stats_file_is_keepalived_s():
    assert vrrp_stats(SNAPSHOT) == (DATA / "keepalived-2.4.3.stats").read_text()


@pytest.mark.keyword("global_defs/json_version")
def test_json_file_is_keepalived_s():
    recorded = (DATA / "keepalived-2.4.3.json").read_text()
    assert vrrp_json(CONFIG, SNAPSHOT) == recorded
    first = replace(CONFIG, globals=replace(CONFIG.globals, json_version=1))
    assert json.loads(vrrp_json(first, SNAPSHOT)) == json.loads(recorded)["vrrp"]


def test_no_json_without_instances():
    assert vrrp_json(replace(CONFIG, vrrp_instances=()), SNAPSHOT) == ""
