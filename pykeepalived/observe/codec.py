"""Frozen dataclasses as JSON and back: the language of flight records.

A codec knows a fixed set of classes; a file can name no other, so reading one runs nobody's code. What is kept secret
in representations (`field(repr=False)`) is kept secret here too, unless asked for; source positions are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from types import ModuleType
from typing import Any

from pykeepalived.config.model.values import Ip

_TAG = "$"
_PACKAGE = "pykeepalived."


class CodecError(ValueError):
    """Text that is no record of ours; says what is wrong with it."""


class Codec:
    """Encodes and decodes values made of the dataclasses and enumerations that these modules define."""

    def __init__(self, modules: Iterable[ModuleType]) -> None:
        self._classes: dict[str, type] = {}
        self._names: dict[type, str] = {}
        for module in modules:
            for value in vars(module).values():
                if isinstance(value, type) and (is_dataclass(value) or issubclass(value, Enum)):
                    name = f"{value.__module__.removeprefix(_PACKAGE)}.{value.__qualname__}"
                    self._classes[name] = value
                    self._names[value] = name

    def encode(self, value: Any, secrets: bool = False) -> Any:
        """The value as what json.dumps takes. Raises TypeError for a class that the codec does not know."""
        if isinstance(value, Enum):
            return {_TAG: self._name(value), "value": value.value}
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, Ip):
            return {_TAG: "ip", "value": str(value)}
        if isinstance(value, bytes):
            return {_TAG: "bytes", "value": value.hex()}
        if isinstance(value, tuple | list):
            return [self.encode(item, secrets) for item in value]
        if isinstance(value, frozenset | set):
            return {_TAG: "set", "value": [self.encode(item, secrets) for item in sorted(value, key=repr)]}
        if isinstance(value, Mapping):
            pairs = [[self.encode(key, secrets), self.encode(item, secrets)] for key, item in value.items()]
            return {_TAG: "map", "value": pairs}
        return {_TAG: self._name(value), **self._fields(value, secrets)}

    def decode(self, value: Any) -> Any:
        """The inverse of `encode`, with lists as tuples. Raises CodecError and nothing else."""
        try:
            return self._decode(value)
        except CodecError:
            raise
        except (TypeError, ValueError, KeyError, AttributeError, RecursionError, OverflowError) as error:
            raise CodecError(f"not understood: {error}") from None

    def _name(self, value: object) -> str:
        name = self._names.get(type(value))
        if name is None:
            raise TypeError(f"{type(value).__name__} has no place in a record")
        return name

    def _fields(self, value: Any, secrets: bool) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for field in fields(value):
            item = getattr(value, field.name)
            if not field.compare or _is_default(field, item):
                continue
            if not field.repr and not secrets and isinstance(item, bytes | str):
                found[field.name] = {_TAG: "secret", "value": len(item), "text": isinstance(item, str)}
            else:
                found[field.name] = self.encode(item, secrets)
        return found

    def _decode(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, list):
            return tuple(self._decode(item) for item in value)
        tag = value[_TAG]
        match tag:
            case "ip":
                return Ip.parse(value["value"])
            case "bytes":
                return bytes.fromhex(value["value"])
            case "set":
                return frozenset(self._decode(item) for item in value["value"])
            case "map":
                return {self._decode(key): self._decode(item) for key, item in value["value"]}
            case "secret":
                return "*" * min(value["value"], 4096) if value["text"] else placeholder(min(value["value"], 4096))
        known = self._classes.get(tag)
        if known is None:
            raise CodecError(f"{tag!r} is not known here")
        if issubclass(known, Enum):
            return known(value["value"])
        return known(**{name: self._decode(item) for name, item in value.items() if name != _TAG})


def placeholder(length: int) -> bytes:
    """What stands for a secret of this length."""
    return b"*" * length


def _is_default(field: Field[Any], value: object) -> bool:
    if field.default is not MISSING:
        return type(value) is type(field.default) and value == field.default
    return field.default_factory is not MISSING and bool(value == field.default_factory())
