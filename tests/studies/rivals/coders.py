"""Coders: the bundle's symbols by other coders, Huffman codes as in PNC among them."""

from collections.abc import Iterator

import numpy as np

from export import entropy_model
from tests.studies.rivals.factorised_prior import (
    MissingError,
    outside,
)
from tests.studies.rivals.inputs import Point, Study, accuracy
from tests.studies.rivals.symbol_codecs import (
    Deflate,
    PrefixCoder,
    RangeCoder,
    Raw,
    SymbolCoder,
    Zstandard,
)

OURS, OUR_CODER = "mixture tables, range coder (ours)", ", our coder"


def coders(study: Study) -> Iterator[Point]:
    """The same int8 symbols, so the same accuracy, in as many bytes as each coder makes of them."""
    train, test = study.symbols["train"], study.symbols["test"]
    static = entropy_model.static_histogram(train).quantised()
    huffman = PrefixCoder.huffman(train)
    rivals: dict[str, tuple[SymbolCoder, str]] = {
        OURS: (RangeCoder(study.bundle.tables), "the bundle as it is"),
        "static histograms, range coder": (RangeCoder(static), "the paper's tables, our coder"),
        "Huffman, a code per latent": (huffman, "as in PNC; the last byte filled"),
        "fixed length, bits per latent": (
            PrefixCoder.fixed(train),
            "as many bits as the latent's alphabet needs",
        ),
        "Deflate with a dictionary": (
            Deflate.of(train),
            "zlib level 9, raw, window of training symbols",
        ),
        "raw int8": (Raw(), "a byte per symbol"),
    }
    try:
        rivals["Zstandard with a dictionary"] = (
            Zstandard(outside("zstandard"), train),
            "trained dictionary, no header",
        )
    except MissingError as error:
        print(error)
    for name, (coder, note) in rivals.items():
        coded = [coder.encode(symbols) for symbols in test]
        decoded = coder.decode(coded)
        more = {"images_with_a_clamped_symbol": float((decoded != test).any(1).mean())}
        if coder is huffman:
            more["bits_before_filling"] = float(
                np.mean([huffman.bits(symbols) for symbols in test])
            )
        hits = accuracy(study.classify(decoded), study.data.test)
        yield Point(
            name,
            "coders",
            float(np.mean([len(each) for each in coded])),
            hits,
            study.encoder_macs,
            note,
            more,
        )
