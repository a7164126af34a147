"""pyroute2's message classes without the rest of the package.

Executing `pyroute2/__init__.py` also loads its databases, its asyncio core and sqlite: 0.15 s and 25 MiB that every
start and every child would pay for. The message classes need none of it. `defer` puts the package in place
unexecuted: its submodules can be imported, and the first use of any other name of it executes it after all.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.machinery import PathFinder
from typing import Any

_PACKAGE = "pyroute2"


def defer() -> None:
    """Let `from pyroute2.netlink import ...` cost only that. Raises ImportError when the package is not installed."""
    if _PACKAGE in sys.modules:
        return
    spec = PathFinder.find_spec(_PACKAGE)
    if spec is None or spec.loader is None:
        raise ImportError(f"{_PACKAGE} is not installed")
    loader = spec.loader
    package = importlib.util.module_from_spec(spec)

    def complete(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if PathFinder.find_spec(f"{_PACKAGE}.{name}", package.__path__) is not None:
            return importlib.import_module(f"{_PACKAGE}.{name}")
        del package.__dict__["__getattr__"]
        loader.exec_module(package)
        return getattr(package, name)

    package.__dict__["__getattr__"] = complete
    sys.modules[_PACKAGE] = package
