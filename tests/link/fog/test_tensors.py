"""Tensors: whatever goes in comes out, in every form; what nobody encoded is a ValueError."""

import io
import zipfile
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from link.bundle.manifest import Segment
from link.fog.tensors import Boundary, Form, TensorCoder
from tests.worlds.small_bundle import make_bundle
from tests.worlds.team_bundle import chain_of, make_team_bundle, random_images

RNG = np.random.default_rng(0)


def boundary(shape=(7, 7, 16), levels=16, has_tables=True):
    weights = np.array([0.6 * 0.62**i for i in range(levels)])
    row = np.maximum((weights / weights.sum() * 65_000).astype(np.int64), 1)
    row[0] += 65_536 - row.sum()
    tables = np.tile(row, (shape[2], 1)) if has_tables else None
    return Boundary(Segment(shape=shape, levels=levels, reads=()), tables)


def drawn(one, share_of_zeros):
    symbols = RNG.geometric(0.4, one.shape).clip(1, one.levels - 1)
    return np.where(RNG.random(one.shape) < share_of_zeros, 0, symbols).astype(np.uint8)


@pytest.mark.parametrize("levels", [2, 3, 16, 17, 256])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 3, 5), (7, 7, 16)])
@pytest.mark.parametrize("share_of_zeros", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("is_coded", [False, True])
def test_what_is_encoded_is_decoded(levels, shape, share_of_zeros, is_coded):
    one = boundary(shape, levels)
    symbols = drawn(one, share_of_zeros)
    data = one.encode(symbols, is_coded)
    assert (one.decode(data) == symbols).all()
    assert (data[0] == Form.CODED) == is_coded


def test_nibbles_take_the_shorter_form_and_the_coder_what_its_tables_say():
    """784 symbols, 60 % of them 0: 393 bytes as nibbles, 256 with the zeros left out, 210 coded."""
    one = boundary()
    dense, sparse = drawn(one, 0.0), drawn(one, 0.6)
    n_present = int((sparse != 0).sum())
    assert len(one.encode(dense, is_coded=False)) == 1 + 392
    assert len(one.encode(sparse, is_coded=False)) == 1 + 98 + -(-n_present // 2)
    coded = one.encode(sparse, is_coded=True)
    frequencies = np.diff(np.array(one.cumulative[0]))[sparse.reshape(-1)]
    ideal_bytes = (16 - np.log2(frequencies)).sum() / 8
    assert ideal_bytes < len(coded) < ideal_bytes + 3 < 1 + 98 + n_present / 2


def test_without_tables_a_slow_link_gets_nibbles():
    one = boundary(has_tables=False)
    assert one.encode(drawn(one, 0.0), is_coded=True)[0] == Form.NIBBLES
    with pytest.raises(ValueError, match="there are no tables"):
        one.decode(bytes([Form.CODED, 1, 2, 3]))


@pytest.mark.parametrize("levels", [13, 40])
@given(data=st.binary(max_size=150), form=st.integers(0, 4))
def test_of_bytes_that_nobody_encoded_nothing_comes_but_symbols_or_a_value_error(
    levels, data, form
):
    one = boundary((3, 3, 5), levels)
    with suppress(ValueError):
        symbols = one.decode(bytes([form]) + data)
        assert symbols.shape == one.shape
        assert symbols.max() < levels


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "no known form"),
        (bytes([9]), "no known form"),
        (bytes([Form.NIBBLES, 1]), "1 bytes of nibbles for 45"),
        (bytes([Form.NO_ZEROS, 255]), "within its bitmap"),
        (bytes([Form.BYTES, 1]), "other symbols"),
        (bytes([Form.NIBBLES]) + bytes([255] * 23), "other symbols"),
    ],
)
def test_what_is_wrong_is_said(data, sentence):
    with pytest.raises(ValueError, match=sentence):
        boundary((3, 3, 5), 13).decode(data)


def test_a_boundary_that_no_frames_hold_and_tables_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="cut the encoder where it is narrower"):
        boundary((64, 64, 16))
    segment = Segment(shape=(2, 2, 3), levels=4, reads=())
    with pytest.raises(ValueError, match="the boundary asks for"):
        Boundary(segment, np.ones((3, 5), np.uint16))
    with pytest.raises(ValueError, match="does not sum"):
        Boundary(segment, np.ones((3, 4), np.uint16))


def test_a_bundles_tables_code_what_its_parts_make(tmp_path):
    bundle = make_team_bundle(tmp_path / "bundle")
    fast, slow = TensorCoder.load(bundle), TensorCoder.load(bundle, is_coded=True)
    for segment, made in enumerate(chain_of(bundle).boundaries(random_images(5))):
        for symbols in made.reshape(-1, *made.shape[2:]):
            assert (fast.decode(segment, fast.encode(segment, symbols)) == symbols).all()
            assert (slow.decode(segment, slow.encode(segment, symbols)) == symbols).all()


def claims_much():
    """An array of petabytes, of which there is the header."""
    array = io.BytesIO()
    header = {"descr": "<u2", "fortran_order": False, "shape": (1 << 50, 16)}
    np.lib.format.write_array_header_1_0(array, header)
    return archive_of(array.getvalue())


def not_closed():
    """A header that no parser of Python likes."""
    return archive_of(b"\x93NUMPY\x01\x00" + (9000).to_bytes(2, "little") + b"(" * 9000)


def archive_of(array):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("segment_0.npy", array)
    return file.getvalue()


def test_tables_that_are_not_there_or_damaged_are_named(tmp_path):
    with pytest.raises(ValueError, match="is for one node; export one for a team"):
        TensorCoder.load(make_bundle(tmp_path / "one"))
    bundle = make_team_bundle(tmp_path / "bundle")
    file = bundle.path / "boundaries.npz"
    contents = (b"", b"no archive", file.read_bytes()[:200], claims_much(), not_closed())
    for content in contents:
        file.write_bytes(content)
        with pytest.raises(ValueError, match="npz of bundle"):
            TensorCoder.load(bundle)
    file.unlink()
    with pytest.raises(ValueError, match="export the bundle again or copy it anew"):
        TensorCoder.load(bundle)
