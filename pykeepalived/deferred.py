"""Packages of libraries put in place without executing them, where we need a few of their modules only.

Executing `pyroute2/__init__.py` also loads its databases, its asyncio core and sqlite: 0.15 s and 25 MiB that every
start and every child would pay for; `pyparsing/__init__.py` builds expressions nobody here uses, 20 ms of every start.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.machinery import PathFinder
from typing import Any


def defer(name: str) -> None:
    """Let the modules of a package be imported without the package.

    The first use of any other name of it executes it after all. Raises ImportError when it is not installed.
    """
    if name in sys.modules:
        return
    spec = PathFinder.find_spec(name)
    if spec is None or spec.loader is None:
        raise ImportError(f"{name} is not installed")
    loader = spec.loader
    package = importlib.util.module_from_spec(spec)

    def complete(wanted: str) -> Any:
        if wanted.startswith("__"):
            raise AttributeError(wanted)
        if PathFinder.find_spec(f"{name}.{wanted}", package.__path__) is not None:
            return importlib.import_module(f"{name}.{wanted}")
        del package.__dict__["__getattr__"]
        loader.exec_module(package)
        return getattr(package, wanted)

    package.__dict__["__getattr__"] = complete
    sys.modules[name] = package
