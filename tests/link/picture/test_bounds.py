"""What decoding a picture takes is known before it begins, and too much of it is refused."""

import io

import numpy as np
import pytest
from PIL import Image

from link.picture.bounds import (
    MAX_SLOW_PIXELS,
    PROGRESSIVE_BYTES,
    needed_bytes,
    reduction,
    what_is_too_much,
)


def picture(mode="RGB", size=(100, 50), **written) -> Image.Image:
    """As Pillow opens a file of it, not decoded."""
    file = io.BytesIO()
    Image.fromarray(np.zeros((size[1], size[0], 3), np.uint8)).convert(mode).save(file, **written)
    return Image.open(file)


@pytest.mark.parametrize(
    ("size", "at_least", "times"),
    [((4000, 3000), 32, 31), ((96, 200), 32, 1), ((90, 90), 32, 0), ((4000, 3000), 0, 1)],
)
def test_a_picture_is_reduced_while_three_times_what_is_wanted_is_left(size, at_least, times):
    assert reduction(size, at_least) == times


def test_a_picture_that_is_read_small_takes_less_than_one_that_is_read_whole():
    opened = picture(format="PNG")
    assert needed_bytes(opened, 5000, at_least=8) == 5000 * (4 + 1)
    assert needed_bytes(opened, 5000, at_least=32) > 5000 * (4 + 1)


def test_transparency_takes_more_than_none():
    plain, clear = picture(format="PNG"), picture("RGBA", format="PNG")
    assert needed_bytes(clear, 5000, 0) > needed_bytes(plain, 5000, 0)


def test_a_progressive_jpeg_is_held_whole_however_small_it_is_decoded():
    plain = picture(format="JPEG")
    progressive = picture(format="JPEG", progressive=True)
    more = needed_bytes(progressive, 5000, 8) - needed_bytes(plain, 5000, 8)
    assert more == PROGRESSIVE_BYTES * 5000


def test_what_fits_is_not_too_much_and_a_byte_less_of_memory_is_told_in_megabytes():
    opened = picture(size=(1000, 1000), format="PNG")
    needed = needed_bytes(opened, 1_000_000, 0)
    assert what_is_too_much(opened, 1_000_000, 0, needed, is_slow=False) == ""
    sentence = what_is_too_much(opened, 1_000_000, 0, needed - 1, is_slow=False)
    assert sentence.startswith("its 1 million pixels take 9 MB of memory, and 9 MB is what")


def test_what_pillow_decodes_slowly_is_refused_by_its_pixels():
    opened = picture(format="PNG")
    assert what_is_too_much(opened, MAX_SLOW_PIXELS, 0, 1 << 40, is_slow=True) == ""
    sentence = what_is_too_much(opened, MAX_SLOW_PIXELS + 1, 0, 1 << 40, is_slow=True)
    assert sentence == "4 million pixels of PNG take minutes; save it as PNG or JPEG"
