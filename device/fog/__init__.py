"""A member of a team: its parts of the encoder, and what passes between it and the others."""
