"""The classifier runs a bundle's decoder, and refuses one that does not fit before the first
image.
"""

import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from host_decoder.decode.classifier import Classifier
from link.bundle.bundle import BundleError
from tests.worlds.small_host import CLASSES, weights, write_decoder


@pytest.fixture
def decoder(tmp_path):
    """Path of a decoder of 12 latents to 4 classes."""
    write_decoder(tmp_path / "decoder.onnx", weights(12))
    return tmp_path / "decoder.onnx"


def test_symbols_become_probabilities(decoder):
    symbols = np.random.default_rng(0).integers(-9, 9, (5, 12)).astype(np.float32)
    logits = symbols @ weights(12)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.allclose(Classifier(decoder, 12, 4)(symbols), expected, atol=1e-5)


def test_the_bundle_says_what_is_classified(bundle):
    assert Classifier.of(bundle)(np.zeros((3, 12), np.float32)).shape == (3, len(CLASSES))


def test_symbols_of_another_length_are_refused_with_both_lengths(decoder):
    with pytest.raises(ValueError, match=r"shape \(1, 11\).* takes \(N, 12\)"):
        Classifier(decoder, 12, 4)(np.zeros((1, 11), np.float32))
    with pytest.raises(ValueError, match=r"shape \(12,\)"):
        Classifier(decoder, 12, 4)(np.zeros(12, np.float32))


def test_a_decoder_of_another_latent_is_refused(decoder):
    with pytest.raises(
        BundleError, match=r"does not take 16 symbols per image.*export the bundle again"
    ):
        Classifier(decoder, 16, 4)


def test_a_decoder_of_other_classes_is_refused(decoder):
    with pytest.raises(
        BundleError, match=r"gives \(4,\) numbers per image, the manifest names 10 classes"
    ):
        Classifier(decoder, 12, 10)


def test_a_decoder_with_other_ends_is_refused(tmp_path):
    write_decoder(tmp_path / "decoder.onnx", weights(12), names=("latent", "probabilities"))
    with pytest.raises(
        BundleError, match=r"maps \['latent'\] to \['probabilities'\], expected \[\"symbols\"\]"
    ):
        Classifier(tmp_path / "decoder.onnx", 12, 4)


def test_a_decoder_that_gives_no_probabilities_is_refused(tmp_path):
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 4])
        for name in ("symbols", "probabilities")
    ]
    node = helper.make_node("Exp", ["symbols"], ["probabilities"])
    graph = helper.make_graph([node], "decoder", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "decoder.onnx")
    with pytest.raises(BundleError, match=r"they sum to 4\.000"):
        Classifier(tmp_path / "decoder.onnx", 4, 4)


def test_a_file_that_is_no_model_is_refused_by_name(tmp_path):
    (tmp_path / "decoder.onnx").write_bytes(b"not a model")
    with pytest.raises(BundleError, match=r"decoder\.onnx is no model that ONNX Runtime can run"):
        Classifier(tmp_path / "decoder.onnx", 12, 4)


def test_the_host_loads_neither_torch_nor_tensorflow():
    script = (
        "import sys, host_decoder.live.run, host_decoder.receive.listener, "
        "host_decoder.store.history.redecode, host_decoder.commands; "
        "print({'torch', 'tensorflow', 'onnx', 'constriction'} & set(sys.modules))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "set()"


def write_model(path, *nodes):
    """symbols (N, 4) to probabilities by the nodes that are given."""
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 4])
        for name in ("symbols", "probabilities")
    ]
    graph = helper.make_graph(
        [helper.make_node(*node) for node in nodes], "decoder", ends[:1], ends[1:]
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path
    )


def test_a_decoder_that_gives_no_finite_numbers_is_refused(tmp_path):
    write_model(tmp_path / "decoder.onnx", ("Log", ["symbols"], ["probabilities"]))
    with pytest.raises(BundleError, match=r"decoder\.onnx gives no finite numbers for each image"):
        Classifier(tmp_path / "decoder.onnx", 4, 4)


def test_a_decoder_that_fails_later_is_a_sentence(tmp_path):
    steps = [
        ("Softmax", ["symbols"], ["shares"]),
        ("Log", ["shares"], ["logs"]),
        ("Exp", ["logs"], ["probabilities"]),
    ]
    write_model(tmp_path / "decoder.onnx", *steps)
    classify = Classifier(tmp_path / "decoder.onnx", 4, 4)
    with pytest.raises(
        BundleError, match=r"gives no finite numbers for each image; export the bundle again"
    ):
        classify(np.full((3, 4), np.nan, np.float32))


def test_a_damaged_model_is_a_sentence_or_a_decoder(decoder, tmp_path):
    draw, whole = np.random.default_rng(0), decoder.read_bytes()
    said = []
    for _ in range(60):
        content = bytearray(whole)
        for at in draw.integers(0, len(content), 4):
            content[at] = draw.integers(256)
        (tmp_path / "damaged.onnx").write_bytes(content)
        try:
            Classifier(tmp_path / "damaged.onnx", 12, 4)
        except BundleError as error:
            said.append(str(error))
    assert len(said) > 10
    assert not any("\n" in sentence for sentence in said)
