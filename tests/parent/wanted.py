"""Which children the fake configurations want."""

from __future__ import annotations

ALL = {"wants": ["vrrp", "checker", "bfd"]}
VRRP = {"wants": ["vrrp"]}
