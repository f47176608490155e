import pytest
import torch

from export.encoder.fold import fold
from export.encoder.importance import Rotation, fold_rotation, rotation, sensitivity
from host_training.models.autoencoder import quantise

NARROW = dict(has_module3_on_node=True, widths=(6, 10, 14))


def correlated(n: int, n_latents: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    mixing = torch.randn(n_latents, n_latents, generator=generator) + 4 * torch.eye(n_latents)
    return torch.randn(n, n_latents, generator=generator) @ mixing + torch.arange(n_latents)


def halves_and_latents(model, images):
    n_latents = model.config.latents
    encoder, decoder = fold(model, range(n_latents), torch.zeros(n_latents))
    with torch.no_grad():
        return encoder, decoder, encoder(images)


@pytest.mark.parametrize("cut", [{}, NARROW])
def test_rotated_halves_are_the_same_function_when_everything_arrives(
    cut, random_model, random_images
):
    model = random_model(**cut)
    images = random_images(model.config, 64)
    encoder, decoder, latents = halves_and_latents(model, images)
    rotated_encoder, rotated_decoder = fold_rotation(
        encoder, decoder, rotation(latents, sensitivity(decoder, latents))
    )
    with torch.no_grad():
        z = rotated_encoder(images)
        torch.testing.assert_close(rotated_decoder(z), decoder(latents), atol=1e-3, rtol=1e-3)
    assert not torch.allclose(z, latents, atol=0.1)
    assert sum(p.numel() for p in rotated_encoder.parameters()) == sum(
        p.numel() for p in encoder.parameters()
    )


def test_rotated_latents_are_uncorrelated_around_zero_and_their_importance_falls():
    latents = correlated(5000, 6)
    weight = torch.diag(torch.arange(1.0, 7.0))
    rotated = rotation(latents, weight)
    z = (latents.double() - rotated.mean) @ rotated.analysis.T
    covariance = torch.cov(z.T)
    step_sq = weight.double().trace() / 6
    torch.testing.assert_close(
        covariance, torch.diag(2 * rotated.importance / step_sq), atol=1e-6, rtol=1e-6
    )
    torch.testing.assert_close(z.mean(0), torch.zeros(6, dtype=torch.float64), atol=1e-9, rtol=0)
    assert (rotated.importance.diff() <= 0).all()


def test_rounding_costs_the_same_as_rounding_the_latents_themselves():
    latents, weight = correlated(5000, 6), torch.diag(torch.tensor([9.0, 4.0, 1.0, 1.0, 0.5, 0.1]))
    rotated = rotation(latents, weight)
    cost = (rotated.synthesis.T @ weight.double() @ rotated.synthesis).trace() / 24
    assert float(cost) == pytest.approx(float(weight.trace()) / 24, rel=1e-6)


def test_a_coarser_step_makes_smaller_symbols():
    latents, weight = correlated(500, 6), torch.eye(6)
    fine, coarse = rotation(latents, weight), rotation(latents, weight, coarseness=2.0)
    torch.testing.assert_close(fine.analysis, 2 * coarse.analysis)
    torch.testing.assert_close(2 * fine.synthesis, coarse.synthesis)


def test_with_equal_sensitivity_it_is_principal_component_analysis():
    latents = correlated(5000, 6)
    rotated = rotation(latents, torch.eye(6))
    variances = torch.linalg.eigvalsh(torch.cov(latents.double().T)).flip(0)
    torch.testing.assert_close(2 * rotated.importance, variances)
    torch.testing.assert_close(
        rotated.analysis @ rotated.analysis.T, torch.eye(6, dtype=torch.float64)
    )


def test_the_tail_costs_least_to_lose(random_model, random_images):
    """Second order, so measured where it holds: the predicted loss of a coordinate is the
    divergence it causes.
    """
    model = random_model(**NARROW)
    images = random_images(model.config, 400)
    _, decoder, latents = halves_and_latents(model, images)
    small = latents.mean(0) + 0.05 * (latents - latents.mean(0))
    rotated = rotation(small, sensitivity(decoder, small))
    z = (small.double() - rotated.mean) @ rotated.analysis.T
    measured = []
    for i in (0, 2, 4):  # five classes: the fifth coordinate says nothing
        without = z.clone()
        without[:, i] = 0
        with torch.no_grad():
            whole, cut = (
                decoder((rotated.mean + each @ rotated.synthesis.T).float()).double()
                for each in (z, without)
            )
        kl = (whole.softmax(1) * (whole.log_softmax(1) - cut.log_softmax(1))).sum(1).mean()
        measured.append(float(kl))
    assert measured == sorted(measured, reverse=True)
    assert measured[0] == pytest.approx(float(rotated.importance[0]), rel=0.35)


def test_leading_coordinates_leave_the_rest_at_the_mean(random_model, random_images):
    model = random_model()
    images = random_images(model.config, 64)
    encoder, decoder, latents = halves_and_latents(model, images)
    rotated: Rotation = rotation(latents, sensitivity(decoder, latents))
    _, whole_decoder = fold_rotation(encoder, decoder, rotated)
    short_encoder, short_decoder = fold_rotation(encoder, decoder, rotated.leading(3))
    with torch.no_grad():
        symbols = quantise(short_encoder(images))
        padded = torch.cat([symbols, torch.zeros(len(images), model.config.latents - 3)], 1)
        torch.testing.assert_close(
            short_decoder(symbols), whole_decoder(padded), atol=1e-4, rtol=1e-4
        )
