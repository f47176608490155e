"""Recent: what is known by key, of the newest keys only; whoever sends without end fills no memory.

heard_s: Recent[int, float] = Recent(64)
heard_s[counter] = now_s               the newest now, also where it was here before
heard_s.setdefault(counter, now_s)     keeps its place, and its value, where it was here before
"""

from collections import OrderedDict
from typing import TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(OrderedDict[Key, Value]):
    """A dictionary, oldest key first, of at most so many keys."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def __setitem__(self, key: Key, value: Value) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        if len(self) > self._most:
            self.popitem(last=False)
