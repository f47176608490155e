"""How long a frame takes, and how often one may speak."""
