"""The run's server: what devices moved is checked, filtered, added up and told; torch-free, and
without sockets and clocks.
"""
