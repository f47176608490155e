"""Capture time: when a photo was taken, by what its EXIF or its name says, in seconds by the
camera's own clock.
"""

import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

EXIF_DIRECTORY, TAKEN, DIGITISED, CHANGED = 0x8769, 0x9003, 0x9004, 0x0132
"Tags: where EXIF's own directory is, and its times; programs that edit a photo change the last."
FORMAT = "%Y:%m:%d %H:%M:%S"
IN_NAME = re.compile(
    r"(?<!\d)((?:19|20)\d\d)[-_.]?(\d\d)[-_.]?(\d\d)(?:[-_ .T]|\s?at\s)*"
    r"(\d\d)[-_.:h]?(\d\d)[-_.:m]?(\d\d)"
)
"As cameras and phones name what they take: IMG_20240512_143022.jpg."
UNDATED = re.compile(r"undated-([0-9a-f]{4})-(\d{8})(?!\d)")
"""As pictures are called that a node kept and nobody dated: by its start, and the seconds since.
Each start has a time of its own.
"""
AFTER_A_START_S = 1e9


def time_in_exif(exif: Any) -> float:
    """By EXIF as Pillow reads it, which raises whatever a broken one makes it raise; ValueError
    where no tag holds a time.
    """
    said = [exif.get(TAKEN), exif.get(CHANGED)]
    with suppress(Exception):
        own = exif.get_ifd(EXIF_DIRECTORY)
        said = [own.get(TAKEN), own.get(DIGITISED), *said]
    for text in said:
        with suppress(ValueError):
            time = datetime.strptime(str(text).strip("\0 ")[:19], FORMAT)
            return time.replace(tzinfo=UTC).timestamp()
    raise ValueError("it holds no time")


def without_time(stem: str) -> str:
    """What a file's name says besides."""
    return IN_NAME.sub("", stem)


def time_in_name(stem: str) -> float | None:
    """By a file's name without its extension; None where it names no time."""
    if undated := UNDATED.match(stem):
        return int(undated[1], 16) * AFTER_A_START_S + int(undated[2])
    with suppress(ValueError):
        if found := IN_NAME.search(stem):
            year, month, day, hour, minute, second = map(int, found.groups())
            return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
    return None
