"""Many nodes: several stations on one channel, in virtual time."""
