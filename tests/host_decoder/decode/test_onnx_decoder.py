"""A decoder file gives for each image what it gives it alone, however many there are.

What it refuses: test_classifier.py.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from host_decoder.decode.onnx_decoder import BATCH_IMAGES, OnnxDecoder, open_session
from link.bundle.bundle import BundleError
from tests.worlds.small_host import weights, write_decoder


@pytest.mark.parametrize("n_images", [1, BATCH_IMAGES, BATCH_IMAGES + 1, 2 * BATCH_IMAGES + 7])
def test_a_data_set_goes_through_in_batches(tmp_path, n_images):
    write_decoder(tmp_path / "decoder.onnx", weights(12))
    decode = OnnxDecoder(tmp_path / "decoder.onnx", 12, "probabilities")
    symbols = np.random.default_rng(0).integers(-9, 9, (n_images, 12)).astype(np.int8)
    answers = decode(symbols)
    assert answers.shape == (n_images, 4)
    for row in (0, n_images // 2, n_images - 1):
        assert np.allclose(answers[row], decode(symbols[row : row + 1])[0], atol=1e-6)


def test_a_file_that_is_no_model_is_named(tmp_path):
    (tmp_path / "decoder.onnx").write_bytes(b"no model at all")
    with pytest.raises(BundleError, match=r"decoder.onnx is no model that ONNX Runtime can run"):
        open_session(tmp_path / "decoder.onnx")


def test_the_runtime_is_told_to_report_to_nobody_before_it_loads(tmp_path):
    (tmp_path / "onnxruntime.py").write_text(
        "import os, sys\nsys.exit(os.environ.get('ORT_DISABLE_TELEMETRY') != '1')"
    )
    script = "import host_decoder.decode.onnx_decoder"
    environment = {"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[3]}"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, cwd=tmp_path)
    assert done.returncode == 0
