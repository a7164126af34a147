"""What `make install` makes for a packager: the daemon alone, and nothing in it that knows where it was staged."""

from __future__ import annotations

import marshal
from pathlib import Path
from types import CodeType

import pytest

from tests.vm.conftest import Installed

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def tree(installed: Installed) -> Path:
    return installed.share / "tree"


def test_nothing_names_the_place_of_staging(tree: Path) -> None:
    place = str(tree).encode()
    files = [path for path in tree.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) > 100
    assert [path for path in files if place in path.read_bytes()] == []


def test_tracebacks_name_the_place_of_the_installed_file(tree: Path) -> None:
    """Every module is compiled: a start does not compile, and could not write what it has compiled."""
    package = next((tree / "usr/lib/pykeepalived").glob("lib/python3*/site-packages/pykeepalived"))
    for source in package.rglob("*.py"):
        (compiled,) = (source.parent / "__pycache__").glob(f"{source.stem}.cpython-*.pyc")
        code = marshal.loads(compiled.read_bytes()[16:])
        assert isinstance(code, CodeType)
        assert code.co_filename == f"/{source.relative_to(tree)}"


def test_programs_are_the_daemon_and_its_interpreter(tree: Path) -> None:
    programs = {path.name for path in (tree / "usr/lib/pykeepalived/bin").iterdir()}
    assert {name for name in programs if not name.startswith("python")} == {"pykeepalived"}
    first = (tree / "usr/sbin/pykeepalived").read_text().splitlines()[0]
    assert first.startswith("#!/usr/lib/pykeepalived/bin/python")
