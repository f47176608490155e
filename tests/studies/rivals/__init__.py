"""Rivals: what else could be sent, and what it is worth at the same bytes."""
