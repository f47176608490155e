"""Which byte means what."""
