"""Loading a configuration for a laboratory: the interfaces it names do not exist here, so every name is one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

from pykeepalived.config.elsewhere import elsewhere
from pykeepalived.config.environment import gather
from pykeepalived.config.excerpt import visible
from pykeepalived.config.findings import Severity
from pykeepalived.config.includes import ConfigFiles, DiskFiles
from pykeepalived.config.interfaces import Interface
from pykeepalived.config.load import LoadOptions, load
from pykeepalived.config.model import Config
from pykeepalived.lab.net import LabError

_SHOWN = 20
"""Errors of a file that cannot be used."""


class EveryInterface(Mapping[str, Interface]):
    """Answers for any name with an ordinary Ethernet interface; iterating yields those asked for so far."""

    def __init__(self) -> None:
        self._asked: dict[str, Interface] = {}

    def __getitem__(self, name: str) -> Interface:
        if name not in self._asked:
            number = len(self._asked) + 2
            self._asked[name] = Interface(name=name, index=number, mac=bytes((2, 0, 0, 0, 1, number & 255)))
        return self._asked[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._asked)

    def __len__(self) -> int:
        return len(self._asked)


def load_for_lab(
    path: Path, node: str, files: ConfigFiles | None = None, *, anywhere: bool = False, tell: TextIO | None = None
) -> Config:
    """The model of a file as the node named `node` would read it, from `files` instead of the disk if given.

    `anywhere`: the node is another machine, which has the scripts, files and users that its file names. `tell` gets a
    line if there are errors in the file: a daemon runs without what they are about. Raises LabError when no daemon
    would run with it.
    """
    environment = gather(node)
    if anywhere:
        environment = elsewhere(environment)
    environment = dataclasses.replace(environment, interfaces=EveryInterface())
    result = load(str(path), environment, LoadOptions(files=files or DiskFiles()))
    errors = [visible(f"{f.at or path}: {f.message}") for f in result.findings if f.severity is Severity.ERROR]
    if result.config is None or not result.usable:
        raise LabError(f"{path} cannot be used:\n" + "\n".join(errors[:_SHOWN]))
    if errors and tell is not None:
        what = "a complaint" if len(errors) == 1 else f"{len(errors)} complaints"
        tell.write(f"{path}: `pykeepalived check` has {what}, the first: {errors[0]}\n")
    return result.config
