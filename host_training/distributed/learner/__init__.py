"""A device's steps on torch, and what is trained, in words that a device without torch reads."""
