"""The whole table: the root keywords of all sections."""

from __future__ import annotations

from pykeepalived.config.schema import bfd, lvs, ssl, static, sync_group, track, vrrp
from pykeepalived.config.schema import globals as global_section
from pykeepalived.config.schema.base import table

ROOT = table(
    [
        *global_section.KEYWORDS,
        *static.KEYWORDS,
        *track.KEYWORDS,
        *sync_group.KEYWORDS,
        *vrrp.KEYWORDS,
        *lvs.KEYWORDS,
        *ssl.KEYWORDS,
        *bfd.KEYWORDS,
    ]
)

PARENT_KEYWORDS = global_section.PARENT_KEYWORDS
