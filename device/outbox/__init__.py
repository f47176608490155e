"""What waits to be sent, safe from a power cut."""
