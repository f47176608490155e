"""A line, a node and a host on one screen."""
