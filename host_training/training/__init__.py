"""How it is trained, and what it is worth."""
