"""Code: quantised updates as bytes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from link.update import code
from link.update.layout import Layout
from link.update.quantised import MAX_SCALE, MIN_SCALE, Quantised, to_bfloat16
from link.update.quantiser import quantise
from tests.worlds.training_run import LAYOUT, values

LAYOUTS = (
    LAYOUT,
    Layout(("one",), ((1,),)),
    Layout(("a", "b"), ((1, 1), (3,))),
    Layout(("a", "b", "c"), ((5,), (40, 500), (7,))),
)


@st.composite
def updates(draw) -> tuple[Quantised, Layout]:
    layout = draw(st.sampled_from(LAYOUTS))
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    share = draw(st.sampled_from([0.0, 0.0005, 0.01, 0.3, 0.9, 1.0]))
    places = np.flatnonzero(random.random(layout.size) < share)
    sizes = random.choice([1, 2, 3], size=len(places), p=draw(st.sampled_from(LEVEL_ODDS)))
    symbols = (sizes * random.choice([-1, 1], size=len(places))).astype(np.int8)
    levels = tuple(to_bfloat16(draw(st.floats(1e-9, 1e6))) for _ in range(3))
    scale = st.integers(MIN_SCALE, MAX_SCALE)
    scales = draw(st.sampled_from([0, 1])) * np.array([draw(scale) for _ in layout.names])
    return Quantised(places, symbols, levels, tuple(scales.tolist())), layout


LEVEL_ODDS = ([0.6, 0.3, 0.1], [1, 0, 0], [0, 0, 1], [0, 1, 0])


def same(one: Quantised, other: Quantised) -> bool:
    return (
        np.array_equal(one.positions, other.positions)
        and np.array_equal(one.symbols, other.symbols)
        and (one.levels, one.scales) == (other.levels, other.scales)
    )


@settings(deadline=None, max_examples=50)
@given(updates())
def test_what_is_encoded_is_decoded(update):
    quantised, layout = update
    data = code.encode(quantised, layout)
    decoded = code.decode(data, layout)
    if len(quantised.positions):
        assert same(decoded, quantised)
    else:
        assert data == b""
        assert len(decoded.positions) == 0


@settings(deadline=None, max_examples=50)
@given(updates())
def test_its_length_is_what_the_probabilities_say(update):
    quantised, layout = update
    bits = code.n_bits(quantised, layout)
    assert bits / 8 - 3 <= len(code.encode(quantised, layout)) <= bits / 8 + 2


def test_positions_and_values_take_no_more_than_their_entropy_and_a_little():
    layout = Layout(("a",), ((100, 1000),))
    random = np.random.default_rng(0)
    places = np.flatnonzero(random.random(layout.size) < 0.01)
    symbols = random.choice([1, -1, 2, -2, 3, -3], size=len(places)).astype(np.int8)
    quantised = Quantised(places, symbols, (1.0, 2.0, 3.0), (0,))
    share = len(places) / layout.size
    entropy = -share * np.log2(share) - (1 - share) * np.log2(1 - share)
    ideal = layout.size * entropy + len(places) * np.log2(6)
    assert len(code.encode(quantised, layout)) * 8 < 1.005 * ideal + 8 * 10


def decoded_or_none(data: bytes, layout: Layout) -> Quantised | None:
    """None where it is refused, as an update that is damaged."""
    try:
        return code.decode(data, layout)
    except code.CodeError as refusal:
        sentence = str(refusal)
    assert "damaged" in sentence
    return None


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=300), st.sampled_from(LAYOUTS))
def test_any_bytes_are_an_update_or_refused_in_a_sentence(data, layout):
    decoded = decoded_or_none(data, layout)
    if decoded:
        assert len(decoded.positions) <= layout.size
        assert (np.diff(decoded.positions) > 0).all()
        assert np.isfinite(decoded.dense(layout)).all()


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_a_changed_update_never_crashes(data):
    quantised = quantise(values(data.draw(st.integers(0, 99))), LAYOUT, 200)
    changed = bytearray(code.encode(quantised, LAYOUT))
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    decoded_or_none(bytes(changed), LAYOUT)


def test_more_entries_than_places_are_refused_before_they_are_decoded():
    layout = Layout(("a",), ((4, 4),))
    quantised = Quantised(np.arange(16), np.ones(16, np.int8), (1.0, 2.0, 3.0), (0,))
    data = code.encode(quantised, layout)
    with pytest.raises(code.CodeError, match="16 entries in 9 places"):
        code.decode(data, Layout(("a",), ((3, 3),)))
