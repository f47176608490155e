"""What is asked of all that came, and done with it again."""
