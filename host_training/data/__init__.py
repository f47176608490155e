"""Images with their labels."""
