"""Image files as the pixels that a person sees."""
