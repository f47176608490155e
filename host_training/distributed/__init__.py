"""One encoder learned by many devices: the server that adds up, how a device learns on torch, and
what carries a run: Flower between machines, or a virtual clock in one process.
"""
