"""Words: a duration as a person says it."""

UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def in_words(seconds: float) -> str:
    """To two digits or so: 45 s, 90 min, 3.5 h, 12 d."""
    size, unit = next(((size, unit) for size, unit in UNITS if seconds >= 1.5 * size), (1, "s"))
    return f"{seconds / size:.3g} {unit}"
