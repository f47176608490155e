"""What came, kept."""
