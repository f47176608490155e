"""A line, a node or a team, and a host on one screen."""
