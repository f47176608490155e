"""TOML tables, checked: known keys, values of the right type, and a sentence for everything else."""

from collections.abc import Mapping
from typing import Any

from host_decoder.errors import HostError


class ConfigError(HostError):
    """host.toml cannot be used; the message names the entry and says what to do."""


class Table:
    """A TOML table whose keys are known and whose values have a type."""

    def __init__(self, name: str, content: Any, keys: set[str]) -> None:
        if not isinstance(content, Mapping):
            raise ConfigError(f"{name} must be a table")
        if unknown := sorted(set(content) - keys):
            raise ConfigError(f"{name} has an unknown key '{unknown[0]}'; known are {', '.join(sorted(keys))}")
        self._name, self._content = name, content

    def get(self, key: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
        value = self._content.get(key, default)
        if value is None:
            raise ConfigError(f"{self._name} lacks '{key}'; add it")
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            kinds = kind if isinstance(kind, tuple) else (kind,)
            names = " or ".join(one.__name__ for one in kinds)
            raise ConfigError(f"{self._name} has {key} = {value!r}, it must be of type {names}")
        return value
