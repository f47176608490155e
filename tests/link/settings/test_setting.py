"""A key is declared once: what it may say, what it fills, and the sentence for all else."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from link.settings.setting import (
    PATH,
    TEXTS,
    YES_OR_NO,
    key,
    number,
    read,
    read_section,
    settings_of,
    text,
    whole,
)


@dataclass(frozen=True)
class Camera:
    """A section, as a program has it."""

    kind: str = key(text(("v4l2", "folder")))
    path: Path | None = key(PATH, None)
    limit_bytes: int = key(whole(1, 9), 2000, name="limit_kb")
    pause_s: float = key(number(0, 60), 0.5)
    tags: tuple[str, ...] = key(TEXTS, ())
    is_open: bool = key(YES_OR_NO, False, name="open")
    note: str = "no key"


def camera(*, folder: Path = Path(), **table) -> Camera:
    return read(Camera, table, "[camera] ", folder, limit_kb=lambda kb: 1000 * kb)


def test_what_is_left_out_is_as_the_field_says():
    assert camera(kind="v4l2") == Camera("v4l2", None, 2000, 0.5, (), False)


def test_values_become_what_the_program_wants():
    said = camera(
        kind="folder", path="a/b", limit_kb=3, pause_s=1, tags=["x"], open=True, folder=Path("/etc")
    )
    assert said == Camera("folder", Path("/etc/a/b"), 3000, 1, ("x",), True)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({}, r'^\[camera\] key "kind" is missing$'),
        ({"kind": "usb"}, r'^\[camera\] kind is "usb"; it must be one of v4l2, folder$'),
        ({"kind": "v4l2", "limit_bytes": 1}, r'key "limit_bytes" is unknown; the keys are kind, p'),
        ({"kind": "v4l2", "note": "x"}, 'key "note" is unknown'),
        ({"kind": "v4l2", "limit_kb": 10}, "limit_kb is 10; it must be from 1 to 9"),
        ({"kind": "v4l2", "limit_kb": True}, "limit_kb is True, it must be a whole number"),
        ({"kind": "v4l2", "pause_s": float("nan")}, "pause_s is nan; it must be from 0 to 60"),
        ({"kind": "v4l2", "path": ""}, "path is empty; write something, or leave the key out"),
        ({"kind": "v4l2", "tags": ["x", 1]}, r"tags is \['x', 1\], it must be a list of texts"),
        ({"kind": "v4l2", "path": "x" * 1001}, "of more than 1000 letters; write something short"),
    ],
)
def test_what_cannot_be_is_a_sentence(table, sentence):
    with pytest.raises(ValueError, match=sentence):
        camera(**table)


def test_a_field_without_a_default_is_a_key_that_must_be_there():
    required = {name for name, setting in settings_of(Camera).items() if setting.is_required}
    assert required == {"kind"}


def test_a_table_of_settings_is_read_without_a_dataclass():
    settings = {"kind": text(is_required=True), "limit": whole(1, 9)}
    assert read_section({"kind": "a"}, settings) == {"kind": "a"}
    with pytest.raises(ValueError, match='key "kind" is missing'):
        read_section({"limit": 1}, settings)
