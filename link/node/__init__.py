"""The node's end of the link."""
