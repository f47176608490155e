"""How a host begins, runs by itself, and lets go of a node."""
