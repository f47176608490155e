import math

import numpy as np
import pytest
import torch

from host_training.training.mcr2 import EPS_SQ, coding_rate, rate_reduction


def dense_oracle(features: np.ndarray, labels: np.ndarray, eps_sq: float) -> tuple[float, float]:
    """The definition, literally, in float64: membership matrices, one determinant after the
    other.
    """
    m, d = features.shape
    z = (features / np.linalg.norm(features, axis=1, keepdims=True)).T
    total = 0.5 * np.linalg.slogdet(np.eye(d) + d / (m * eps_sq) * z @ z.T)[1]
    within = 0.0
    for label in range(labels.max() + 1):
        membership = np.diag((labels == label).astype(float))
        trace = np.trace(membership)
        if trace:
            within += (
                trace
                / (2 * m)
                * np.linalg.slogdet(np.eye(d) + d / (trace * eps_sq) * z @ membership @ z.T)[1]
            )
    return total, within


@pytest.mark.parametrize(
    ("m", "d", "n_classes"), [(60, 8, 3), (40, 64, 10), (200, 16, 100), (7, 5, 7)]
)
def test_rates_equal_the_definition(m, d, n_classes):
    rng = np.random.default_rng(m)
    features, labels = rng.normal(size=(m, d)), rng.integers(0, n_classes, m)
    rates = rate_reduction(torch.tensor(features), torch.tensor(labels))
    assert (float(rates.coding_rate), float(rates.class_coding_rate)) == pytest.approx(
        dense_oracle(features, labels, EPS_SQ), rel=1e-10
    )


def test_features_spread_over_all_directions_reach_the_bound_of_70_nats():
    d = 128
    bound = d / 2 * math.log(1 + 1 / EPS_SQ)
    assert bound == pytest.approx(70.3, abs=0.02)
    assert float(coding_rate(torch.eye(d).repeat(4, 1))) == pytest.approx(bound)
    assert float(coding_rate(torch.randn(1000, d))) < bound


def test_identical_features_cost_one_direction():
    d = 16
    features = torch.ones(50, d)
    assert float(coding_rate(features)) == pytest.approx(0.5 * math.log(1 + d / EPS_SQ))


def test_one_class_gains_nothing_and_orthogonal_classes_gain_all():
    features = torch.eye(8).repeat_interleave(10, 0)
    labels = torch.arange(8).repeat_interleave(10)
    assert float(
        rate_reduction(features, torch.zeros(80, dtype=torch.int64)).reduction
    ) == pytest.approx(0, abs=1e-12)
    rates = rate_reduction(features, labels)
    assert float(rates.coding_rate) == pytest.approx(8 / 2 * math.log(1 + 1 / EPS_SQ))
    assert float(rates.class_coding_rate) == pytest.approx(0.5 * math.log(1 + 8 / EPS_SQ))


def test_length_of_the_features_does_not_matter():
    features, labels = torch.randn(64, 12), torch.randint(0, 4, (64,))
    scaled = features * torch.logspace(-6, 6, 64)[:, None]
    assert float(rate_reduction(scaled, labels).reduction) == pytest.approx(
        float(rate_reduction(features, labels).reduction), rel=1e-5
    )


@pytest.mark.parametrize(
    "features", [torch.zeros(20, 6), torch.full((20, 6), 1e-30), torch.randn(20, 6) * 1e30]
)
def test_degenerate_features_give_finite_rates_and_gradients(features):
    features = features.clone().requires_grad_()
    rates = rate_reduction(features, torch.arange(20) % 5)
    rates.reduction.backward()
    assert math.isfinite(rates.reduction.item())
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()


def test_a_hundred_classes_stay_finite_in_bfloat16_autocast():
    torch.manual_seed(0)
    features = torch.randn(1000, 128, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rates = rate_reduction(features, torch.randint(0, 100, (1000,)))
    rates.reduction.backward()
    assert rates.coding_rate.dtype == torch.float64
    assert 0 < rates.reduction.item() < rates.coding_rate.item()
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()


def test_gradient_is_the_numerical_one():
    features = torch.randn(12, 5, dtype=torch.float64, requires_grad=True)
    labels = torch.arange(12) % 3
    assert torch.autograd.gradcheck(lambda z: rate_reduction(z, labels).reduction, features)
