"""What the host says to other programs, each in a thread of its own that nothing waits for."""
