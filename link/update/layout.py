"""Layout: the trained parameters of a network as one vector, the same at all ends.

Tensors stand one behind the other in the network's order, each row by row. Batch norm's running
statistics are no parameters, and are not sent.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

MAX_PARAMETERS = 1 << 24
"64 MiB as float32: more does no device of this project train."
MAX_TENSORS = 1 << 10
HASH_BYTES = 8


@dataclass(frozen=True)
class Layout:
    """Names and shapes, in order."""

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.names) == len(self.shapes) <= MAX_TENSORS:
            raise ValueError(
                f"a layout has {len(self.names)} names and {len(self.shapes)} shapes; as many of "
                f"both are needed, from 1 to {MAX_TENSORS}"
            )
        if any(side < 1 for shape in self.shapes for side in shape):
            raise ValueError(f"a tensor without entries has no place in a layout: {self.shapes}")
        if not self.size <= MAX_PARAMETERS:
            raise ValueError(
                f"a layout of {self.size} parameters is too large, {MAX_PARAMETERS} are allowed"
            )

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> "Layout":
        """The layout of named arrays in their order."""
        return cls(tuple(arrays), tuple(tuple(array.shape) for array in arrays.values()))

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """Where each tensor begins, and where the last one ends."""
        starts = [0]
        for shape in self.shapes:
            starts.append(starts[-1] + prod(shape))
        return tuple(starts)

    @property
    def size(self) -> int:
        """How many parameters there are, P."""
        return self.starts[-1]

    @cached_property
    def hash(self) -> bytes:
        """8 bytes that name these names and shapes."""
        text = json.dumps([self.names, self.shapes], separators=(",", ":"))
        return hashlib.sha256(text.encode()).digest()[:HASH_BYTES]

    @cached_property
    def tensor_of(self) -> np.ndarray:
        """uint16 (P,): which tensor each parameter belongs to."""
        return np.repeat(np.arange(len(self.names), dtype=np.uint16), np.diff(self.starts))

    def pack(self, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """Arrays by name as one vector, float32 (P,)."""
        vector = np.empty(self.size, np.float32)
        for name, view in self.unpack(vector).items():
            if arrays[name].shape != view.shape:
                raise ValueError(f"{name} has shape {arrays[name].shape}, not {view.shape}")
            view[...] = arrays[name]
        return vector

    def unpack(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """Views into the vector (P,), by name: what is written there is written in it."""
        parts = zip(self.names, self.shapes, self.starts, self.starts[1:], strict=False)
        return {name: vector[start:end].reshape(shape) for name, shape, start, end in parts}

    def fit(self, vector: np.ndarray) -> np.ndarray:
        """The vector as float32 (P,); ValueError where it is another's."""
        if vector.shape != (self.size,):
            raise ValueError(f"weights of shape {vector.shape}, this network has ({self.size},)")
        return np.ascontiguousarray(vector, np.float32)


def weights_hash(weights: np.ndarray) -> bytes:
    """The first 8 bytes of the SHA-256 over float32 weights (P,), lowest byte first."""
    return hashlib.sha256(np.ascontiguousarray(weights, "<f4").data).digest()[:HASH_BYTES]
