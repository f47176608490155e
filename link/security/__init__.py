"""Why nothing can be forged or repeated."""
