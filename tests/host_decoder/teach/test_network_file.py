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
    analysis, shift, weights, bias = (rng.normal(size=size) for size in ((5, 3), 3, (3, 4), 4))
    content = head_file(analysis, shift, weights, bias)
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    symbols = rng.normal(size=(7, 5)).astype(np.float32)
    probabilities, score = session.run(None, {"symbols": symbols})
    z = symbols @ analysis + shift
    scores = z @ weights + bias
    powers = np.exp(scores)
    assert probabilities == pytest.approx(powers / powers.sum(1, keepdims=True), abs=1e-5)
    assert score == pytest.approx((z**2).sum(1) - 2 * scores.max(1), abs=1e-4)
