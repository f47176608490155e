"""Symbols to bitstream and back, in integers alone."""
