"""One encoder over several nodes: who computes what, and what they tell each other."""
