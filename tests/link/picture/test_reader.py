"""Pictures in every mode and format, with known content: what arrives is what a person sees, or a
sentence.
"""

import os
import struct
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from link.picture.reader import GROUND, UnreadableImageError, fit, read_picture
from tests.worlds.photos import BROKEN_TAGS, claim_size, exif_with, huge_png

ROWS, COLUMNS = np.mgrid[0:48, 0:64]
COLOURS = np.stack([COLUMNS * 4, ROWS * 5, (ROWS + COLUMNS) * 2], -1).astype(np.uint8)
"uint8 (48, 64, 3): no two corners alike."
GREY = np.asarray(Image.fromarray(COLOURS).convert("L"))
GREYS = np.repeat(GREY[..., None], 3, axis=2)


def difference(path: Path, wanted: np.ndarray, at_least: int = 0) -> float:
    """Mean distance in grey levels."""
    pixels = read_picture(path, at_least)
    assert pixels.dtype == np.uint8
    assert pixels.shape == wanted.shape
    return float(abs(pixels.astype(int) - wanted).mean())


# --- depth, colours, palette
# ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ending", ["png", "tif", "bmp", "jpg", "webp", "avif", "jp2", "ppm", "tga", "pcx", "sgi", "qoi"]
)
def test_every_format_gives_the_colours_that_were_put_in(tmp_path, ending):
    Image.fromarray(COLOURS).save(tmp_path / f"x.{ending}")
    assert difference(tmp_path / f"x.{ending}", COLOURS) < 2


@pytest.mark.parametrize(
    ("mode", "ending"),
    [
        ("RGBA", "png"),
        ("CMYK", "tif"),
        ("CMYK", "jpg"),
        ("YCbCr", "tif"),
        ("RGBA", "webp"),
        ("RGBX", "tif"),
    ],
)
def test_every_kind_of_colour_arrives_as_red_green_and_blue(tmp_path, mode, ending):
    Image.fromarray(COLOURS).convert(mode).save(tmp_path / f"x.{ending}")
    assert difference(tmp_path / f"x.{ending}", COLOURS) < 2


def test_lab_is_turned_into_colours(tmp_path):
    lab = ImageCms.profileToProfile(
        Image.fromarray(COLOURS),
        ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB"),
        outputMode="LAB",
    )
    assert lab is not None
    lab.save(tmp_path / "x.tif")
    assert difference(tmp_path / "x.tif", COLOURS) < 2


@pytest.mark.parametrize("ending", ["png", "gif", "tif", "bmp"])
def test_a_palette_is_looked_up(tmp_path, ending):
    few = Image.fromarray(COLOURS).quantize(16)
    few.save(tmp_path / f"x.{ending}")
    assert difference(tmp_path / f"x.{ending}", np.asarray(few.convert("RGB"))) == 0


@pytest.mark.parametrize("ending", ["png", "tif", "jp2", "ppm"])
def test_sixteen_bits_are_scaled_and_not_cut(tmp_path, ending):
    Image.fromarray(GREY.astype(np.uint16) * 257).save(tmp_path / f"x.{ending}")
    assert difference(tmp_path / f"x.{ending}", GREYS) < 0.6


def test_twelve_bits_of_a_tiff_are_white_at_4095(tmp_path):
    values = np.rint(GREY.astype(float) / 255 * 4095).astype(np.uint16)
    packed = np.stack(
        [
            values[:, ::2] >> 4,
            (values[:, ::2] & 15) << 4 | values[:, 1::2] >> 8,
            values[:, 1::2] & 255,
        ],
        -1,
    )
    write_tiff(tmp_path / "x.tif", packed.astype(np.uint8).tobytes(), bits=12, photometric=1)
    assert difference(tmp_path / "x.tif", GREYS) < 0.6


def test_a_tiff_whose_white_is_zero_is_turned_round(tmp_path):
    write_tiff(
        tmp_path / "x.tif", (65535 - GREY.astype("<u2") * 257).tobytes(), bits=16, photometric=0
    )
    assert difference(tmp_path / "x.tif", GREYS) < 0.6


def write_tiff(path: Path, content: bytes, bits: int, photometric: int) -> None:
    """48 x 64 grey pixels in one strip."""
    tags = {
        256: 64,
        257: 48,
        258: bits,
        259: 1,
        262: photometric,
        273: 8,
        277: 1,
        278: 48,
        279: len(content),
    }
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(content)) + content + directory)


@pytest.mark.parametrize(
    "values",
    [
        GREY.astype(np.float32) / 255,
        GREY.astype(np.float32),
        GREY.astype(np.float32) * 257,
        GREY.astype(np.int32),
        GREY.astype(np.int32) * 257,
    ],
)
def test_numbers_without_a_depth_have_the_usual_range(tmp_path, values):
    Image.fromarray(values).save(tmp_path / "x.tif")
    assert difference(tmp_path / "x.tif", GREYS) < 0.6


def test_measurements_have_the_range_of_what_was_measured(tmp_path):
    kelvins = 290.15 + 10 * (GREY - float(GREY.min())) / (GREY.max() - GREY.min())
    kelvins[0, 0] = np.nan
    Image.fromarray(kelvins.astype(np.float32)).save(tmp_path / "x.tif")
    pixels = read_picture(tmp_path / "x.tif")
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert np.median(pixels) == pytest.approx(np.nanmedian((kelvins - 290.15) * 25.5), abs=3)


def test_a_mask_of_zeros_and_ones_is_black_and_white(tmp_path):
    for values in (GREY > 100).astype(np.int32), (GREY > 100).astype(np.float32):
        Image.fromarray(values).save(tmp_path / "x.tif")
        assert np.array_equal(
            read_picture(tmp_path / "x.tif")[..., 0], np.where(GREY > 100, 255, 0)
        )


def test_inks_are_turned_round_only_where_adobe_stored_them_so(tmp_path):
    inks = Image.fromarray(255 - np.asarray(Image.fromarray(COLOURS).convert("CMYK")), "CMYK")
    inks.save(tmp_path / "x.jpg", quality=100, subsampling=0)
    content = (tmp_path / "x.jpg").read_bytes()
    marker = content.index(b"\xff\xee")
    (tmp_path / "x.jpg").write_bytes(content[:marker] + content[marker + 16 :])
    assert b"Adobe" not in (tmp_path / "x.jpg").read_bytes()
    assert difference(tmp_path / "x.jpg", COLOURS) < 2


def test_a_wide_gamut_is_brought_into_srgb_and_a_broken_profile_is_ignored(tmp_path):
    photo = Image.new("RGB", (20, 20), (200, 100, 50))
    swapped = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = swapped.index(b"rXYZ"), swapped.index(b"gXYZ")
    swapped[red : red + 4], swapped[green : green + 4] = b"gXYZ", b"rXYZ"
    at = swapped.index("sRGB".encode("utf-16-be"))
    swapped[at : at + 8] = "mine".encode("utf-16-be")
    photo.save(tmp_path / "swapped.png", icc_profile=bytes(swapped))
    red_green_blue = read_picture(tmp_path / "swapped.png")[0, 0].astype(int)
    assert abs(red_green_blue - [100, 200, 50]).max() <= 3
    photo.save(tmp_path / "broken.png", icc_profile=b"no profile at all")
    assert read_picture(tmp_path / "broken.png")[0, 0].tolist() == [200, 100, 50]


# --- what is transparent
# ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["png", "webp", "tif", "tga"])
def test_what_is_transparent_is_the_ground_and_not_the_colour_beneath(tmp_path, ending):
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[..., 0] = 200
    pixels[:, 8:, 3], pixels[:, 4:8, 3] = 255, 128
    how: dict[str, Any] = {"lossless": True, "exact": True} if ending == "webp" else {}
    Image.fromarray(pixels).save(tmp_path / f"x.{ending}", **how)
    left, middle, right = read_picture(tmp_path / f"x.{ending}")[8, [0, 5, 12]].astype(int)
    assert left.tolist() == list(GROUND)
    assert abs(middle - [227, 127, 127]).max() <= 2
    assert right.tolist() == [200, 0, 0]


def test_a_fourth_byte_that_nobody_filled_hides_nothing(tmp_path):
    pixels = np.dstack([COLOURS, np.zeros((48, 64), np.uint8)])
    Image.fromarray(pixels).save(tmp_path / "x.tga")
    Image.fromarray(pixels).save(tmp_path / "x.png")
    assert difference(tmp_path / "x.tga", COLOURS) == 0
    assert (read_picture(tmp_path / "x.png") == 255).all()


@pytest.mark.parametrize("mode", ["P", "L", "RGB", "1"])
def test_a_colour_that_stands_for_transparent_is_the_ground(tmp_path, mode):
    image = Image.new("RGB", (8, 8), (255, 255, 255)).convert(mode)
    image.paste(0 if mode != "RGB" else (0, 0, 0), (0, 0, 4, 8))
    hidden: int | tuple[int, ...] = image.getpixel((0, 0))  # type: ignore[assignment]
    image.save(tmp_path / "x.png", transparency=hidden)
    assert (read_picture(tmp_path / "x.png") == 255).all()


def test_of_sixteen_bits_too(tmp_path):
    values = np.full((8, 8), 65535, np.uint16)
    values[:, :4] = 7
    Image.fromarray(values).save(tmp_path / "x.png", transparency=7)
    assert (read_picture(tmp_path / "x.png") == 255).all()


def test_of_an_animation_the_first_image_is_seen(tmp_path):
    first, second = Image.new("RGB", (8, 8), (250, 0, 0)), Image.new("RGB", (8, 8), (0, 0, 250))
    for ending in ("gif", "webp", "png"):
        first.save(tmp_path / f"x.{ending}", save_all=True, append_images=[second])
        assert abs(read_picture(tmp_path / f"x.{ending}").astype(int) - [250, 0, 0]).max() <= 6


# --- orientation
# ------------------------------------------------------------------------------------------

AS_STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}
"By EXIF's orientation: what a camera stores of an upright picture."
ENDINGS: dict[str, Any] = {
    "jpg": {"quality": 100, "subsampling": 0},
    "png": {},
    "webp": {"lossless": True},
    "tif": {},
    "avif": {},
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("orientation", AS_STORED)
def test_a_picture_arrives_upright(tmp_path, orientation, ending):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(AS_STORED[orientation](COLOURS))
    Image.fromarray(stored).save(tmp_path / f"x.{ending}", exif=exif, **ENDINGS[ending])
    assert difference(tmp_path / f"x.{ending}", COLOURS) < 3


@pytest.mark.parametrize("tag", BROKEN_TAGS)
def test_a_broken_exif_value_costs_nothing_but_itself(tmp_path, tag):
    stored = np.ascontiguousarray(AS_STORED[6](COLOURS))
    Image.fromarray(stored).save(
        tmp_path / "x.jpg", exif=exif_with(*tag), quality=100, subsampling=0
    )
    assert difference(tmp_path / "x.jpg", COLOURS) < 1


# --- size
# ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "ending"),
    [("RGB", "jpg"), ("RGB", "png"), ("RGBA", "png"), ("P", "png"), ("1", "png")],
)
def test_a_large_picture_is_read_small_and_looks_the_same(tmp_path, mode, ending):
    rows, columns = np.mgrid[0:900, 0:1200]
    pixels = np.stack([columns // 5, rows // 4, (rows + columns) // 9], -1).astype(np.uint8)
    Image.fromarray(pixels).convert(mode).save(tmp_path / f"x.{ending}")
    whole, small = (
        read_picture(tmp_path / f"x.{ending}"),
        read_picture(tmp_path / f"x.{ending}", at_least=32),
    )
    assert whole.shape == (900, 1200, 3)
    assert 3 * 32 <= min(small.shape[:2]) < 900
    assert abs(fit(whole, (32, 32, 3)).astype(int) - fit(small, (32, 32, 3))).max() <= 5


@pytest.mark.parametrize("side", [13_300, 60_000])
def test_a_picture_that_would_fill_the_memory_is_refused_before_it_is_decoded(tmp_path, side):
    path = tmp_path / "x.png"
    huge_png(path, 4, 6)
    claim_size(path, side)
    with pytest.raises(
        UnreadableImageError,
        match=r"x\.png cannot be read and is skipped: it.* pixels.*make it smaller",
    ):
        read_picture(path, at_least=32)


def test_little_memory_makes_a_sentence_and_no_end(tmp_path):
    """A process of 700 MB meets a picture that takes 400, and then one that is as any other."""
    huge_png(tmp_path / "a.png", 10_000, 2)
    huge_png(tmp_path / "b.png", 40, 2)
    script = (
        "import resource, sys; from link.picture.reader import *\n"
        "resource.setrlimit(resource.RLIMIT_AS, (700 << 20, 700 << 20))\n"
        "for path in sys.argv[1:]:\n"
        "    try: print(read_picture(path, 32).shape)\n"
        "    except UnreadableImageError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "a.png", tmp_path / "b.png"],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    first, second = done.stdout.splitlines()
    assert "a.png cannot be read and is skipped: it" in first, done.stderr
    assert "make it smaller" in first
    assert second == "(40, 40, 3)"


# --- what is no picture
# ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("empty.png", b"", "damaged, or of a format that Pillow does not read"),
        ("words.jpg", b"no picture", "damaged, or of a format that Pillow does not read"),
        (
            "drawing.eps",
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n",
            "programs, not pictures",
        ),
        (
            "slow.ppm",
            b"P3 9000 9000 255\n",
            "81 million pixels of PPM take minutes; save it as PNG or JPEG",
        ),
        ("cut.png", None, "it is damaged"),
    ],
)
def test_what_cannot_be_read_is_named_in_one_line(tmp_path, name, content, sentence):
    if content is None:
        Image.fromarray(COLOURS).save(tmp_path / name)
        content = (tmp_path / name).read_bytes()[:90]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(
        UnreadableImageError, match=rf"{name} cannot be read and is skipped: .*{sentence}"
    ) as raised:
        read_picture(tmp_path / name)
    assert "\n" not in str(raised.value)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for name in ("pipe.png", "nowhere.png", "."):
        with pytest.raises(UnreadableImageError, match="it is not there, or is no file"):
            read_picture(tmp_path / name)


def test_nothing_is_said_beside_the_sentence(tmp_path, capfd):
    Image.fromarray(COLOURS).save(tmp_path / "x.tif", compression="tiff_lzw")
    content = bytearray((tmp_path / "x.tif").read_bytes())
    content[8:40] = bytes(32)
    (tmp_path / "x.tif").write_bytes(content)
    exif = exif_with(0x0128, 2, 1 << 20, b"2\0\0\0")
    Image.fromarray(COLOURS).save(tmp_path / "x.jpg", exif=exif)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_picture(tmp_path / "x.jpg")
        with pytest.raises(UnreadableImageError):
            read_picture(tmp_path / "x.tif")
    assert capfd.readouterr() == ("", "")
