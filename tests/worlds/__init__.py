"""Worlds: what tests and studies put the product into; each is real, or behaves as the real one
does.
"""
