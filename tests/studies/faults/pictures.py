"""Mutated pictures: files of every format with bytes changed, lost, doubled and cut off, through
node and training.

What may come of one is an image or the sentence that it cannot be read. Anything else counts as a
traceback: another exception, a warning of Python's, words of a library on the terminal, more than
SLOW_S, or the end of the process.
"""

import io
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageFile

from device.capture.image_source import open_source
from device.capture.source_config import SourceConfig
from host_training.data.image_folder import read_image
from link.bundle.image_spec import ImageSpec
from link.picture.reader import UnreadableImageError

N_MUTANTS = 30_000
BATCH = 5_000
"Mutants of one process."
SLOW_S = 5.0
IMAGE = ImageSpec(32, 32, 3)
ODD_BYTES = (0, 1, 127, 128, 255)


def seeds() -> dict[str, tuple[str, bytes]]:
    """By name: the extension and the bytes of a sound picture, one for each format and kind that
    Pillow writes.
    """
    noise = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    colours = Image.fromarray(noise)
    deep = Image.fromarray(noise[..., 0].astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "hello"
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    profile = ImageCms.ImageCmsProfile(srgb).tobytes()
    frames = {"save_all": True, "append_images": [colours.rotate(90)]}
    made: list[tuple[str, Any, dict[str, Any]]] = [
        *(
            ("jpg", colours, how)
            for how in ({"exif": exif}, {"progressive": True}, {"icc_profile": profile})
        ),
        ("jpg", colours.convert("CMYK"), {}),
        ("mpo", colours, frames),
        *(("png", colours, how) for how in ({}, {"exif": exif}, {"icc_profile": profile}, frames)),
        ("png", deep, {"transparency": 257}),
        ("png", colours.convert("P"), {"transparency": bytes(range(200))}),
        *(
            ("tif", colours, {"compression": how})
            for how in ("raw", "tiff_lzw", "jpeg", "tiff_adobe_deflate", "packbits")
        ),
        *(
            ("tif", image, {})
            for image in (deep, colours.convert("L").convert("F"), colours.convert("RGBA"))
        ),
        ("tif", ImageCms.profileToProfile(colours, srgb, lab, outputMode="LAB"), {}),
        *(("gif", colours, how) for how in ({}, frames)),
        *(("webp", colours.convert("RGBA"), how) for how in ({}, {"lossless": True}, frames)),
        ("icns", colours.resize((64, 64)), {}),
        ("blp", colours.convert("P"), {}),
        *((ending, colours.convert("1"), {}) for ending in ("xbm", "msp")),
        *((ending, colours.convert("RGBA"), {}) for ending in ("tga", "ico", "dds", "qoi", "jp2")),
        *(
            (ending, colours, {})
            for ending in ("bmp", "ppm", "pcx", "sgi", "im", "pdf", "eps", "avif", "dib", "jp2")
        ),
        *((ending, deep, {}) for ending in ("pgm", "jp2")),
        ("pfm", colours.convert("L").convert("F"), {}),
    ]
    found = {}
    for number, (ending, image, how) in enumerate(made):
        file = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image.save(file, Image.registered_extensions()[f".{ending}"], **how)
        found[f"{number} {ending}"] = (ending, file.getvalue())
    return found


def mutant(content: bytes, draw: random.Random) -> bytes:
    """One to sixteen changes, most of them near the beginning, where a file says what it is."""
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        at, kind = (
            draw.randrange(min(len(changed), draw.choice((64, 200, len(changed))))),
            draw.random(),
        )
        if kind < 0.6:
            changed[at] = draw.choice((*ODD_BYTES, draw.randrange(256)))
        elif kind < 0.75:
            del changed[draw.randrange(1, len(changed) + 1) :]
        elif kind < 0.9:
            changed[at:at] = draw.randbytes(draw.randrange(1, 9))
        else:
            del changed[at : at + draw.randrange(1, 9)]
        changed = changed or bytearray(b"x")
    return bytes(changed)


def faults(seed: int, n_mutants: int, folder: Path) -> Iterator[str]:
    """What came of the mutants that was neither an image nor a sentence."""
    draw, sound = random.Random(seed), sorted(seeds().items())
    for _ in range(n_mutants):
        name, (ending, content) = draw.choice(sound)
        path = folder / f"x.{ending}"
        path.write_bytes(mutant(content, draw))
        began_s = time.monotonic()
        for who, read in (("node", _by_node), ("training", _by_training)):
            try:
                read(path)
            except UnreadableImageError as error:
                if "\n" in str(error):
                    yield f"{name}, {who}: a sentence of several lines"
            except Exception as error:
                yield f"{name}, {who}: {type(error).__name__}"
        if time.monotonic() - began_s > 2 * SLOW_S:
            yield f"{name}: more than {SLOW_S:g} s"
        path.unlink()


def _by_node(path: Path) -> None:
    pixels = next(open_source(SourceConfig("folder", path.parent), IMAGE))().pixels
    assert pixels.shape == IMAGE.shape


def _by_training(path: Path) -> None:
    assert read_image(path, 32).dtype == np.uint8


def measure(n_mutants: int = N_MUTANTS) -> dict[str, float]:
    """Figures: mutants tried, and how many of them ended in anything but an image or a sentence."""
    n_bad = 0
    for seed in range(-(-n_mutants // BATCH)):
        n_here = min(BATCH, n_mutants - seed * BATCH)
        command = [
            sys.executable,
            "-W",
            "error",
            "-m",
            "tests.studies.faults.pictures",
            str(seed),
            str(n_here),
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": os.getcwd()}
        )
        found = (
            json.loads(done.stdout)
            if done.returncode == 0
            else {f"the process ended with {done.returncode}": 1}
        )
        found |= {f"said beside the sentence: {line}": 1 for line in done.stderr.splitlines()}
        for what, count in found.items():
            print(f"mutated pictures: {what}, {count} times", file=sys.stderr)
        n_bad += sum(found.values())
    return {"mutated_images": n_mutants, "mutated_images_tracebacks": n_bad}


if __name__ == "__main__":
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps(Counter(faults(int(sys.argv[1]), int(sys.argv[2]), Path(name)))))
