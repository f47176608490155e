"""A checkpoint's encoder as the node runs it."""
