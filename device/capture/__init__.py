"""Images from a camera, a folder or a replay file, and whether one is worth sending."""
