"""node.toml: everything one node is told, checked once, here.

node = 1
bundle = "bundle"          # paths are relative to this file
key_dir = "keys"           # node.key and counter.json, made by: python -m link provision
state_dir = "state"        # optional (else key_dir): what waits to be sent, and the airtime spent
bundle_signer = "bundle-signing.pub"   # optional: run only bundles that the owner of this key has signed
edgetpu = true             # optional: a Coral computes the encoder, where there is one
max_queue_mb = 16          # optional: beyond it old refinements go first, then the oldest images
[source]
kind = "v4l2"              # replay, folder, v4l2 or picamera2
device = 0
interval_s = 60            # optional: from one capture to the next; from 30 on the camera is closed in between
hours = "06:00-20:00"      # optional: capture only then, in UTC; needs wants_time
gate = true                # optional: leave out what shows nothing new, but send an image every heartbeat_s = 3600
[link]
port = "/dev/ttyUSB0"
profile = "rn2483-sf9"     # a name of: python -m link profiles; it says the modem too
region = "eu868"           # whose rules the radio keeps: eu868, us915, wire (does not radiate); silent without
frequency_hz = 869525000   # says the sub-band
feedback = true            # false: nobody answers, every image is sent once, with parity
parity = "8+2"             # without feedback only: 2 parity packets for every 8
first_chunk_bytes = 4      # optional: cut images into chunks, so that the host can say when it knows enough
chunk_bytes = 2
[link.lorawan]             # optional: the modem (an RN2483) speaks LoRaWAN, at the profile's data rate in EU868
app_key = "keys/app.key"   # a file with the 32 hex digits that the network server shows
dev_eui = "70B3D57ED0001234"
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from device.gate import HEARTBEAT_S, THRESHOLD
from device.schedule import Hours
from link.airtime import LoRaConfig
from link.erasure import ParityPlan
from link.keys import MAX_NODE
from link.profiles import LinkProfile, get_profile
from link.sender import MIN_PACKET_BYTES

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
    hours: Hours | None = None
    "Of the day, in which images are captured; None: in all."
    gate: bool = False
    "Leave out images that show nothing new."
    gate_threshold: float = THRESHOLD
    heartbeat_s: float = HEARTBEAT_S
    "With a gate an image is sent at least so often."


@dataclass(frozen=True)
class LoRaWanConfig:
    """How the modem joins a LoRaWAN network, whose security then takes our seal's place."""

    app_key: str = field(repr=False)
    join_eui: str = "0" * 16
    dev_eui: str | None = None
    "None: the one burnt into the module."


@dataclass(frozen=True)
class LinkConfig:
    """The port and the line behind it; what node.toml leaves out is the profile's."""

    port: str
    profile: LinkProfile
    bitrate_bps: int
    "Of the serial port, which is not the radio's."
    max_packet_bytes: int
    region: str | None = None
    "Whose rules the radio keeps; None: a radio stays silent."
    frequency_hz: int | None = None
    power_dbm: int | None = None
    has_feedback: bool = True
    parity: ParityPlan | None = None
    first_chunk_bytes: int | None = None
    "Of an image's bitstream in chunk 0; None: as much as a packet takes."
    chunk_bytes: int | None = None
    wants_time: bool = False
    wants_slot: bool = False
    lorawan: LoRaWanConfig | None = None


@dataclass(frozen=True)
class NodeConfig:
    """One node."""

    node: int
    bundle: Path
    key_dir: Path
    state_dir: Path
    max_queue_bytes: int
    source: SourceConfig
    link: LinkConfig
    bundle_signer: Path | None = None
    "The public key of whoever may give this node bundles; None: bundles are not signed."
    edgetpu: bool = False
    "A Coral computes the encoder, where there is one."


DEFAULT_QUEUE_MB = 16
NODE_KEYS = {
    "node": int,
    "bundle": str,
    "key_dir": str,
    "state_dir": str,
    "max_queue_mb": int,
    "bundle_signer": str,
    "edgetpu": bool,
    "source": dict,
    "link": dict,
}
NODE_REQUIRED = ("node", "bundle", "key_dir", "source", "link")
SOURCE_KEYS = {
    "kind": str,
    "path": str,
    "device": (int, str),
    "limit": int,
    "loop": bool,
    "interval_s": (int, float),
    "hours": str,
    "gate": bool,
    "gate_threshold": (int, float),
    "heartbeat_s": (int, float),
}
LINK_KEYS = {
    "port": str,
    "profile": str,
    "bitrate_bps": int,
    "max_packet_bytes": int,
    "region": str,
    "frequency_hz": int,
    "power_dbm": int,
    "feedback": bool,
    "parity": str,
    "first_chunk_bytes": int,
    "chunk_bytes": int,
    "wants_time": bool,
    "wants_slot": bool,
    "lorawan": dict,
}
LORAWAN_KEYS = {"app_key": str, "join_eui": str, "dev_eui": str}
HEX_DIGITS = {"app_key": 32, "join_eui": 16, "dev_eui": 16}


def load_config(path: Path | str, folder: Path | None = None) -> NodeConfig:
    """Read node.toml; ConfigError when it is missing, no TOML, or says something that cannot be.

    `folder`: what its paths are relative to, of a copy that lies elsewhere.
    """
    path = Path(path)
    folder = folder or path.parent
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist; write one as the README shows, or give the path of yours") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    try:
        _check_keys(table, NODE_KEYS, required=NODE_REQUIRED, section="")
        _check_range("node", table["node"], 1, MAX_NODE)
        max_queue_mb = table.get("max_queue_mb", DEFAULT_QUEUE_MB)
        _check_range("max_queue_mb", max_queue_mb, 1)
        if "hours" in table["source"] and not table["link"].get("wants_time"):
            raise ValueError("[source] hours needs [link] wants_time = true: the node has no clock of its own")
        return NodeConfig(
            node=table["node"],
            bundle=folder / table["bundle"],
            key_dir=folder / table["key_dir"],
            state_dir=folder / table.get("state_dir", table["key_dir"]),
            max_queue_bytes=max_queue_mb * 1_000_000,
            source=_source(table["source"], folder),
            link=_link(table["link"], folder),
            bundle_signer=folder / table["bundle_signer"] if "bundle_signer" in table else None,
            edgetpu=table.get("edgetpu", False),
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
    _check_range("[source] gate_threshold", table.get("gate_threshold", THRESHOLD), 1)
    _check_range("[source] heartbeat_s", table.get("heartbeat_s", HEARTBEAT_S), 0)
    path = folder / table["path"] if "path" in table else None
    return SourceConfig(**{**table, "path": path, "hours": _hours(table["hours"]) if "hours" in table else None})


def _hours(text: str) -> Hours:
    try:
        return Hours.parse(text)
    except ValueError as error:
        raise ValueError(f"[source] hours: {error}") from None


def _link(table: Mapping[str, Any], folder: Path) -> LinkConfig:
    _check_keys(table, LINK_KEYS, required=("port", "profile"), section="[link] ")
    profile = get_profile(table["profile"])
    link = LinkConfig(
        port=table["port"],
        profile=profile,
        bitrate_bps=table.get("bitrate_bps", profile.bitrate_bps),
        max_packet_bytes=table.get("max_packet_bytes", profile.max_packet_bytes),
        region=table.get("region"),
        frequency_hz=table.get("frequency_hz"),
        power_dbm=table.get("power_dbm"),
        has_feedback=table.get("feedback", True),
        parity=_parity(table["parity"]) if "parity" in table else None,
        first_chunk_bytes=table.get("first_chunk_bytes"),
        chunk_bytes=table.get("chunk_bytes"),
        wants_time=table.get("wants_time", False),
        wants_slot=table.get("wants_slot", False),
        lorawan=_lorawan(table["lorawan"], profile, folder) if "lorawan" in table else None,
    )
    _check_range("[link] bitrate_bps", link.bitrate_bps, 1)
    _check_range("[link] max_packet_bytes", link.max_packet_bytes, MIN_PACKET_BYTES, profile.max_packet_bytes)
    _check_range("[link] first_chunk_bytes", 1 if link.first_chunk_bytes is None else link.first_chunk_bytes, 1)
    _check_range("[link] chunk_bytes", 1 if link.chunk_bytes is None else link.chunk_bytes, 1)
    if link.has_feedback and link.parity:
        raise ValueError("[link] parity is for feedback = false: with feedback what is lost is sent again")
    if not link.has_feedback and (link.wants_time or link.wants_slot):
        raise ValueError("[link] wants_time and wants_slot need feedback = true: the host has to answer")
    return link


def _lorawan(table: Mapping[str, Any], profile: LinkProfile, folder: Path) -> LoRaWanConfig:
    _check_keys(table, LORAWAN_KEYS, required=("app_key",), section="[link.lorawan] ")
    if not profile.name.endswith("-eu868") or not isinstance(profile.medium, LoRaConfig):
        raise ValueError(f"[link.lorawan] needs a profile such as lora-sf9-eu868, not {profile.name}")
    path = folder / table["app_key"]
    try:
        told = {**table, "app_key": path.read_text(encoding="ascii", errors="replace").strip()}
    except OSError as error:
        raise ValueError(
            f"[link.lorawan] app_key {path} cannot be read ({error.strerror}); write the key there"
        ) from None
    for name, text in told.items():
        if not re.fullmatch(f"[0-9A-Fa-f]{{{HEX_DIGITS[name]}}}", text):
            where = f"in {path} " if name == "app_key" else ""
            raise ValueError(f"[link.lorawan] {name} {where}is not {HEX_DIGITS[name]} hex digits")
    return LoRaWanConfig(**told)


def _parity(text: str) -> ParityPlan:
    """ "8+2": two parity packets for every eight."""
    try:
        n_data, n_parity = map(int, text.split("+"))
        return ParityPlan(n_data, n_parity)
    except ValueError as error:
        raise ValueError(f'[link] parity is "{text}" ({error}); write for example "8+2"') from None


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
