"""[source] of node.toml: what it says holds, and what cannot be is said by its key."""

import pytest

from device.capture.schedule import Hours
from device.capture.source_config import SourceConfig, read_source


def test_paths_are_relative_to_the_settings_and_hours_are_read(tmp_path):
    table = {"kind": "folder", "path": "photos", "hours": "06:00-20:30", "gate": True}
    assert read_source(table, tmp_path) == SourceConfig(
        "folder", tmp_path / "photos", hours=Hours(6 * 3600, 20 * 3600 + 1800), gate=True
    )


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"kind": "replay"}, r'\[source\] of kind "replay" needs a path'),
        ({"kind": "picamera2", "device": "/dev/video0"}, "of picamera2 it is the camera's number"),
        ({"kind": "v4l2", "hours": "dawn"}, r'\[source\] hours: "dawn" is no span of the day'),
        ({"kind": "v4l2", "gate_threshold": 0}, r"\[source\] gate_threshold is 0"),
    ],
)
def test_what_cannot_be_is_said_by_its_key(tmp_path, table, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_source(table, tmp_path)
