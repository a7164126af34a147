"""config_save_dir: private copies of every configuration that was read, whatever became of it (keepalived.conf(5))."""

from __future__ import annotations

import contextlib
import os

from pykeepalived.parent.loaded import Loaded, Loader


class SavingLoader:
    """A loader that leaves copies, numbered from 0. A failure to write one is not worth a start or a reload."""

    def __init__(self, load: Loader) -> None:
        self._load = load
        self._number = 0

    def __call__(self) -> Loaded:
        loaded = self._load()
        self._save(loaded)
        return loaded

    def _save(self, loaded: Loaded) -> None:
        """Write a copy where the configuration itself asks for it: one file, without blanks and comments."""
        directory = loaded.config.globals.config_save_dir if loaded.config is not None else ""
        if not directory:
            return
        with contextlib.suppress(OSError):
            if not os.path.isdir(directory):
                os.mkdir(directory, 0o700)
            path = os.path.join(directory, f"keepalived.conf.{os.getpid()}.{self._number}")
            self._number += 1
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8", errors="surrogateescape") as file:
                for name, text in loaded.texts.items():
                    file.write(f"# {name}\n")
                    file.writelines(f"{line.strip()}\n" for line in text.splitlines() if _says_something(line))
                    file.write("!\n")


def _says_something(line: str) -> bool:
    stripped = line.strip()
    return bool(stripped) and stripped[0] not in "#!"
