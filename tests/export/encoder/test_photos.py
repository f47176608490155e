"""An encoder of photos on its way to the node: folded, in ONNX, in int8, the same function."""

import numpy as np
import onnx
import pytest
import torch

from export import measure
from export.deployment import write_encoder
from export.encoder import onnx_model, tflite
from export.encoder.fold import FoldedEncoder, fold
from export.encoder.model_file import read_model
from export.encoder.operators import list_operators
from export.encoder.symbols import Int8Encoder
from host_training.models.autoencoder import AutoEncoder, ModelConfig
from link.bundle.manifest import ENCODER
from tests.worlds.small_photos import RECIPE, SIDE, photos, saved_weights

DATA = photos(60)
IMAGES = torch.from_numpy(DATA.test.images).permute(0, 3, 1, 2).float() / 255


@pytest.fixture(scope="module")
def model() -> AutoEncoder:
    torch.manual_seed(0)
    made = AutoEncoder(ModelConfig.of(RECIPE.model, (SIDE, SIDE, 3), 3)).eval()
    made.encoder.start_from(saved_weights())
    with torch.no_grad():
        made.encoder.standardise.fit(made.encoder.features(made.encoder.front(IMAGES)))
        made.encoder.latents.weight.mul_(4)
    return made


def folded(model: AutoEncoder, *order: int) -> FoldedEncoder:
    encoder, _ = fold(model, order or range(6), torch.zeros(6))
    return encoder


@torch.no_grad()
def test_the_folded_encoder_is_the_encoder_in_the_order_in_which_it_sends(model):
    latents = model.encoder(IMAGES)
    assert latents.std() > 1
    torch.testing.assert_close(folded(model)(IMAGES), latents, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(
        folded(model, 4, 1)(IMAGES), latents[:, [4, 1]], atol=1e-3, rtol=1e-3
    )


@torch.no_grad()
def test_its_steps_one_after_another_are_the_encoder(model):
    for n_views in (1, 2):
        encoder = folded(model).with_views(n_views)
        made = IMAGES
        for step in encoder.steps():
            made = step(made)
        torch.testing.assert_close(made, encoder(IMAGES))


def test_in_onnx_uneven_zeros_are_part_of_their_convolutions(model, tmp_path):
    encoder, path = folded(model), tmp_path / "encoder.onnx"
    onnx_model.write_encoder(encoder, path)
    kinds = {node.op_type for node in onnx.load(path).graph.node}
    assert kinds == {"Constant", "Conv", "Clip", "GlobalAveragePool", "Flatten"}
    symbols = measure.onnx_symbols(path, encoder, DATA.test)
    assert (symbols == measure.float_symbols(encoder, DATA.test)).mean() > 0.99


def test_in_int8_a_node_feeds_pixels_minus_128_and_zeros_are_grey(model, tmp_path):
    encoder = folded(model)
    agreement = write_encoder(encoder, DATA, tmp_path)
    assert agreement.equal > 0.99
    operators = list_operators(tmp_path / ENCODER)
    assert {each.name for each in operators} <= {"CONV_2D", "DEPTHWISE_CONV_2D", "MEAN", "RESHAPE"}
    assert not any(each.obstacle for each in operators)
    tflite.check_input(read_model(tmp_path / ENCODER), tflite.SIGNED)
    symbols = Int8Encoder(tmp_path / ENCODER, encoder.image)(DATA.test.images)
    assert measure.Agreement.between(
        symbols, measure.float_symbols(encoder, DATA.test)
    ).within_one > 0.95  # fmt: skip


def test_what_each_network_reads_of_a_pixel_is_what_int8_makes_of_it():
    pixels = np.array([0, 128, 255], np.uint8)
    for reads, wanted in ((tflite.UNIT, pixels / 255), (tflite.SIGNED, (pixels - 128.0) / 128)):
        assert reads.reals(pixels) == pytest.approx(wanted)
        q = pixels.astype(int) - 128
        assert reads.reals(pixels) == pytest.approx((q - reads.zero_point) * reads.scale)
