"""Packets in, answers out, through any number of gateways."""
