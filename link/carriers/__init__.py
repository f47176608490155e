"""Carriers, one file each; link.carrier opens them by name."""
