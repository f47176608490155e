"""Layout: named tensors and one vector."""

import hashlib

import numpy as np
import pytest

from link.update.layout import Layout, weights_hash

ARRAYS = {
    "kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
    "scale": np.array([7.0], np.float32),
    "one": np.array(8.0, np.float32),
}


def test_what_is_packed_is_unpacked_and_is_a_view():
    layout = Layout.of(ARRAYS)
    vector = layout.pack(ARRAYS)
    assert vector.tolist() == [0, 1, 2, 3, 4, 5, 7, 8]
    views = layout.unpack(vector)
    assert all(np.array_equal(views[name], ARRAYS[name]) for name in ARRAYS)
    views["kernel"][1, 2] = -1
    assert vector[5] == -1
    assert layout.tensor_of.tolist() == [0, 0, 0, 0, 0, 0, 1, 2]


def test_another_shape_is_refused_by_name():
    layout = Layout.of(ARRAYS)
    with pytest.raises(ValueError, match=r"kernel has shape \(3, 2\), not \(2, 3\)"):
        layout.pack(ARRAYS | {"kernel": ARRAYS["kernel"].T})
    with pytest.raises(ValueError, match=r"weights of shape \(7,\), this network has \(8,\)"):
        layout.fit(np.zeros(7))


@pytest.mark.parametrize(
    ("names", "shapes", "sentence"),
    [
        ((), (), "has 0 names"),
        (("a", "b"), ((1,),), "2 names and 1 shapes"),
        (("a",), ((2, 0),), "without entries"),
        (("a",), ((1 << 13, 1 << 12),), "too large"),
    ],
)
def test_no_layout_is_empty_or_takes_any_memory(names, shapes, sentence):
    with pytest.raises(ValueError, match=sentence):
        Layout(names, shapes)


def test_the_hash_is_over_little_endian_float32():
    weights = np.array([1.0, -2.5], np.float32)
    content = bytes.fromhex("0000803f000020c0")
    assert weights_hash(weights) == hashlib.sha256(content).digest()[:8]
    assert weights_hash(weights.astype(">f4")) == weights_hash(weights)
    assert weights_hash(-weights) != weights_hash(weights)


def test_layouts_of_other_names_or_shapes_have_another_hash():
    hashes = {Layout((name,), (shape,)).hash for name in "ab" for shape in ((6,), (2, 3))}
    assert len(hashes) == 4
