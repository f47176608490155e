import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from export import ExportError
from export.encoder import onnx_model
from export.encoder.fold import fold
from export.encoder.symbols import Int8Encoder
from host_decoder.decode.onnx_decoder import open_session
from link.bundle.image_spec import ImageSpec


@torch.no_grad()
def test_the_onnx_encoder_is_the_encoder(random_model, random_images, tmp_path):
    model = random_model()
    encoder, _ = fold(model, range(9), torch.zeros(9))
    onnx_model.write_encoder(encoder, tmp_path / "encoder.onnx")
    images = random_images(model.config, 3)
    session = open_session(tmp_path / "encoder.onnx")
    latents = np.concatenate(
        [session.run(None, {"pixels": image[None]})[0] for image in images.numpy()]
    )
    assert np.allclose(latents, encoder(images).numpy(), atol=1e-4)


def test_every_tensor_of_the_encoder_has_a_shape_for_onnx2tf_to_read(random_model, tmp_path):
    model = random_model()
    encoder, _ = fold(model, range(9), torch.zeros(9))
    onnx_model.write_encoder(encoder, tmp_path / "encoder.onnx")
    graph = onnx.load(tmp_path / "encoder.onnx").graph
    shapes = {
        value.name: value.type.tensor_type.shape for value in (*graph.value_info, *graph.output)
    }
    for node in graph.node:
        assert all(size.dim_value > 0 for size in shapes[node.output[0]].dim), node.name


@torch.no_grad()
def test_the_decoder_gives_probabilities_for_any_batch_and_is_written_alike_each_time(
    random_model, tmp_path
):
    model = random_model()
    _, decoder = fold(model, range(9), torch.zeros(9))
    for name in ("one.onnx", "two.onnx"):
        onnx_model.write_decoder(decoder, decoder.first.in_features, tmp_path / name)
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()
    session = onnxruntime.InferenceSession(
        tmp_path / "one.onnx", providers=["CPUExecutionProvider"]
    )
    assert ([i.name for i in session.get_inputs()], [o.name for o in session.get_outputs()]) == (
        ["symbols"],
        ["probabilities"],
    )
    for n_images in (1, 7):
        symbols = torch.randint(-9, 10, (n_images, 9)).float()
        [probabilities] = session.run(None, {"symbols": symbols.numpy()})
        assert np.allclose(probabilities, decoder(symbols).softmax(1).numpy(), atol=1e-5)


def test_a_file_that_is_no_encoder_is_named(tmp_path):
    (tmp_path / "encoder.tflite").write_bytes(b"no model at all")
    with pytest.raises(ExportError, match=r"encoder.tflite .*; export it again"):
        Int8Encoder(tmp_path / "encoder.tflite", ImageSpec(8, 8, 1))
