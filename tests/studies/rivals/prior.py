"""Prior: CompressAI's factorised prior, fitted to the bundle's symbols or learned."""

from collections.abc import Iterator

import torch

from tests.studies.rivals import factorised_prior
from tests.studies.rivals.coders import OUR_CODER
from tests.studies.rivals.factorised_prior import (
    LearnedBottleneck,
)
from tests.studies.rivals.inputs import Point, Study, accuracy
from tests.studies.rivals.macs import encoder_macs

PRICES = (3e-4, 1e-3, 3e-3, 1e-2)
"Prices of a bit, in nats of cross-entropy."


def prior(study: Study) -> Iterator[Point]:
    """CompressAI's EntropyBottleneck, fitted to the bundle's symbols."""
    coded = factorised_prior.same_symbols(
        study.symbols["train"], study.symbols["test"], seed=study.seed
    )
    hits = accuracy(study.classify(coded.latents), study.data.test)
    yield from two_ways(
        "factorised prior, the bundle's symbols", coded.figures(), hits, study.encoder_macs
    )


def learned(study: Study) -> Iterator[Point]:
    """The same, trained with the last dense layer and the decoder at several prices of a bit; in
    floats.
    """
    train, test = study.data.train, study.data.test
    features = {split: torch.from_numpy(study.features[split]) for split in ("train", "test")}
    for price in PRICES:
        bottleneck = LearnedBottleneck(study.model)
        bottleneck.fit(features["train"], torch.from_numpy(train.labels), price, seed=study.seed)
        figures = bottleneck.measure(features["test"], test.labels)
        name = f"factorised prior, learned at {price:g} a bit"
        yield from two_ways(name, figures, figures["accuracy"], encoder_macs(study.model))


def two_ways(name: str, figures: dict[str, float], hits: float, macs: int) -> Iterator[Point]:
    """The same probabilities through two coders."""
    yield Point(
        name, "prior", figures["bytes"], hits, macs, "CompressAI's own coder, in 32-bit words"
    )
    yield Point(
        f"{name}{OUR_CODER}",
        "prior",
        figures["shortest_bytes"],
        hits,
        macs,
        "ended at the shortest string",
    )
