"""Simulation: both ends of a link in virtual time."""
