"""This machine: its files, its memory, its time."""
