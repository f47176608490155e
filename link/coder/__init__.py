"""Symbols to bitstream and back, in integers alone."""

from link.coder import latent_coder
from link.coder.bulk import Latents, decode_bulk, mean_bits
from link.coder.tables import MAX_COMPONENTS, MAX_FREQUENCIES, Tables, quantise
