"""Tasks: what a host can ask of a node that is in the field."""
