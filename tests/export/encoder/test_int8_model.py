import numpy as np
import pytest

from export import ExportError
from export.encoder.int8_model import Int8Model
from tests.worlds.team_bundle import make_team_bundle


def test_threads_and_batches_change_nothing(tmp_path):
    path = make_team_bundle(tmp_path / "bundle").part_path(2, 1)
    inputs = np.random.default_rng(0).integers(-128, -112, (50, 2, 2, 6)).astype(np.int8)
    one = Int8Model(path)(inputs)
    assert len(np.unique(one)) > 10
    for n_threads, batch in ((3, 1), (1, 7), (3, 16)):
        assert np.array_equal(Int8Model(path, n_threads, batch)(inputs), one)


def test_what_is_no_model_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "part.tflite").write_bytes(b"no model")
    with pytest.raises(ExportError, match=r"does not run .* export it again"):
        Int8Model(tmp_path / "part.tflite")
