"""Lines that are not there."""
