import pytest
import torch

from export import ExportError
from export.encoder.fold import VIEWS, View, fixed_pool, fold, fold_stem
from host_training.models.autoencoder import quantise
from host_training.models.blocks import without_norms
from host_training.models.wavelet import WAVELETS
from host_training.presets.preset import N_VIEWS


def everything(model):
    """Order and fill that send all latents as they are."""
    return range(model.config.latents), torch.zeros(model.config.latents)


NARROW = dict(has_module3_on_node=True, widths=(6, 10, 14), subband_gains=(2.0, 8.0, 8.0, 32.0))
PLAIN = dict(NARROW, has_residuals=False, blocks=(1, 2, 2))
UNDECIMATED = dict(PLAIN, is_decimated=False)


@pytest.mark.parametrize("cut", [{}, NARROW, PLAIN])
@pytest.mark.parametrize("pooled", [1, 2])
@pytest.mark.parametrize("stem_stride", [1, 2])
@pytest.mark.parametrize("wavelet", WAVELETS)
@torch.no_grad()
def test_the_folded_encoder_is_the_encoder(
    wavelet, stem_stride, pooled, cut, random_model, random_images
):
    model = random_model(
        wavelet=wavelet, stem_stride=stem_stride, pooled=pooled, height=32, width=64, **cut
    )
    images = random_images(model.config, 8)
    encoder, _ = fold(model, *everything(model))
    latents = model.encoder(images)
    assert latents.std() > 0.1
    torch.testing.assert_close(encoder(images), latents, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_undecimated_transform_folds_into_four_by_four(random_model, random_images):
    model = random_model(height=32, width=64, **UNDECIMATED)
    images = random_images(model.config, 8)
    encoder, _ = fold(model, *everything(model))
    stem = encoder.stem[0]
    assert (stem.kernel_size, stem.stride, stem.padding) == ((4, 4), (1, 1), (1, 1))
    torch.testing.assert_close(encoder(images), model.encoder(images), atol=1e-5, rtol=1e-5)


def test_haar_and_a_three_by_three_stem_make_six_by_six(random_model):
    encoder = without_norms(random_model().encoder)
    stem = fold_stem(encoder.stem[0], encoder.dwt)
    assert (stem.kernel_size, stem.stride, stem.padding) == ((6, 6), (2, 2), (2, 2))


@pytest.mark.parametrize(("wavelet", "size"), [("bior2.2", 10), ("bior4.4", 14)])
def test_a_longer_wavelet_pads_nothing_inside_the_model(wavelet, size, random_model):
    encoder = without_norms(random_model(wavelet=wavelet).encoder)
    stem = fold_stem(encoder.stem[0], encoder.dwt)
    assert (stem.kernel_size, stem.stride, stem.padding) == ((size, size), (2, 2), (0, 0))


def test_a_view_is_moved_then_mirrored_and_what_moves_in_is_reflected():
    image = torch.tensor([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    assert View(down=1, right=1)(image).tolist() == [[5, 4, 5], [2, 1, 2], [5, 4, 5]]
    assert View(True, down=-1, right=-1)(image).tolist() == [[5, 6, 5], [8, 9, 8], [5, 6, 5]]


@pytest.mark.parametrize("n_views", VIEWS)
@torch.no_grad()
def test_latents_of_several_views_are_their_mean(n_views, random_model, random_images):
    model = random_model(wavelet="bior2.2", height=32, width=16)
    images = random_images(model.config, 8)
    encoder = fold(model, *everything(model))[0].with_views(n_views)
    assert len(set(VIEWS[n_views])) == n_views
    mean = torch.stack([model.encoder(view(images)) for view in VIEWS[n_views]]).mean(0)
    torch.testing.assert_close(encoder(images), mean, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("cut", [{}, NARROW])
@torch.no_grad()
def test_latents_leave_the_encoder_in_their_order_and_enter_the_decoder_in_it(
    cut, random_model, random_images
):
    model = random_model(**cut)
    images = random_images(model.config, 8)
    order = torch.randperm(model.config.latents).tolist()
    encoder, decoder = fold(model, order, torch.zeros(model.config.latents))
    torch.testing.assert_close(
        encoder(images), model.encoder(images)[:, order], atol=1e-5, rtol=1e-5
    )
    torch.testing.assert_close(
        decoder(quantise(encoder(images))), model(images), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("cut", [{}, NARROW])
@torch.no_grad()
def test_latents_that_are_not_sent_stay_at_their_mean(cut, random_model, random_images):
    model = random_model(**cut)
    images = random_images(model.config, 8)
    means = torch.randn(model.config.latents) * 3
    order = [7, 2, 4]
    encoder, decoder = fold(model, order, means)
    symbols = quantise(encoder(images))
    completed = means.repeat(len(images), 1)
    completed[:, order] = symbols
    torch.testing.assert_close(decoder(symbols), model.decoder(completed), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_what_is_folded_shares_no_weights_with_what_was_trained(random_model, random_images):
    model = random_model()
    images = random_images(model.config, 2)
    before = model(images)
    for half in fold(model, *everything(model)):
        for parameter in half.parameters():
            parameter.zero_()
    assert torch.equal(model(images), before)


def test_a_pool_that_does_not_divide_the_feature_map_is_refused():
    with pytest.raises(ExportError, match="5x4 and is averaged to 2x2, which does not divide it"):
        fixed_pool(torch.zeros(1, 3, 5, 4), 2)


def test_the_views_that_a_preset_may_name_are_those_there_are():
    assert tuple(VIEWS) == N_VIEWS
    assert all(len(views) == n for n, views in VIEWS.items())
