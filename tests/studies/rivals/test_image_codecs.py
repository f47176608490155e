import numpy as np
import pytest
from PIL import Image

from tests.studies.rivals.coded_images import blank, enlarge
from tests.studies.rivals.image_codecs import (
    SETTINGS,
    Setting,
    body,
    decode,
    jpeg,
    jpeg2000,
    rebuild,
    webp,
)

SMALL = [setting for setting in SETTINGS if setting.side == 8 or setting.quality in (0, 1)]


def photo() -> Image.Image:
    """Something with edges, gradients and noise in all three colours."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:32, :32]
    image = np.stack([6 * rows, 7 * columns, 200 * (rows + columns > 30)], axis=2) + rng.normal(
        0, 12, (32, 32, 3)
    )
    return Image.fromarray(image.clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_body_and_template_give_the_file_back(setting):
    file, template = setting.encode(photo()), setting.encode(blank())
    sent = body(setting, file, template)
    assert rebuild(setting, sent, template) == file
    assert len(sent) < len(file) - 20
    assert np.array_equal(
        np.asarray(decode(rebuild(setting, sent, template))), np.asarray(decode(file))
    )


@pytest.mark.parametrize("setting", SMALL, ids=lambda setting: setting.name)
def test_bodies_of_two_images_differ_and_their_template_does_not_matter(setting):
    template, another = setting.encode(blank()), setting.encode(photo().rotate(90))
    file = setting.encode(photo())
    assert (
        body(setting, file, template)
        == body(setting, file, another)
        != body(setting, another, template)
    )


@pytest.mark.parametrize(
    "other", [jpeg(16, 40), webp(16, 0), jpeg2000(16, 16)], ids=lambda setting: setting.name
)
def test_a_template_of_another_size_is_refused(other: Setting):
    larger = Setting(other.codec, 32, other.quality, other.options)
    with pytest.raises(ValueError, match="differs from its template"):
        body(other, other.encode(photo()), larger.encode(blank()))


def test_a_jpeg_body_is_its_scan():
    setting = jpeg(8, 75)
    file = setting.encode(photo())
    sent = body(setting, file, setting.encode(blank()))
    head, tail = file[: -len(sent) - 2], file[-2:]
    # SOS: three components, all coefficients
    assert head[-10:] == bytes([3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0])
    assert file == head + sent + tail
    assert tail == b"\xff\xd9"


def test_a_long_first_partition_takes_two_more_bytes():
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
    setting = webp(32, 100)
    file = setting.encode(noise)
    sent = body(setting, file, setting.encode(blank()))
    partition_bytes = int.from_bytes(file[20:23], "little") >> 5
    n_length = 1 if partition_bytes < 255 else 3
    assert len(sent) == int.from_bytes(file[16:20], "little") - 10 + n_length


def test_enlarging_keeps_a_flat_image_flat():
    flat = np.full((2, 8, 8, 3), (10, 200, 90), np.uint8)
    assert np.array_equal(enlarge(flat), np.full((2, 32, 32, 3), (10, 200, 90), np.uint8))
