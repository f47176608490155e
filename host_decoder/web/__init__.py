"""A live page of what a host knows, for a browser on this machine."""
