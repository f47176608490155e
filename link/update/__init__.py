"""One encoder learned on many devices: what they and their server tell each other of it."""
