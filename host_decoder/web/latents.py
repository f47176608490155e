"""Latents: the symbols of images as a person sees them: a strip, a picture where the bundle has a
thumbnail task, a scatter of the two directions in which they differ most, and an image's nearest.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from host_decoder.web.archive import Archive, Bitstream
from link.base import Recent
from link.bundle import Bundle, BundleError
from link.coder import decode_bulk

MAX_KEPT = 20_000
"Images whose symbols are remembered; at 64 latents 5 MB."
THUMBNAIL = "thumbnail"
CALM = 1e-9


class Latents:
    """Symbols by image key; decoded once, many at a time. Any thread may ask."""

    def __init__(self, archive: Archive, bundles: Sequence[Path]) -> None:
        self._archive = archive
        self._bundles: dict[str, Bundle] = {}
        for path in bundles:
            try:
                bundle = Bundle.load(path, side="host")
            except BundleError:  # the host says so; the page goes without
                continue
            self._bundles.setdefault(bundle.id.hex(), bundle)
        self._kept: Recent[tuple[str, int], tuple[np.ndarray, int, str]] = Recent(MAX_KEPT)
        self._lock = Lock()

    @property
    def bundles(self) -> dict[str, Bundle]:
        """By their ids in hex."""
        return self._bundles

    def of(self, keys: Sequence[str]) -> dict[str, tuple[np.ndarray, int, str]]:
        """By key: symbols float32 (D,), how many of them were received, the bundle's id."""
        found: dict[str, tuple[np.ndarray, int, str]] = {}
        by_bundle: dict[str, list[Bitstream]] = {}
        for stream in self._archive.bitstreams(keys):
            kept = self._kept.get((stream.key, len(stream.bitstream)))
            if kept is not None:
                found[stream.key] = kept
            elif stream.bundle in self._bundles:
                by_bundle.setdefault(stream.bundle, []).append(stream)
        for name, streams in by_bundle.items():
            latents = decode_bulk(
                [stream.bitstream for stream in streams],
                self._bundles[name].tables,
                [stream.is_complete for stream in streams],
            )
            for stream, symbols, n_known, is_valid in zip(
                streams, latents.symbols, latents.n_known, latents.is_valid, strict=True
            ):
                if is_valid:
                    found[stream.key] = symbols, int(n_known), name
                    with self._lock:
                        self._kept[stream.key, len(stream.bitstream)] = found[stream.key]
        return found

    def shown(self, keys: Sequence[str]) -> dict[str, Any]:
        """By key: `symbols`, rounded, `known`, and `picture` where the bundle can draw one."""
        found = self.of(keys)
        answer: dict[str, Any] = {
            key: {"symbols": np.rint(symbols).astype(int).tolist(), "known": n_known}
            for key, (symbols, n_known, _) in found.items()
        }
        for name, bundle in self._bundles.items():
            mine = [key for key, (_, _, of) in found.items() if of == name]
            reader = _draws(bundle) if mine else None
            if reader is not None:
                drawn = reader(np.stack([found[key][0] for key in mine]))
                for key, picture in zip(mine, drawn, strict=True):
                    answer[key]["picture"] = picture
        return answer

    def scatter(self, keys: Sequence[str]) -> dict[str, Any]:
        """The images of the commonest bundle among them: `keys`, `xy` in [-1, 1], and the share of
        their variance that each axis shows.
        """
        found = self.of(keys)
        names = [name for _, _, name in found.values()]
        name = max(set(names), key=names.count) if names else ""
        mine = [key for key in keys if key in found and found[key][2] == name]
        if len(mine) < 3:
            return {"bundle": name, "keys": [], "xy": [], "share": [0.0, 0.0]}
        xy, share = principal(np.stack([found[key][0] for key in mine]))
        return {
            "bundle": name,
            "keys": mine,
            "xy": np.round(xy, 4).tolist(),
            "share": np.round(share, 4).tolist(),
        }

    def nearest(self, key: str, among: Sequence[str], n: int) -> list[tuple[str, float]]:
        """Those whose symbols differ least (Euclidean), with the distance; of the same bundle."""
        found = self.of([key, *among])
        if key not in found:
            return []
        own, _, bundle = found.pop(key)
        mine = [other for other in among if other in found and found[other][2] == bundle]
        if not mine:
            return []
        distances = np.linalg.norm(np.stack([found[other][0] for other in mine]) - own, axis=1)
        best = np.argsort(distances, kind="stable")[:n]
        return [(mine[index], round(float(distances[index]), 3)) for index in best]


def principal(symbols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, D) → their two principal components (N, 2) within [-1, 1], and the variance's share (2,).

    The sign of each is such that its largest weight is positive, so that a picture stays as it is
    when one more image comes.
    """
    centred = symbols - symbols.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    weights = vectors[:, ::-1][:, :2]
    if weights.shape[1] < 2:
        weights = np.pad(weights, ((0, 0), (0, 2 - weights.shape[1])))
    largest = weights[np.abs(weights).argmax(axis=0), [0, 1]]
    xy = centred @ (weights * np.where(largest < 0, -1.0, 1.0))
    share = np.pad(values[::-1], (0, 2))[:2] / max(values.sum(), CALM)
    return xy / max(np.abs(xy).max(), CALM), share


@lru_cache(maxsize=16)
def _draws(bundle: Bundle) -> Any:
    """Symbols to what a browser draws: pixels in base64 and their shape; None: the bundle draws
    nothing.
    """
    from host_decoder.decode.task_reader import task_reader  # with ONNX Runtime

    try:
        return task_reader(bundle, THUMBNAIL)
    except BundleError:
        return None
