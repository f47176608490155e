"""host.toml: where the host listens, what it stores into, and the nodes it knows.

store = "host.sqlite"           # paths are relative to host.toml
bundles = "bundles"             # optional: further bundles, to name the one an unexpected packet was made with

[link]
port = "/dev/ttyUSB0"
profile = "lora-sf7"            # optional: says the bitrate of the port and the airtime of packets
bitrate_bps = 115200            # optional with a profile

[[node]]
id = 1
key = "keys/node-1.key"         # the node.key that `python -m link provision` wrote
bundle = "bundles/digits"
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from host_decoder.errors import HostError
from link.bundle import MANIFEST, Bundle, BundleError
from link.keys import KEY_FILE, MAX_NODE, parse_key
from link.profiles import LinkProfile, get_profile

DEFAULT_BITRATE_BPS = 9600


class ConfigError(HostError):
    """host.toml cannot be used; the message names the entry and says what to do."""


@dataclass(frozen=True)
class HostNode:
    """A node as the host knows it."""

    number: int
    key: bytes = field(repr=False)
    bundle: Bundle


@dataclass(frozen=True)
class HostConfig:
    """All of host.toml, its keys and bundles read and checked."""

    port: str
    bitrate_bps: int
    store: Path
    nodes: tuple[HostNode, ...]
    other_bundles: tuple[Bundle, ...] = ()
    profile: LinkProfile | None = None
    warnings: tuple[str, ...] = ()
    "What was left out, and why."


def read_config(path: Path | str) -> HostConfig:
    """Raises ConfigError, BundleError or KeyStateError, each with a sentence that says what to do."""
    path = Path(path)
    try:
        toml = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"there is no {path}; write one as the README shows, or give the path of yours") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    table = _Table(str(path), toml, {"store", "bundles", "link", "node"})
    folder = table.get("bundles", str, "")
    others, warnings = _read_bundles(path.parent / folder) if folder else ((), ())
    link = _Table(f"[link] of {path}", table.get("link", dict), {"port", "profile", "bitrate_bps"})
    profile_name = link.get("profile", str, "")
    profile = _profile(path, profile_name) if profile_name else None
    return HostConfig(
        port=link.get("port", str),
        bitrate_bps=link.get("bitrate_bps", int, profile.bitrate_bps if profile else DEFAULT_BITRATE_BPS),
        store=path.parent / table.get("store", str, "host.sqlite"),
        nodes=_read_nodes(path, table.get("node", list)),
        other_bundles=others,
        profile=profile,
        warnings=warnings,
    )


def _profile(path: Path, name: str) -> LinkProfile:
    try:
        return get_profile(name)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None


def _read_nodes(path: Path, entries: list[Any]) -> tuple[HostNode, ...]:
    nodes: dict[int, HostNode] = {}
    for entry in entries:
        table = _Table(f"[[node]] of {path}", entry, {"id", "key", "bundle"})
        number = table.get("id", int)
        if not 1 <= number <= MAX_NODE or number in nodes:
            raise ConfigError(f"{path} has a node with id {number}; ids are from 1 to {MAX_NODE}, each once")
        key_path = path.parent / table.get("key", str)
        key_path = key_path / KEY_FILE if key_path.is_dir() else key_path
        nodes[number] = HostNode(
            number, read_key_file(key_path), Bundle.load(path.parent / table.get("bundle", str), side="host")
        )
    if not nodes:
        raise ConfigError(f"{path} names no node; add a [[node]] with id, key and bundle")
    return tuple(nodes.values())


def read_key_file(path: Path) -> bytes:
    """A node's master key from a copy of its node.key."""
    try:
        return parse_key(path.read_text(encoding="ascii", errors="replace"), origin=str(path))
    except OSError as error:
        raise ConfigError(
            f"key {path} cannot be read ({error.strerror}); copy the node's {KEY_FILE} there, or make one with "
            "`python -m link provision`"
        ) from None


def _read_bundles(folder: Path) -> tuple[tuple[Bundle, ...], tuple[str, ...]]:
    """Every usable bundle in a folder, and a sentence on each that is not: they are only held to name others."""
    if not folder.is_dir():
        raise ConfigError(f"the folder of bundles {folder} does not exist; make it or leave `bundles` out")
    bundles, warnings = [], []
    for manifest in sorted(folder.glob(f"*/{MANIFEST}")):
        try:
            bundles.append(Bundle.load(manifest.parent, side="host"))
        except BundleError as error:
            warnings.append(f"a bundle is left out: {error}")
    return tuple(bundles), tuple(warnings)


class _Table:
    """A TOML table whose keys are known and whose values have a type."""

    def __init__(self, name: str, content: Any, keys: set[str]) -> None:
        if not isinstance(content, Mapping):
            raise ConfigError(f"{name} must be a table")
        if unknown := sorted(set(content) - keys):
            raise ConfigError(f"{name} has an unknown key '{unknown[0]}'; known are {', '.join(sorted(keys))}")
        self._name, self._content = name, content

    def get(self, key: str, kind: type, default: Any = None) -> Any:
        value = self._content.get(key, default)
        if value is None:
            raise ConfigError(f"{self._name} lacks '{key}'; add it")
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ConfigError(f"{self._name} has {key} = {value!r}, it must be of type {kind.__name__}")
        return value
