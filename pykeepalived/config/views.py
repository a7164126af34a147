"""Reading what belongs to the children: once for all of them, or once for each when braces do not match.

Each process of keepalived reads the whole text and passes over the blocks of the others with their braces. As long as
the structure is sound, one reading gives the same objects; a stray or missing brace makes the views differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pykeepalived.config.reader import Reader
from pykeepalived.config.schema.base import Keyword, Reading
from pykeepalived.config.schema.draft import ConfigDraft
from pykeepalived.config.statement import Statement

CHILDREN = ("checker", "vrrp", "bfd")
_CHECKER_LISTS = ("virtual_server_groups", "virtual_servers", "ssl")


def read_parent(
    root: Mapping[str, Keyword], parent: frozenset[str], reading: Reading, text: Sequence[Statement]
) -> None:
    """The keywords of the parent; what it sees at root level decides which children run."""
    Reader(root, reading).walk(text, lambda keyword: keyword.name in parent)


def read_children(
    root: Mapping[str, Keyword], parent: frozenset[str], reading: Reading, text: Sequence[Statement]
) -> None:
    """The keywords of all children."""
    draft = reading.draft
    started = set(draft.started)
    known = len(reading.findings)
    reader = Reader(root, reading)
    reader.walk(text, lambda keyword: keyword.name not in parent)
    if reader.damaged:
        reading.forget(known)
        reading.draft = _merged([_view(child, root, parent, reading, draft, text) for child in CHILDREN])
    reading.draft.started = started


def _view(
    child: str,
    root: Mapping[str, Keyword],
    parent: frozenset[str],
    reading: Reading,
    whole: ConfigDraft,
    text: Sequence[Statement],
) -> ConfigDraft:
    """What one child reads, with a draft of its own."""
    reading.draft = ConfigDraft(globals=whole.globals)

    def acts(keyword: Keyword) -> bool:
        return keyword.name not in parent and child in keyword.process.split(",")

    Reader(root, reading).walk(text, acts)
    return reading.draft


def _merged(views: Sequence[ConfigDraft]) -> ConfigDraft:
    """One draft: the objects of each child as that child saw them."""
    checker, vrrp, bfd = views
    for name in _CHECKER_LISTS:
        setattr(vrrp, name, getattr(checker, name))
    vrrp.bfd_instances = bfd.bfd_instances
    vrrp.track_files = vrrp.track_files or checker.track_files
    for view in (checker, bfd):
        for kind, names in view.names.items():
            known = vrrp.names.setdefault(kind, {})
            for name, item in names.items():
                known.setdefault(name, item)
    return vrrp
