"""Canary: images with the symbols that the bundle's encoder makes of them on the host that sends
it.

Of a team it also holds what crosses each exchange, so that a member can try its own parts alone. A
node computes them before it trusts a bundle. Runtimes may differ by 1 in a symbol, rarely, and
harmlessly, since what is transmitted are integers. A larger difference, or many, mean a broken
model, kernel or pre-processing: symbols are small numbers, so that quite another image is mostly
within 1 too.
"""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from device.encoder.encoder import Encoder
from device.encoder.parts import Parts, symbols_of
from link.bundle import Bundle, BundleError, ImageSpec
from link.picture import read_arrays

CANARY = "canary.npz"
BOUNDARY = "segment_{}"
"What all groups of that segment publish, uint8 (n, groups, h, w, c)."
N_IMAGES, N_TEAM_IMAGES = 6, 2
"A team has fewer: what crosses its exchanges is a hundred times as long as the symbols."
SEED = 20
TOLERANCE, MAX_SHARE = 1, 1 / 16
"How far one symbol may be off, and what share of all may be off at all."
MAX_BYTES = 16 << 20


@dataclass(frozen=True)
class CanaryReport:
    """How this machine's symbols differ from the expected ones."""

    n_symbols: int
    n_differ: int
    largest: int

    @property
    def is_good(self) -> bool:
        return self.largest <= TOLERANCE and self.n_differ <= MAX_SHARE * self.n_symbols

    def __str__(self) -> str:
        return (
            f"{self.n_differ} of {self.n_symbols} canary symbols differ, by at most {self.largest}"
        )


def make_canary(bundle: Bundle) -> bytes:
    """canary.npz: coloured squares under noise, uint8 (n, H, W, C), and int8 (n, D): their symbols
    on this machine.
    """
    draw, n_images = np.random.default_rng(SEED), N_TEAM_IMAGES if bundle.team else N_IMAGES
    images = np.stack([_squares(bundle.image, 2 << n % 3, draw) for n in range(n_images)])
    if bundle.team is None:
        encoder = Encoder(bundle)
        expected = {"symbols": np.stack([encoder(image) for image in images])}
    else:
        parts, order = Parts(bundle), bundle.team.order
        *crossing, latents = map(np.stack, zip(*map(parts.chain, images), strict=True))
        expected = {BOUNDARY.format(number): one for number, one in enumerate(crossing)}
        expected["symbols"] = np.stack([symbols_of(one, order) for one in latents])
    file = BytesIO()
    np.savez(file, images=images, **expected)  # type: ignore[arg-type]
    return file.getvalue()


def _squares(spec: ImageSpec, n_across: int, draw: "np.random.Generator") -> np.ndarray:
    # the type in quotes: a node that tries no bundle then does without 3 MB
    cell = -(-max(spec.height, spec.width) // n_across)
    colours = draw.uniform(0, 255, (n_across, n_across, spec.channels))
    shapes = colours.repeat(cell, axis=0).repeat(cell, axis=1)[: spec.height, : spec.width]
    return np.clip(shapes + draw.normal(0, 8, shapes.shape), 0, 255).round().astype(np.uint8)


def check_canary(bundle: Bundle, encoder: Encoder) -> CanaryReport | None:
    """None without a canary; BundleError when it is damaged, or the symbols are others."""
    path = bundle.path / CANARY
    if not path.exists():
        return None
    arrays = _read(path, bundle)
    images, symbols = arrays["images"], arrays["symbols"]
    return _report(bundle, np.stack([encoder(image) for image in images]), symbols)


def check_parts(bundle: Bundle, parts: Parts) -> CanaryReport | None:
    """The same of the parts of one member."""
    path = bundle.path / CANARY
    if not path.exists() or not parts.held:
        return None
    arrays = _read(path, bundle)
    assert bundle.team is not None
    n_groups, last = bundle.team.groups, len(bundle.team.segments) - 1
    latents = np.empty((len(arrays["images"]), len(bundle.team.order)), np.int8)
    latents[:, list(bundle.team.order)] = arrays["symbols"][:, n_groups:]
    published = [arrays[BOUNDARY.format(number)] for number in range(last)]
    published.append(latents.reshape(len(latents), n_groups, *bundle.team.cut[last].shape))
    found, expected = [], []
    for segment, group in parts.held:
        for number, image in enumerate(arrays["images"]):
            before = published[segment - 1][number] if segment else image
            made = parts(segment, group, parts.inputs(segment, group, before))
            found.append(parts.symbols(segment, made).ravel().astype(int))
            expected.append(published[segment][number, group].ravel())
    return _report(bundle, np.concatenate(found), np.concatenate(expected))


def _report(bundle: Bundle, found: np.ndarray, expected: np.ndarray) -> CanaryReport:
    difference = np.abs(found.astype(int) - expected)
    report = CanaryReport(difference.size, int((difference > 0).sum()), int(difference.max()))
    if not report.is_good:
        raise BundleError(
            f"bundle {bundle.path} does not compute here what it computes on its host: {report}"
        )
    return report


def _read(path: Path, bundle: Bundle) -> dict[str, np.ndarray]:
    cut = bundle.team.cut[:-1] if bundle.team else []
    n_groups = bundle.team.groups if bundle.team else 0
    shapes = {"images": bundle.image.shape, "symbols": (bundle.n_latents,)} | {
        BOUNDARY.format(number): (n_groups, *one.shape) for number, one in enumerate(cut)
    }
    try:
        arrays = read_arrays(path, shapes, MAX_BYTES)
        n_images = len(arrays["images"])
        for name, shape in shapes.items():
            kind = np.int8 if name == "symbols" else np.uint8
            found = arrays[name]
            if not n_images or found.shape != (n_images, *shape) or found.dtype != kind:
                raise ValueError(f"{name} {found.shape} {found.dtype}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{path} is damaged ({error}); deploy the bundle again") from None
    return arrays
