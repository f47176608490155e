"""When a photo was taken, by EXIF as cameras and programs write it, by names, and by neither."""

from datetime import UTC, datetime

import pytest
from PIL import Image

from link.picture.capture_time import time_in_name, without_time
from link.picture.reader import taken_s
from tests.worlds.photos import BROKEN_TAGS, exif_with

NOON = datetime(2024, 5, 12, 12, 0, 0, tzinfo=UTC).timestamp()
PHOTO = Image.new("RGB", (8, 8))


def exif(own: dict[int, str], others: dict[int, str] | None = None) -> Image.Exif:
    made = Image.Exif()
    made.get_ifd(0x8769).update(own)
    made.update(others or {})
    return made


@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
def test_the_time_that_a_camera_wrote_comes_before_a_programs(tmp_path, kind):
    tags = exif({0x9003: "2024:05:12 12:00:00"}, {0x0132: "2025:01:01 00:00:00"})
    PHOTO.save(tmp_path / f"photo.{kind}", exif=tags)
    assert taken_s(tmp_path / f"photo.{kind}") == NOON


@pytest.mark.parametrize("tag", [0x9003, 0x0132])
def test_a_time_is_found_also_where_it_does_not_belong(tmp_path, tag):
    PHOTO.save(tmp_path / "photo.jpg", exif=exif({}, {tag: "2024:05:12 12:00:00"}))
    assert taken_s(tmp_path / "photo.jpg") == NOON


@pytest.mark.parametrize("text", ["0000:00:00 00:00:00", "    :  :     :  :  ", "noon", ""])
def test_what_is_no_time_is_none_and_the_name_is_asked(tmp_path, text):
    PHOTO.save(tmp_path / "photo.jpg", exif=exif({0x9003: text}))
    assert taken_s(tmp_path / "photo.jpg") is None
    PHOTO.save(tmp_path / "IMG_20240512_120000.jpg", exif=exif({0x9003: text}))
    assert taken_s(tmp_path / "IMG_20240512_120000.jpg") == NOON


@pytest.mark.parametrize("tag", BROKEN_TAGS)
def test_a_broken_exif_is_none(tmp_path, tag):
    PHOTO.save(tmp_path / "photo.jpg", exif=exif_with(*tag))
    assert taken_s(tmp_path / "photo.jpg") is None


def test_what_is_no_picture_has_no_time(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"no picture")
    assert taken_s(tmp_path / "photo.jpg") is None
    assert taken_s(tmp_path / "missing.jpg") is None


@pytest.mark.parametrize(
    "name",
    ["PXL_20240512_120000123", "2024-05-12 12.00.00", "WhatsApp Image 2024-05-12 at 12.00.00"],
)
def test_names_as_phones_give_them_say_a_time(name):
    assert time_in_name(name) == NOON


@pytest.mark.parametrize("name", ["IMG_1234", "20241399_120000", "120240512120000", "2024-05-12"])
def test_other_numbers_are_no_time(name):
    assert time_in_name(name) is None


def test_a_picture_that_nobody_dated_has_the_time_of_its_nodes_start():
    first, second, other = (
        time_in_name(f"undated-{start}-{s:08}-node3-00000007-1a2b3c4d")
        for start, s in (("00ab", 10), ("00ab", 12), ("00ac", 11))
    )
    assert (first, second, other) == (0xAB * 1e9 + 10, 0xAB * 1e9 + 12, 0xAC * 1e9 + 11)


def test_a_name_without_its_time_is_what_stands_around_it():
    assert without_time("IMG_20240512_120000_2") == "IMG__2"
    assert without_time("track12_0003") == "track12_0003"
