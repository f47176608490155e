"""Parts: what one member of a team computes of the encoder, each a model by itself.

A part reads int8: an image, or the symbols less 128 that the groups it hears have published, side
by side; and it makes int8: symbols less 128, of the last segment latents.
"""

from collections.abc import Iterable

import numpy as np

from device.encoder.encoder import check_image
from device.encoder.model import Model
from link.bundle import Bundle
from link.bundle.manifest import part_file

ZERO = 128
"The int8 value is the symbol less this."
Part = tuple[int, int]
"Segment and group."


class Parts:
    """Some parts of a bundle that a team runs."""

    def __init__(self, bundle: Bundle, parts: Iterable[Part] | None = None) -> None:
        """None: all of them, as on the host."""
        assert bundle.team is not None
        self._image = bundle.image
        self._team = bundle.team
        self._cut = self._team.cut
        everything = [
            (segment, group)
            for segment in range(len(self._cut))
            for group in range(self._team.groups)
        ]
        self._models = {
            part: self._load(bundle, part) for part in (everything if parts is None else parts)
        }

    @property
    def held(self) -> list[Part]:
        return list(self._models)

    def __call__(self, segment: int, group: int, inputs: np.ndarray) -> np.ndarray:
        """int8 (1, h, w, channels) to int8 (1, h, w, c), of the last segment (1, latents)."""
        return self._models[segment, group](inputs)

    def inputs(self, segment: int, group: int, before: np.ndarray) -> np.ndarray:
        """What a part reads when all live: of pixels (H, W, C), or of what all groups of the
        segment before it published, uint8 (groups, h, w, c).
        """
        if segment == 0:
            check_image(before, self._image)
            return self._image.to_model_input(before[np.newaxis])
        heard = before[list(self._cut[segment].reads[group])]
        return (np.concatenate(list(heard), 2)[None] ^ np.uint8(ZERO)).view(np.int8)

    def symbols(self, segment: int, made: np.ndarray) -> np.ndarray:
        """What a part's output is as published, uint8 (h, w, c); latents int8 (1, 1, n)."""
        shape, levels = self._cut[segment].shape, self._cut[segment].levels
        if not levels:
            return made.reshape(shape)
        return np.minimum(made.reshape(shape).view(np.uint8) ^ np.uint8(ZERO), np.uint8(levels - 1))

    def chain(self, pixels: np.ndarray) -> list[np.ndarray]:
        """What all groups of each segment publish, (groups, h, w, c), when all live."""
        published = [pixels]
        for segment in range(len(self._cut)):
            published.append(
                np.stack(
                    [
                        self.symbols(
                            segment,
                            self(segment, group, self.inputs(segment, group, published[-1])),
                        )
                        for group in range(self._team.groups)
                    ]
                )
            )
        return published[1:]

    def _load(self, bundle: Bundle, part: Part) -> Model:
        segment, group = part
        if segment == 0:
            shape = self._image.input_shape
        else:
            height, width, channels = self._cut[segment - 1].shape
            shape = height, width, channels * len(self._cut[segment].reads[group])
        n_outputs = int(np.prod(self._cut[segment].shape))
        return Model(bundle, part_file(*part), (1, *shape), n_outputs)


def symbols_of(latents: np.ndarray, order: Iterable[int]) -> np.ndarray:
    """All latents of a team, int8 (groups, 1, 1, n), as symbols int8 (groups + D,) when all live:
    flags, then latents in transmitted order.
    """
    return np.concatenate([np.ones(len(latents), np.int8), latents.reshape(-1)[list(order)]])
