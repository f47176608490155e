import numpy as np
import pytest

from export.entropy_model import static_histogram
from tests.studies.rivals.symbol_codecs import (
    Deflate,
    PrefixCoder,
    RangeCoder,
    Raw,
    canonical_codes,
    huffman_lengths,
)


def some_symbols(n_images: int = 2000, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.rint(rng.normal([0, 5, -40], [1, 3, 12], (n_images, 3))).astype(np.int8)


def test_huffman_lengths_of_a_textbook_example():
    # Cormen et al., Introduction to Algorithms, section 16.3: f, e, c, b, d, a
    assert huffman_lengths([5, 9, 12, 13, 16, 45]) == [4, 4, 3, 3, 3, 1]


def test_huffman_lengths_of_dyadic_counts_are_their_information():
    assert huffman_lengths([8, 4, 2, 1, 1]) == [1, 2, 3, 4, 4]


def test_canonical_codes_of_rfc_1951():
    lengths = [3, 3, 3, 3, 3, 2, 4, 4]  # A to H in its section 3.2.2
    assert canonical_codes(lengths) == ["010", "011", "100", "101", "110", "00", "1110", "1111"]


@pytest.mark.parametrize(
    "make", [PrefixCoder.huffman, PrefixCoder.fixed, Deflate.of, lambda _: Raw()]
)
def test_symbols_come_back(make):
    training, test = some_symbols(), some_symbols(50, seed=0)[:50]
    coder = make(training)
    assert np.array_equal(coder.decode([coder.encode(symbols) for symbols in test]), test)


def test_huffman_ends_at_a_whole_byte_and_is_within_a_bit_per_latent_of_the_entropy():
    training = some_symbols()
    coder = PrefixCoder.huffman(training)
    bits = [coder.bits(symbols) for symbols in training]
    entropy = 0.0
    for column in training.T:
        p = np.unique(column, return_counts=True)[1] / len(column)
        entropy -= float((p * np.log2(p)).sum())
    assert entropy <= np.mean(bits) < entropy + 3
    assert [len(coder.encode(symbols)) for symbols in training[:100]] == [
        -(-each // 8) for each in bits[:100]
    ]


def test_a_symbol_out_of_the_alphabet_is_clamped_as_by_our_tables():
    training = some_symbols()
    far = np.array([127, -128, 127], np.int8)
    ours = RangeCoder(static_histogram(training).quantised())
    theirs = PrefixCoder.huffman(training)
    assert np.array_equal(theirs.decode([theirs.encode(far)]), ours.decode([ours.encode(far)]))
