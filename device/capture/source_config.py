"""[source] of node.toml: where images come from, when, and which of them are worth sending."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device.capture.gate import HEARTBEAT_S, THRESHOLD
from device.capture.schedule import Hours
from link.settings import setting, shown

SOURCE_KINDS = ("replay", "folder", "v4l2", "picamera2")
KINDS_WITH_PATH = ("replay", "folder")
YEAR_S = 366 * 24 * 3600


@dataclass(frozen=True)
class SourceConfig:
    """Where images come from."""

    kind: str = setting.key(setting.text(SOURCE_KINDS))
    path: Path | None = setting.key(setting.PATH, None)
    "The .npz file to replay, or the folder to read."
    device: int | str = setting.key(setting.whole(0, 255, or_text=True), 0)
    "The camera's number; for v4l2 also a path such as /dev/video0."
    limit: int | None = setting.key(setting.whole(1, setting.MANY), None)
    "Images after which the node ends."
    loop: bool = setting.key(setting.YES_OR_NO, False)
    "Replay and folder begin again after their last image."
    interval_s: float = setting.key(setting.number(0, YEAR_S), 0.0)
    "At least so much time from one capture to the next."
    hours: Hours | None = setting.key(setting.text(), None)
    "The hours of the day in which images are captured; None: in all."
    gate: bool = setting.key(setting.YES_OR_NO, False)
    "Leave out images that show nothing new."
    gate_threshold: float = setting.key(setting.number(1, 1000), THRESHOLD)
    heartbeat_s: float = setting.key(setting.number(0, YEAR_S), HEARTBEAT_S)
    "With a gate an image is sent at least so often."


def read_source(table: Mapping[str, Any], folder: Path) -> SourceConfig:
    """ValueError with a sentence when it says something that cannot be. Paths are relative to
    `folder`.
    """
    source = setting.read(SourceConfig, table, "[source] ", folder, hours=_hours)
    if source.kind in KINDS_WITH_PATH and source.path is None:
        raise ValueError(f'[source] of kind "{source.kind}" needs a path')
    if source.kind == "picamera2" and not isinstance(source.device, int):
        raise ValueError(
            f"[source] device is {shown(source.device)}; of picamera2 it is the camera's number"
        )
    return source


def _hours(given: str) -> Hours:
    try:
        return Hours.parse(given)
    except ValueError as error:
        raise ValueError(f"[source] hours: {error}") from None
