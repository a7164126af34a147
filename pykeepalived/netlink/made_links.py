"""Which links this process and its killed predecessors made, told from all others by what they were when made.

Nothing is made or removed here.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace

from pykeepalived.light_dataclasses import dataclass
from pykeepalived.netlink.facts import Facts, Link
from pykeepalived.netlink.journal import Journal
from pykeepalived.netlink.links import below
from pykeepalived.netlink.operations import VirtualLink


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeLink:
    """`index` is 0 as long as the kernel has not told it. `mac` is empty where the link has that of its parent."""

    name: str
    kind: str
    parent: int
    mac: bytes = b""
    index: int = 0

    def is_(self, link: Link) -> bool:
        """Whether this is the link that was made, and nothing of it was changed since."""
        return (
            (link.name, link.kind, link.parent) == (self.name, self.kind, self.parent)
            and self.index in (0, link.index)
            and self.mac in (b"", link.mac)
        )

    def __str__(self) -> str:
        return f"{self.name}\t{self.kind}\t{self.parent}\t{self.mac.hex()}\t{self.index}"


class MadeLinks:
    """The links made and not yet removed, also in a journal if there is one: a line for each link before it is made,
    again when the kernel has told its index, and its name alone when it is removed."""

    def __init__(self, journal: Journal | None = None) -> None:
        self._journal = journal
        self._made = _parse(journal.read()) if journal is not None else {}
        self._write_anew()

    @property
    def trouble(self) -> str:
        """Why a successor would not know of the links; "" when it would."""
        return self._journal.error if self._journal is not None else ""

    def left(self, facts: Facts) -> list[Link]:
        """The links of predecessors that are still there, unchanged; all others are forgotten."""
        links = {link.name: link for link in facts.links.values()}
        self._made = {name: made for name, made in self._made.items() if name in links and made.is_(links[name])}
        self._write_anew()
        return [links[name] for name in self._made]

    def making(self, wanted: VirtualLink, parent: Link) -> None:
        """To be called before the link is made."""
        index, _ = below(wanted.kind, parent)
        self._note(MadeLink(name=wanted.name, kind=wanted.kind, parent=index, mac=wanted.mac or b""))

    def made(self, link: Link) -> None:
        """A link that is going to be used: the one that was made, or one that was there without us."""
        known = self._made.get(link.name)
        if known is None:
            return
        if not known.is_(link):
            self.gone(link.name)
        elif not known.index:
            self._note(replace(known, index=link.index))

    def gone(self, name: str) -> None:
        """It has been removed, or could not be made."""
        if self._made.pop(name, None) is None or self._journal is None:
            return
        if self._made:
            self._append(name)
        else:
            self._write_anew()

    def _note(self, made: MadeLink) -> None:
        self._made[made.name] = made
        self._append(str(made))

    def _append(self, line: str) -> None:
        if self._journal is None:
            return
        self._journal.append(line)
        if self._journal.is_outgrown(len(self._made)):
            self._write_anew()

    def _write_anew(self) -> None:
        if self._journal is not None:
            self._journal.replace([str(made) for made in self._made.values()])


def _parse(lines: list[str]) -> dict[str, MadeLink]:
    made: dict[str, MadeLink] = {}
    for words in (line.split("\t") for line in lines):
        if len(words) == 1:
            made.pop(words[0], None)
            continue
        with contextlib.suppress(ValueError):  # a damaged line
            name, kind, parent, mac, index = words
            made[name] = MadeLink(name=name, kind=kind, parent=int(parent), mac=bytes.fromhex(mac), index=int(index))
    return made
