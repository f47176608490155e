"""node.toml: everything one node is told, checked once, here.

node = 1
bundle = "bundle"          # paths are relative to this file
key_dir = "keys"           # node.key and counter.json, made by: python -m link provision
[source]
kind = "v4l2"              # replay, folder, v4l2 or picamera2
device = 0
[link]
port = "/dev/ttyUSB0"
profile = "lora-sf7"       # a name of: python -m link profiles
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from link.keys import MAX_NODE
from link.profiles import LinkProfile, get_profile

SOURCE_KINDS = ("replay", "folder", "v4l2", "picamera2")
KINDS_WITH_PATH = ("replay", "folder")


class ConfigError(ValueError):
    """node.toml cannot be used; the message names the file, the key and what to write instead."""


@dataclass(frozen=True)
class SourceConfig:
    """Where images come from."""

    kind: str
    path: Path | None = None
    "Of replay: the .npz file; of folder: the folder."
    device: int | str = 0
    "Of v4l2 and picamera2: the camera's number; of v4l2 also a path such as /dev/video0."
    limit: int | None = None
    "Images after which the node ends."
    loop: bool = False
    "Replay and folder begin again after their last image."
    interval_s: float = 0.0
    "At least so much time from one capture to the next."


@dataclass(frozen=True)
class LinkConfig:
    """The port and the line behind it; what node.toml leaves out is the profile's."""

    port: str
    profile: LinkProfile
    bitrate_bps: int
    "Of the serial port, which is not the radio's."
    max_packet_bytes: int


@dataclass(frozen=True)
class NodeConfig:
    """One node."""

    node: int
    bundle: Path
    key_dir: Path
    source: SourceConfig
    link: LinkConfig


NODE_KEYS = {"node": int, "bundle": str, "key_dir": str, "source": dict, "link": dict}
SOURCE_KEYS = {"kind": str, "path": str, "device": (int, str), "limit": int, "loop": bool, "interval_s": (int, float)}
LINK_KEYS = {"port": str, "profile": str, "bitrate_bps": int, "max_packet_bytes": int}


def load_config(path: Path | str) -> NodeConfig:
    """Read node.toml; ConfigError when it is missing, no TOML, or says something that cannot be."""
    path = Path(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist; write one as the README shows, or give the path of yours") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    try:
        _check_keys(table, NODE_KEYS, required=tuple(NODE_KEYS), section="")
        _check_range("node", table["node"], 1, MAX_NODE)
        return NodeConfig(
            node=table["node"],
            bundle=path.parent / table["bundle"],
            key_dir=path.parent / table["key_dir"],
            source=_source(table["source"], path.parent),
            link=_link(table["link"]),
        )
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None


def _source(table: Mapping[str, Any], folder: Path) -> SourceConfig:
    _check_keys(table, SOURCE_KEYS, required=("kind",), section="[source] ")
    if table["kind"] not in SOURCE_KINDS:
        raise ValueError(f'[source] kind is "{table["kind"]}"; it must be one of {", ".join(SOURCE_KINDS)}')
    if table["kind"] in KINDS_WITH_PATH and "path" not in table:
        raise ValueError(f'[source] of kind "{table["kind"]}" needs a path')
    _check_range("[source] limit", table.get("limit", 1), 1)
    _check_range("[source] interval_s", table.get("interval_s", 0), 0)
    return SourceConfig(**{**table, "path": folder / table["path"] if "path" in table else None})


def _link(table: Mapping[str, Any]) -> LinkConfig:
    _check_keys(table, LINK_KEYS, required=("port", "profile"), section="[link] ")
    profile = get_profile(table["profile"])
    link = LinkConfig(
        port=table["port"],
        profile=profile,
        bitrate_bps=table.get("bitrate_bps", profile.bitrate_bps),
        max_packet_bytes=table.get("max_packet_bytes", profile.max_packet_bytes),
    )
    _check_range("[link] bitrate_bps", link.bitrate_bps, 1)
    _check_range("[link] max_packet_bytes", link.max_packet_bytes, 12, profile.max_packet_bytes)
    return link


def _check_keys(table: Mapping[str, Any], kinds: Mapping[str, Any], required: tuple[str, ...], section: str) -> None:
    for key, value in table.items():
        if key not in kinds:
            raise ValueError(f'{section}key "{key}" is unknown; the keys are {", ".join(kinds)}')
        is_right = isinstance(value, kinds[key]) and (kinds[key] is bool or not isinstance(value, bool))
        if not is_right:
            raise ValueError(f'{section}key "{key}" is {value!r}, it must be {_type_names(kinds[key])}')
    for key in required:
        if key not in table:
            raise ValueError(f'{section}key "{key}" is missing')


def _type_names(kinds: Any) -> str:
    names = {
        int: "a whole number",
        float: "a number",
        str: "a text in quotes",
        bool: "true or false",
        dict: "a section",
    }
    return " or ".join(names[kind] for kind in (kinds if isinstance(kinds, tuple) else (kinds,)))


def _check_range(name: str, value: float, lowest: float, highest: float = float("inf")) -> None:
    if not lowest <= value <= highest:
        limits = f"{lowest} or more" if highest == float("inf") else f"from {lowest} to {highest}"
        raise ValueError(f"{name} is {value}; it must be {limits}")
