import numpy as np
import onnx
import onnxruntime
import pytest

from host_decoder.teach.network_file import head_file, varint


@pytest.mark.parametrize(
    ("value", "encoded"),
    [(0, "00"), (1, "01"), (127, "7f"), (128, "8001"), (300, "ac02"), (-1, "ff" * 9 + "01")],
)
def test_whole_numbers_are_written_as_protocol_buffers_say(value, encoded):
    assert varint(value).hex() == encoded  # 300 is the example of protobuf.dev


def test_a_head_is_a_file_that_onnx_accepts_and_that_computes_it():
    rng = np.random.default_rng(0)
    scale, shift, centres, weights = (rng.normal(size=n) / 2 for n in (5, 5, (6, 5), (6, 4)))
    content = head_file(scale, shift, centres, weights)
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    symbols = rng.normal(size=(7, 5)).astype(np.float32)
    probabilities, score = session.run(None, {"symbols": symbols})
    distances = ((symbols * scale + shift)[:, None] - centres[None]) ** 2
    powers = np.exp(np.exp(-distances.sum(2)) @ weights)
    assert probabilities == pytest.approx(powers / powers.sum(1, keepdims=True), abs=1e-5)
    assert score == pytest.approx(distances.sum(2).min(1), abs=1e-4)
