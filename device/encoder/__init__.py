"""Pixels to symbols, by the bundle that is installed."""
