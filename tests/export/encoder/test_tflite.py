import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from export import ExportError
from export.encoder import onnx_model, tflite
from export.encoder.fold import VIEWS, fold
from export.encoder.model_file import read_model
from export.encoder.operators import list_operators, require_integer
from export.encoder.symbols import Int8Encoder
from export.measure import Agreement
from host_training.data.batches import to_model_input, to_pixels
from host_training.models.autoencoder import quantise
from link.bundle.image_spec import ImageSpec
from tests.scale import IS_NIGHTLY


def quantisation(path, which):
    interpreter = Interpreter(str(path))
    [details] = getattr(interpreter, f"get_{which}_details")()
    return details["dtype"], *details["quantization"]


def test_a_node_feeds_pixels_minus_128(exported):
    dtype, scale, zero_point = quantisation(exported.bundle.encoder_path, "input")
    assert (dtype, np.float32(scale), zero_point) == (np.int8, np.float32(1 / 255), -128)


def test_the_int8_output_is_the_symbol(exported):
    assert quantisation(exported.bundle.encoder_path, "output") == (np.int8, 1.0, 0)


def test_a_model_calibrated_without_black_and_white_is_refused(exported):
    model = read_model(exported.bundle.encoder_path)
    graph = model.subgraphs[0]
    graph.tensors[graph.inputs[0]].quantization.scale = [0.003]
    with pytest.raises(
        ExportError,
        match=r"scale 0\.003000000 and zero point -128, a node feeds them with 0\.003921569",
    ):
        tflite.check_input(model, tflite.UNIT)


def test_only_a_convolutions_output_scale_may_be_changed(exported):
    model = read_model(exported.bundle.encoder_path)
    for code in model.operatorCodes:
        if code.builtinCode == schema.BuiltinOperator.CONV_2D:
            code.builtinCode = schema.BuiltinOperator.TANH
    with pytest.raises(ExportError, match="come out of builtin operator"):
        tflite.make_output_the_symbol(model)


def test_what_tensorflow_says_is_passed_on_when_it_fails(tmp_path):
    broken = tmp_path / "encoder.onnx"
    broken.write_bytes(b"not a model")
    with pytest.raises(ExportError, match="onnx2tf or TensorFlow failed"):
        tflite.convert(broken, np.zeros((2, 8, 8, 1), np.uint8), tmp_path / "encoder.tflite")
    assert not (tmp_path / "encoder.tflite").exists()


@pytest.mark.parametrize("n_views", VIEWS if IS_NIGHTLY else [max(VIEWS)])
@torch.no_grad()
def test_colour_a_longer_wavelet_a_strided_stem_and_views_convert_too(
    n_views, random_model, tmp_path
):
    model = random_model(
        wavelet="bior2.2", stem_stride=2, pooled=2, height=32, width=16, base_width=8
    )
    encoder = fold(model, range(9), torch.zeros(9))[0].with_views(n_views)
    onnx_model.write_encoder(encoder, tmp_path / "encoder.onnx")
    images = np.random.default_rng(0).integers(0, 256, (60, 32, 16, 3), np.uint8)
    tflite.convert(
        tmp_path / "encoder.onnx",
        encoder.image.with_border(images),
        tmp_path / "encoder.tflite",
        encoder.views,
    )
    require_integer(list_operators(tmp_path / "encoder.tflite"))
    expected = quantise(encoder(to_model_input(to_pixels(images), model.config.pixel_pad))).numpy()
    symbols = Int8Encoder(tmp_path / "encoder.tflite", encoder.image)(images)
    assert np.abs(expected).max() > 3
    assert Agreement.between(symbols, expected).within_one >= 0.99


def test_the_number_of_threads_changes_nothing(exported):
    images = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 1), np.uint8)
    bundle = exported.bundle
    one, three = (
        Int8Encoder(bundle.encoder_path, bundle.image, n_threads)(images) for n_threads in (1, 3)
    )
    assert one.shape == (50, 8)
    assert np.array_equal(one, three)


def test_the_border_is_reflected_before_the_model_as_in_training():
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 6, 3), np.uint8)
    as_trained = to_model_input(to_pixels(images), 4).numpy().transpose(0, 2, 3, 1)
    assert np.allclose(
        (ImageSpec(8, 6, 3, 4).to_model_input(images).astype(np.float32) + 128) / 255,
        as_trained,
        atol=1e-6,
    )
