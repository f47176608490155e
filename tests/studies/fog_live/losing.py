"""Losing: the same images over links that lose nothing and links that lose some; what the decoder
makes of what comes.
"""

from dataclasses import dataclass, replace

import numpy as np

from host_decoder.decode.classifier import Classifier
from tests.studies.fog_live.running import Wish, running


@dataclass(frozen=True)
class Losing:
    """Images of one kind of link."""

    accuracy: float
    "Share 0…1; an image that never came counts as wrong."
    whole: float
    "Share of images that came with all groups."
    n_unanswered: int


def accuracy(wish: Wish, loss: float, images: np.ndarray, labels: np.ndarray) -> Losing:
    """Each image once, datagrams lost with that probability."""
    wish = replace(wish, line=replace(wish.line, loss=loss))
    with running(wish, images) as one:
        numbers = one.go_on(len(images))
        one.wait_for(lambda: one.missing(numbers) == [] or one.n_through() > numbers.stop + 20, 60)
        came = one.symbols(numbers)
        classify = Classifier.of(one.team.bundle)
        named = classify(np.stack([symbols for _, symbols in came])).argmax(1)
        n_right = sum(
            label == labels[number % len(labels)]
            for (number, _), label in zip(came, named.tolist(), strict=True)
        )
        groups = wish.members
        return Losing(
            accuracy=n_right / len(images),
            whole=sum(bool(symbols[:groups].all()) for _, symbols in came) / len(images),
            n_unanswered=len(images) - len(came),
        )
