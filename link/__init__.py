"""What both ends must agree on, bit for bit, and how it travels."""
