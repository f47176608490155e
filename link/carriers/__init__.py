"""Carriers, one file each; link.carriers.carrier opens them by name."""
