"""Loading: a bundle's signature, files, model and canary are looked at once; then it encodes."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from device.encoder.canary import CanaryReport, check_canary
from device.encoder.edgetpu import sentence
from device.encoder.encoder import Encoder
from device.encoder.interpreter import RuntimeMissingError
from device.encoder.model import EncoderError
from link.bundle import Bundle, BundleError
from link.coder import latent_coder
from link.security import signature

UNUSABLE = (BundleError, EncoderError, RuntimeMissingError)
"What `load` raises of a bundle that cannot run here."


@dataclass(frozen=True)
class Encoded:
    """What one image became."""

    bitstream: bytes
    symbols: np.ndarray
    "int8 (D,), which it is of."
    ms: dict[str, float]
    "Time of this process, by what it was spent on: preprocess, model, coder."


@dataclass(frozen=True)
class Loaded:
    """A bundle that this machine can run."""

    bundle: Bundle
    encoder: Encoder
    canary: CanaryReport | None

    def encode(self, pixels: np.ndarray) -> Encoded:
        """An image, uint8 (H, W, C), as a bitstream; EncoderError when it is of another size."""
        began_s = time.perf_counter()
        prepared = self.encoder.prepare(pixels)
        prepared_s = time.perf_counter()
        symbols = self.encoder.infer(prepared)
        inferred_s = time.perf_counter()
        bitstream = latent_coder.encode(symbols, self.bundle.tables)
        spent_s = {
            "preprocess": prepared_s - began_s,
            "model": inferred_s - prepared_s,
            "coder": time.perf_counter() - inferred_s,
        }
        ms = {part: 1000 * span_s for part, span_s in spent_s.items()}
        return Encoded(bitstream, symbols, ms)


def load(path: Path, signer: Path | None, wants_edgetpu: bool = False) -> Loaded:
    """A bundle whose signature, files, model and canary are right, or one of UNUSABLE."""
    bundle = checked(path, signer)
    if bundle.team is not None:
        raise BundleError(
            f"bundle {path} is for a team of nodes; give node.toml a [team] that says which member "
            "this is, or install a bundle for one node"
        )
    encoder = Encoder(bundle, wants_edgetpu)
    try:
        canary = check_canary(bundle, encoder)
    except BundleError as error:
        if not encoder.uses_edgetpu:
            raise
        encoder = Encoder(bundle)
        encoder.notice = sentence(str(error))
        canary = check_canary(bundle, encoder)
    return Loaded(bundle, encoder, canary)


def checked(path: Path, signer: Path | None) -> Bundle:
    """A bundle whose signature and files are right."""
    bundle = Bundle.load(path, side="node")
    if signer is not None:
        signature.check(bundle, signer)
    _ = bundle.tables
    return bundle
