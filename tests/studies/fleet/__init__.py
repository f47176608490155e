"""A fleet and its host, with real processes."""
