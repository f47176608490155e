"""Rivals of a universal code at as many bytes: the same backbone's features by a product quantiser,
and small pictures of usual codecs, enlarged, into the same backbone.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image
from sklearn.cluster import KMeans

from export.universal.pool import enlarged
from tests.studies.rivals.image_codecs import (
    Setting,
    avif,
    body,
    decode,
    jpeg,
    jpeg2000,
    webp,
)

N_CENTRES, N_ITERATIONS, MAX_FIT = 256, 10, 5000
"A byte's worth, Lloyd's, and the images that are enough to find the centres of."
SIDES = (8, 16, 32)
"Pixels of the pictures; of less no codec makes shorter ones."
CODECS = {
    "jpeg": (jpeg, (1, 5, 10)),
    "webp": (webp, (0, 5, 20)),
    "jpeg2000": (jpeg2000, (10, 15, 20)),
    "avif": (avif, (0, 10, 30)),
}
"By name: how a setting is made, and of which qualities."
N_SIZED = 60
"Images that say how long a setting's are."


def product_quantised(fit: np.ndarray, asked: np.ndarray, n_bytes: int, seed: int) -> np.ndarray:
    """Numbers (N, D), most telling first, each the nearest of 256 centres of its byte's share of
    the columns: every n_bytes-th, so that all bytes have as much to say (as OPQ allots principal
    components). Centres follow from `fit` (M, D).
    """
    fit = np.random.default_rng(seed).permutation(fit)[:MAX_FIT]
    heard = np.empty_like(asked)
    for byte in range(n_bytes):
        own = slice(byte, None, n_bytes)
        means = KMeans(N_CENTRES, n_init=1, max_iter=N_ITERATIONS, random_state=seed)
        centres = means.fit(fit[:, own]).cluster_centers_
        heard[:, own] = centres[means.predict(asked[:, own])]
    return heard


@dataclass(frozen=True, eq=False)
class Pictures:
    """What a host sees of images that came as small pictures."""

    codec: str
    mean_bytes: float
    "What differs from image to image."
    images: np.ndarray
    "uint8 (N, SIDE, SIDE, 3)"


def small_pictures(images: np.ndarray, n_bytes: int) -> Iterator[Pictures]:
    """Each codec's longest that take at most so many bytes on average, or where none is so short
    the shortest; images uint8 (N, S, S, 3).
    """
    for codec, (make, qualities) in CODECS.items():
        some = images[:: max(1, len(images) // N_SIZED)]
        sizes = {}
        for setting in (make(side, quality) for side in SIDES for quality in qualities):
            sizes[setting] = float(np.mean([len(sent) for sent, _ in _coded(some, setting)]))
        short = {setting: size for setting, size in sizes.items() if size <= n_bytes}
        chosen = max(short, key=short.__getitem__) if short else min(sizes, key=sizes.__getitem__)
        coded = list(_coded(images, chosen))
        yield Pictures(
            codec,
            float(np.mean([len(sent) for sent, _ in coded])),
            enlarged(np.stack([shown for _, shown in coded])),
        )


def _coded(images: np.ndarray, setting: Setting) -> Iterator[tuple[bytes, np.ndarray]]:
    """What is sent of each image, and the small picture that it makes at the host."""
    template = setting.encode(Image.fromarray(images[0]))
    for image in images:
        file = setting.encode(Image.fromarray(image))
        yield body(setting, file, template), np.asarray(decode(file))
