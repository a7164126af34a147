"""The environment for checking the file of another machine: whatever the file names is taken to be there.

Nothing can be said about interfaces, accounts and scripts of a machine one is not on, so nothing is said.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pykeepalived.config.files import FileKind, FileStat
from pykeepalived.config.interfaces import Interface
from pykeepalived.config.values import Accounts, User

if TYPE_CHECKING:
    from pykeepalived.config.environment import Environment


class AnyInterfaces(Mapping[str, Interface]):
    """Every interface exists, is up and has no known address; iterating over them finds none."""

    def __init__(self) -> None:
        self._known: dict[str, Interface] = {}

    def __getitem__(self, name: str) -> Interface:
        if name not in self._known:
            self._known[name] = Interface(name=name, index=len(self._known) + 1)
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class AnyAccounts(Accounts):
    """Every user and group exists, with a number of its own."""

    def user(self, name: str) -> User | None:
        if name not in self._users:
            number = 0 if name == "root" else 1000 + len(self._users)
            self._users[name] = User(name, number, number)
        return self._users[name]

    def group(self, name: str) -> int | None:
        return self._groups.setdefault(name, 0 if name == "root" else 1000 + len(self._groups))


class AnyFiles:
    """Every file can be had, and scripts are not looked at. A key file holds a key that is the same everywhere."""

    assumed = True

    def lstat(self, path: str) -> FileStat | int:
        return FileStat(FileKind.LINK, 0o600)

    def head(self, path: str, size: int) -> bytes | int:
        return (b"hex:" + b"00" * 32)[:size]

    def filesystem(self, path: str) -> tuple[int, bool] | int:
        return 0, False


def elsewhere(environment: Environment) -> Environment:
    """This environment, but for a machine of which only the configuration file is known."""
    interfaces = AnyInterfaces()
    return dataclasses.replace(
        environment,
        interfaces=interfaces,
        namespace_interfaces=lambda name: interfaces,
        accounts=AnyAccounts(),
        files=AnyFiles(),
    )
