"""Faults: what people, attackers and hard luck do to the product, and what it does then."""
