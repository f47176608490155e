"""A question that nobody had when the node was flashed: learned from examples, in seconds."""
