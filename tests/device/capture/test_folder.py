"""Folders of real image files: each image is fitted to the encoder, and what cannot be read is
named.
"""

import numpy as np
import pytest
from PIL import Image as PillowImage

from device.capture.image_source import open_source
from device.capture.source import SourceError
from device.capture.source_config import SourceConfig
from link.bundle.image_spec import ImageSpec
from link.picture.reader import UnreadableImageError

GREY_8 = ImageSpec(8, 8, 1)
COLOUR_32 = ImageSpec(32, 32, 3)


def take(source):
    return [capture() for capture in source]


def picture(width, height):
    """RGB with a red left edge and a blue right edge, so that a crop shows."""
    pixels = np.full((height, width, 3), 128, np.uint8)
    pixels[:, : width // 10] = [255, 0, 0]
    pixels[:, -width // 10 :] = [0, 0, 255]
    return PillowImage.fromarray(pixels)


def test_a_folder_gives_images_of_any_size_and_format_cut_and_resized(tmp_path):
    for name, mode, size in [
        ("a.png", "RGB", (200, 100)),
        ("b.jpg", "L", (40, 300)),
        ("c.gif", "P", (64, 64)),
    ]:
        picture(*size).convert(mode).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not an image")
    taken = take(open_source(SourceConfig("folder", tmp_path), COLOUR_32))
    assert [image.pixels.shape for image in taken] == [(32, 32, 3)] * 3
    assert [image.pixels.dtype for image in taken] == [np.uint8] * 3
    assert abs(taken[0].pixels.astype(int) - 128).max() <= 2  # both coloured edges were cut off


def test_sub_folders_are_classes(tmp_path):
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        picture(40, 40).save(tmp_path / label / "1.png")
    picture(40, 40).save(tmp_path / "zzz.png")
    assert [
        image.label for image in take(open_source(SourceConfig("folder", tmp_path), GREY_8))
    ] == [
        "cat",
        "dog",
        None,
    ]


def test_the_node_sees_an_image_as_the_training_saw_it(tmp_path):
    image_folder = pytest.importorskip("host_training.data.image_folder")
    noise = np.random.default_rng(1).integers(0, 256, (90, 120, 3)).astype(np.uint8)
    exif = PillowImage.Exif()
    exif[0x0112] = 6  # taken with the camera turned
    PillowImage.fromarray(noise).save(tmp_path / "turned.jpg", exif=exif)
    [image] = take(open_source(SourceConfig("folder", tmp_path), COLOUR_32))
    assert (image.pixels == image_folder.read_image(tmp_path / "turned.jpg", 32)).all()


def test_an_unreadable_image_is_named_and_the_next_one_can_be_taken(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG but no more")
    picture(40, 40).save(tmp_path / "b.png")
    broken, whole = open_source(SourceConfig("folder", tmp_path), GREY_8)
    with pytest.raises(UnreadableImageError, match=r"a.png cannot be read and is skipped"):
        broken()
    assert whole().pixels.shape == (8, 8, 1)


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    for folder in (tmp_path, tmp_path / "nowhere", tmp_path / "loop", tmp_path / ("n" * 300)):
        with pytest.raises(
            SourceError, match="does not exist or holds no images that Pillow reads"
        ):
            open_source(SourceConfig("folder", folder), GREY_8)
