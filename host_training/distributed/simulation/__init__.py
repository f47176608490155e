"""A run on a virtual clock: the real server and devices, modelled circumstances, and the rivals."""
