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
SOURCE = {
    "kind": setting.text(SOURCE_KINDS, is_required=True),
    "path": setting.text(),
    "device": setting.whole(0, 255, or_text=True),
    "limit": setting.whole(1, setting.MANY),
    "loop": setting.YES_OR_NO,
    "interval_s": setting.number(0, YEAR_S),
    "hours": setting.text(),
    "gate": setting.YES_OR_NO,
    "gate_threshold": setting.number(1, 1000),
    "heartbeat_s": setting.number(0, YEAR_S),
}


@dataclass(frozen=True)
class SourceConfig:
    """Where images come from."""

    kind: str
    path: Path | None = None
    "The .npz file to replay, or the folder to read."
    device: int | str = 0
    "The camera's number; for v4l2 also a path such as /dev/video0."
    limit: int | None = None
    "Images after which the node ends."
    loop: bool = False
    "Replay and folder begin again after their last image."
    interval_s: float = 0.0
    "At least so much time from one capture to the next."
    hours: Hours | None = None
    "The hours of the day in which images are captured; None: in all."
    gate: bool = False
    "Leave out images that show nothing new."
    gate_threshold: float = THRESHOLD
    heartbeat_s: float = HEARTBEAT_S
    "With a gate an image is sent at least so often."


def read_source(table: Mapping[str, Any], folder: Path) -> SourceConfig:
    """ValueError with a sentence when it says something that cannot be. Paths are relative to
    `folder`.
    """
    setting.read_section(table, SOURCE, "[source] ")
    if table["kind"] in KINDS_WITH_PATH and "path" not in table:
        raise ValueError(f'[source] of kind "{table["kind"]}" needs a path')
    if table["kind"] == "picamera2" and not isinstance(table.get("device", 0), int):
        raise ValueError(
            f"[source] device is {shown(table['device'])}; of picamera2 it is the camera's number"
        )
    path = folder / table["path"] if "path" in table else None
    return SourceConfig(
        **{**table, "path": path, "hours": _hours(table["hours"]) if "hours" in table else None}
    )


def _hours(given: str) -> Hours:
    try:
        return Hours.parse(given)
    except ValueError as error:
        raise ValueError(f"[source] hours: {error}") from None
