"""Bulk: constriction and our own coder are each other's oracle."""

import constriction
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_training.distributed.server import bulk
from link.update import code
from link.update.layout import Layout
from link.update.quantiser import quantise
from tests.link.update.test_code import LAYOUTS, decoded_or_none, same, updates
from tests.worlds.training_run import LAYOUT, values


@settings(deadline=None, max_examples=100)
@given(updates())
def test_it_decodes_what_the_node_encodes(update):
    quantised, layout = update
    if len(quantised.positions):
        assert same(bulk.decode(code.encode(quantised, layout), layout), quantised)


@settings(deadline=None, max_examples=50)
@given(updates())
def test_what_constriction_encodes_is_decoded_by_the_node(update):
    quantised, layout = update
    if not len(quantised.positions):
        return
    encoder = constriction.stream.queue.RangeEncoder()
    for index, counts in code.symbols_of(quantised, layout):
        frequencies = np.diff(counts).astype(np.float64)
        encoder.encode(index, constriction.stream.model.Categorical(frequencies, perfect=False))
    words = encoder.get_compressed()
    assert same(code.decode(words.astype(">u4").tobytes(), layout), quantised)
    assert 0 <= 4 * len(words) - len(code.encode(quantised, layout)) <= 8


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200), st.sampled_from(LAYOUTS))
def test_both_say_the_same_of_any_bytes(data, layout):
    assert_same_of(data, layout)


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_both_say_the_same_of_a_changed_update(data):
    changed = bytearray(code.encode(quantise(values(1), LAYOUT, 200), LAYOUT))
    changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    assert_same_of(bytes(changed), LAYOUT)


def assert_same_of(data: bytes, layout: Layout) -> None:
    ours = decoded_or_none(data, layout)
    if ours is None:
        with pytest.raises(code.CodeError, match="damaged"):
            bulk.decode(data, layout)
    else:
        assert same(bulk.decode(data, layout), ours)
