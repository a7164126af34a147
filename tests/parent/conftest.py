"""Fixtures that start the parent with fake children."""

from __future__ import annotations

import pytest

from tests.parent.running import Running


@pytest.fixture
def daemon(tmp_path):
    """A function that starts a daemon: daemon(config, *options)."""
    started = []

    def start(config, *words, directory=tmp_path, **more):
        directory.mkdir(exist_ok=True)
        running = Running(directory, config, *words, **more)
        started.append(running)
        return running

    yield start
    for running in started:
        running.end()
