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

    kind: str = setting.key(
        setting.text(SOURCE_KINDS).explained(
            "a USB camera is `v4l2`, one on the Pi's own connector `picamera2`; `folder` reads "
            "image files, `replay` a file that `latentlink replay` wrote"
        )
    )
    path: Path | None = setting.key(
        setting.PATH.explained("the file of `replay`, the folder of `folder`; these need it"), None
    )
    device: int | str = setting.key(
        setting.whole(0, 255, or_text=True).explained(
            "the camera's number; of `v4l2` also a path such as `/dev/video0`"
        ),
        0,
    )
    limit: int | None = setting.key(
        setting.whole(1, setting.MANY).explained("images after which the node ends"), None
    )
    loop: bool = setting.key(
        setting.YES_OR_NO.explained("`replay` and `folder` begin again after their last image"),
        False,
    )
    interval_s: float = setting.key(
        setting.number(0, YEAR_S).explained(
            "at least so long from one capture to the next; from 30 on the camera is closed in "
            "between"
        ),
        0.0,
    )
    hours: Hours | None = setting.key(
        setting.text().explained(
            'capture only then, in UTC: `"06:00-20:00"`; needs `wants_time`', usual="all day"
        ),
        None,
    )
    gate: bool = setting.key(
        setting.YES_OR_NO.explained("leave out images that show nothing new"), False
    )
    gate_threshold: float = setting.key(
        setting.number(1, 1000).explained(
            "with `gate`: an image is new when it differs by more, in units of the usual noise"
        ),
        THRESHOLD,
    )
    heartbeat_s: float = setting.key(
        setting.number(0, YEAR_S).explained("with `gate`: an image is sent at least so often"),
        HEARTBEAT_S,
    )


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
