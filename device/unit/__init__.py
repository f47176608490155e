"""What makes a node of a Linux machine: its service, its installer, and the way it tells systemd
that it works.
"""
