"""Symbols to bitstream and back, in integers alone."""

from link.coder import latent_coder
from link.coder.bulk import decode_bulk
from link.coder.latent_coder import Latent
from link.coder.range_coder import TOTAL_BITS
from link.coder.tables import MAX_COMPONENTS, MAX_FREQUENCIES, WEIGHT_BITS, Tables

__all__ = [
    "MAX_COMPONENTS",
    "MAX_FREQUENCIES",
    "TOTAL_BITS",
    "WEIGHT_BITS",
    "Latent",
    "Tables",
    "decode_bulk",
    "latent_coder",
]
