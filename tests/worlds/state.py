"""All that something is made of, as a value that can be compared: to show that a question changed
nothing, without naming what is inside.
"""

from collections.abc import Mapping
from dataclasses import is_dataclass
from enum import Enum
from random import Random

OURS = ("link", "device", "tests")


def state_of(thing: object, seen: frozenset[int] = frozenset()) -> object:
    """Every field of our own objects, however deep, and what is in containers; of others, which one
    it is.
    """
    if thing is None or isinstance(thing, (bool, int, float, str, bytes, Enum)) or is_frozen(thing):
        return thing
    if id(thing) in seen:
        return "within itself"
    seen |= {id(thing)}
    if isinstance(thing, Random):
        return thing.getstate()
    if isinstance(thing, Mapping):
        return [(state_of(key, seen), state_of(value, seen)) for key, value in thing.items()]
    if isinstance(thing, (set, frozenset)):
        return sorted(map(repr, thing))
    if hasattr(thing, "__iter__") and hasattr(thing, "__len__"):
        return [state_of(one, seen) for one in thing]  # type: ignore[attr-defined]
    if type(thing).__module__.partition(".")[0] in OURS:
        return {name: state_of(value, seen) for name, value in vars(thing).items()}
    return type(thing).__name__, id(thing)


def is_frozen(thing: object) -> bool:
    """Whether it cannot change; what it has worked out of itself is kept in it all the same."""
    return is_dataclass(thing) and getattr(thing, "__dataclass_params__").frozen  # noqa: B009
