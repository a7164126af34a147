"""Fixtures that start the parent with fake children."""

from __future__ import annotations

import pytest

from tests.parent.running import Running


@pytest.fixture
def daemon(tmp_path):
    """A function that starts a daemon: daemon(config, *options)."""
    started = []

    def start(config, *words, environment=None, directory=tmp_path):
        directory.mkdir(exist_ok=True)
        running = Running(directory, config, *words, environment=environment)
        started.append(running)
        return running

    yield start
    for running in started:
        running.end()
