"""Symbols to what a person asked for."""
