"""Pictures: the one reader of image files, for node, training and export. Pillow is imported here
and nowhere else.

A picture arrives as a person sees it: upright, in sRGB, of 8 bits, what is transparent on white, of
an animation the first frame. Depths are scaled by the range that the file names, and where it names
none, by what it holds. What Pillow raises, and it raises anything on a damaged file, becomes an
UnreadableImageError with one sentence. How much memory a picture takes is known before it is
decoded, and a large JPEG is decoded small.
"""

import ctypes
import io
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from link.base.extras import install
from link.base.memory import free_bytes
from link.picture.bounds import SPARE, reduction, what_is_too_much
from link.picture.capture_time import time_in_exif, time_in_name
from link.picture.orientation import ORIENTATION, TURNS, orientation_in

GROUND = (255, 255, 255)
"What a transparent picture lies on: white, as on a page."
MAX_BYTES = 512 << 20
"The memory for one picture, and at most half of what is free."
MAX_JPEG_PIXELS = 1 << 30
"A JPEG is decoded in pieces, as small as it is wanted."
BLOCK = 1 << 18
"Values that are scaled at once."
PHOTOMETRIC, BITS_PER_SAMPLE = 0x0106, 0x0102
"Tags of TIFF."
PROFILED = {"L": "GRAY", "RGB": "RGB", "RGBA": "RGB", "CMYK": "CMYK"}
"By Pillow's mode: what a colour profile calls it."
UNFILLED = frozenset({"BMP", "DIB", "TGA"})
"Formats whose writers often leave the fourth byte of every pixel 0 and mean nothing by it."
PROGRAMS = frozenset({"EPS", "WMF"})
"Formats that are programs, which another program would have to run."


class UnreadableImageError(ValueError):
    """This one image cannot be read; there may be others."""


class PillowMissingError(ImportError):
    """Pillow is not installed; the message says how it is."""


def read_picture(path: Path | str, at_least: int = 0) -> np.ndarray:
    """uint8 (H, W, 3) as a person sees it; UnreadableImageError says in a sentence why not.

    Where `at_least` is given, H and W may be smaller than the file's, though not below SPARE times
    as many pixels.
    """
    pillow = load_pillow()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's speak of its own lines
            with _opened(pillow, Path(path), at_least) as image:
                return np.asarray(_as_seen(pillow, image, at_least))
    except Exception as error:  # a damaged file raises whatever the codec's parts raise
        why = _reason(pillow, error)
    raise UnreadableImageError(f"{path} cannot be read and is skipped: {why}")


def fit(pixels: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """RGB uint8 (H, W, 3) of any size → uint8 `shape`: its aspect around the centre, its size, grey
    for 1 channel.
    """
    pillow = load_pillow()
    height, width, channels = shape
    image = pillow.Image.fromarray(pixels).convert("L" if channels == 1 else "RGB")
    fitted = pillow.ImageOps.fit(image, (width, height), pillow.Image.Resampling.LANCZOS)
    return np.asarray(fitted).reshape(shape)


def taken_s(path: Path) -> float | None:
    """When a picture was taken, in seconds by the camera's own clock: by its EXIF, else by its
    name; None where neither says it.
    """
    with suppress(Exception), warnings.catch_warnings():  # whatever a broken EXIF raises
        warnings.simplefilter("ignore")
        with load_pillow().Image.open(path) as image:
            # the EXIF of others may lie behind their pixels
            if image.format in ("JPEG", "MPO", "TIFF", "WEBP") or "exif" in image.info:
                return time_in_exif(image.getexif())
    return time_in_name(path.stem)


def extensions() -> frozenset[str]:
    """Endings of the files that Pillow knows, in lower case and with their dot."""
    return frozenset(load_pillow().Image.registered_extensions())


def load_pillow() -> Any:
    try:
        import PIL.Image
        import PIL.ImageChops
        import PIL.ImageOps
    except ImportError:
        raise PillowMissingError(f"images are read by Pillow: {install('pictures')}") from None
    _silence()
    return PIL


@cache
def _silence() -> None:
    """What is wrong with a file is said once, in our sentence: not by Pillow's log, nor by libtiff,
    past Python.
    """
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    with suppress(OSError, ValueError, AttributeError):  # it is left to speak where it is not found
        loaded = Path("/proc/self/maps").read_text().splitlines()
        for path in {line.split()[-1] for line in loaded if "libtiff" in line}:
            libtiff = ctypes.CDLL(path)
            libtiff.TIFFSetErrorHandler(None)
            libtiff.TIFFSetWarningHandler(None)


@contextmanager
def _opened(pillow: Any, path: Path, at_least: int) -> Iterator[Any]:
    """The picture, to be decoded to no more pixels than are needed, and only if there is memory for
    it.
    """
    _require(path.is_file(), "it is not there, or is no file")  # a named pipe would be waited for
    bound = min(MAX_BYTES, free_bytes() // 2)
    with path.open("rb") as file:
        is_jpeg = file.read(3) == b"\xff\xd8\xff"
        file.seek(0)
        with (
            _pixel_limit(pillow, MAX_JPEG_PIXELS if is_jpeg else bound // 4),
            pillow.Image.open(file) as image,
        ):
            _require(
                image.format not in PROGRAMS, f"{image.format} files are programs, not pictures"
            )
            # these decode in Python
            is_slow = any(tile[0] in pillow.Image.DECODERS for tile in image.tile)
            n_pixels = image.width * image.height
            if at_least:
                image.draft(None, (SPARE * at_least, SPARE * at_least))  # only JPEG can
            excess = what_is_too_much(image, n_pixels, at_least, bound, is_slow)
            _require(not excess, excess)
            yield image


def _as_seen(pillow: Any, image: Any, at_least: int) -> Any:
    """RGB, upright, 8 bits, sRGB, opaque."""
    orientation = _orientation(image)
    image.load()
    if orientation != 1 and ORIENTATION not in getattr(image, "tag_v2", {ORIENTATION}):
        orientation = 1  # newer Pillows turn a TIFF when they load it, and drop its tag
    profile = image.info.get("icc_profile")
    seen = _eight_bits(pillow, image)
    if (factor := reduction(seen.size, at_least)) > 1:
        seen = seen.reduce(factor)
    seen = _opaque(pillow, _srgb(seen, profile))
    return (
        seen.transpose(pillow.Image.Transpose[TURNS[orientation]]) if orientation in TURNS else seen
    )


def _orientation(image: Any) -> int:
    """EXIF's, read alone: whatever else is broken in the EXIF, the pixels are whole."""
    with suppress(Exception):
        return orientation_in(image.info["exif"])
    with suppress(Exception):
        return int(image.getexif().get(ORIENTATION, 1))  # a TIFF's own, or that of XMP
    return 1


def _eight_bits(pillow: Any, image: Any) -> Any:
    """L, RGB, RGBA, CMYK or LAB."""
    if image.mode.startswith(("I", "F")):
        return _scaled(pillow, image)
    if image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info:
        # only Adobe stores the opposite, which Pillow takes for granted
        return pillow.ImageChops.invert(image)
    if _is_transparent(image):
        return image.convert("RGBA")
    return (
        image
        if image.mode in ("L", "RGB", "CMYK", "LAB")
        else image.convert("L" if image.mode == "1" else "RGB")
    )


def _is_transparent(image: Any) -> bool:
    if image.mode == "RGBA" and image.format in UNFILLED and image.getextrema()[3] == (0, 0):
        return False
    has_alpha = image.mode.lower().endswith("a") or (
        image.mode == "P" and image.palette.mode.endswith("A")
    )
    return has_alpha or "transparency" in image.info


def _scaled(pillow: Any, image: Any) -> Any:
    """Integers of more than 8 bits, or floats, to L (with a transparent value, to RGBA) by their
    range.
    """
    values = np.asarray(image)
    low, high = _range(image, values)
    grey: np.ndarray = np.empty(values.shape, np.uint8)
    flat, shades = values.reshape(-1), grey.reshape(-1)
    for at in range(0, flat.size, BLOCK):  # a whole image of floats takes eight times its memory
        part = np.nan_to_num(flat[at : at + BLOCK].astype(np.float64))
        shades[at : at + BLOCK] = np.rint(np.clip((part - low) / (high - low), 0, 1) * 255)
    if getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == 0:  # white is zero
        grey = 255 - grey
    scaled = pillow.Image.fromarray(grey)
    hidden = image.info.get("transparency")
    if isinstance(hidden, int):
        scaled = scaled.convert("RGBA")
        scaled.putalpha(pillow.Image.fromarray(np.where(values == hidden, 0, 255).astype(np.uint8)))
    return scaled


def _range(image: Any, values: np.ndarray) -> tuple[float, float]:
    """Black and white: by the file's depth; where that says nothing, a usual range that suits, or
    the values' own.
    """
    if image.mode.startswith("I;16"):
        bits = getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE, (16,))
        return 0, 2 ** bits[0] - 1
    if image.mode == "I" and image.format in ("PNG", "PPM"):
        return 0, 65535
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    are_whole = image.mode == "I" or bool((finite == np.rint(finite)).all())
    if low >= 0 and high <= 1:
        return 0, 1
    for white in (255, 65535) if low >= 0 and are_whole else ():
        if white / 16 < high <= white:
            return 0, white
    return low, max(high, low + 1)


def _srgb(image: Any, profile: bytes | None) -> Any:
    """RGB or RGBA in the colours that its profile means; one that is broken or does not fit is
    ignored.
    """
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    if profile or image.mode == "LAB":
        with suppress(Exception):
            return _by_profile(image, profile, mode)
    return image if image.mode == mode else image.convert(mode)


def _by_profile(image: Any, profile: bytes | None, mode: str) -> Any:
    import PIL.ImageCms  # not every build of Pillow has it

    cms = PIL.ImageCms
    if image.mode == "LAB":
        source = cms.ImageCmsProfile(cms.createProfile("LAB"))
    else:
        source = cms.ImageCmsProfile(io.BytesIO(profile or b""))
        space = source.profile.xcolor_space.strip()
        if image.mode == "L" and space == "RGB":
            image = image.convert("RGB")
        _require(space == PROFILED.get(image.mode), "it is of another kind of image")
        _require("srgb" not in cms.getProfileDescription(source).lower(), "it changes nothing")
    return cms.profileToProfile(image, source, cms.createProfile("sRGB"), outputMode=mode)


def _opaque(pillow: Any, image: Any) -> Any:
    if image.mode != "RGBA":
        return image
    ground = pillow.Image.new("RGB", image.size, GROUND)
    ground.paste(image, mask=image.getchannel("A"))
    return ground


@contextmanager
def _pixel_limit(pillow: Any, n_pixels: int) -> Iterator[None]:
    """Pillow refuses more, also in a picture that lies within another's file."""
    before = pillow.Image.MAX_IMAGE_PIXELS
    # it warns from here, and refuses from twice as many
    pillow.Image.MAX_IMAGE_PIXELS = n_pixels // 2
    try:
        yield
    finally:
        pillow.Image.MAX_IMAGE_PIXELS = before


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise UnreadableImageError(sentence)


def _reason(pillow: Any, error: Exception) -> str:
    """One line for whatever it was."""
    said = str(error).strip().partition("\n")[0][:200]
    if isinstance(error, MemoryError):
        return "there is not enough memory for it"
    if isinstance(error, pillow.Image.DecompressionBombError):
        found = re.search(r"\d{6,}", said)
        number = f"{int(found[0]) / 1e6:.0f} million pixels" if found else "pixels"
        return f"its {number} are more than fit into memory here; make it smaller"
    if isinstance(error, pillow.UnidentifiedImageError):
        return "it is damaged, or of a format that Pillow does not read"
    if isinstance(error, UnreadableImageError):
        return said
    return f"it is damaged ({said or type(error).__name__})"
