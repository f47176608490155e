"""Questions that did not exist when a node was flashed."""
