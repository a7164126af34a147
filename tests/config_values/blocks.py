"""Static blocks around one line, on the machine of tests/config_lvs/loading.py."""

from __future__ import annotations

import pytest

from pykeepalived.config.load import LoadResult
from tests.config_lvs.loading import read

TRACK_GROUP = "track_group tg {\ngroup {\nv\n}\n}\n"
INSTANCE = "vrrp_instance v {\ninterface eth0\nvirtual_router_id 5\nvirtual_ipaddress {\n10.0.0.9\n}\n}\n"


def block(name: str, line: str) -> LoadResult:
    return read(f"{INSTANCE}{TRACK_GROUP}{name} {{\n{line}\n}}\n")


def word(kind: str, name: str) -> pytest.MarkDecorator:
    """The mark of a test that proves an entry word."""
    return pytest.mark.keyword(f"static_{kind}:{name}")
