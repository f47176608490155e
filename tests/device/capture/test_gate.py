"""The gate on scenes of which it is known what changes; tests.studies.gate measures it on
photographs.
"""

import numpy as np
import pytest

from device.capture.gate import BLOCKS, LEAST_NOISE, Gate, block_means, lit_like

SCENE = np.random.default_rng(1).uniform(40, 200, (32, 32, 3))


def seen(scene: np.ndarray, seed: int, noise: float = 3.0) -> np.ndarray:
    noisy = scene + np.random.default_rng(seed).normal(0, noise, scene.shape)
    return np.clip(noisy, 0, 255).round().astype(np.uint8)


def with_object(scene: np.ndarray, size: int = 8) -> np.ndarray:
    changed = scene.copy()
    changed[5 : 5 + size, 9 : 9 + size] = 230
    return changed


@pytest.fixture
def gate():
    """A gate that has looked at SCENE for a while."""
    made = Gate()
    sent = [made.lets_pass(seen(SCENE, seed), 0.0) for seed in range(12)]
    assert sent == [True] + [False] * 11
    return made


def test_an_object_that_comes_is_sent_once_and_so_is_its_going(gate):
    sent = [gate.lets_pass(seen(with_object(SCENE), 100 + n), 0.0) for n in range(10)]
    sent += [gate.lets_pass(seen(SCENE, 200 + n), 0.0) for n in range(10)]
    assert sent == [True, *[False] * 9, True, *[False] * 9]


@pytest.mark.parametrize("gain", [0.5, 0.8, 1.2])
def test_other_light_is_no_change_and_hides_none(gate, gain):
    slope = np.linspace(-0.15, 0.15, 32)[:, None, None]
    assert not gate.lets_pass(seen(SCENE * (gain + slope), 50), 0.0)
    assert gate.lets_pass(seen(with_object(SCENE) * (gain + slope), 51), 0.0)


def test_what_changes_slowly_is_seen_in_the_end(gate):
    changed = with_object(SCENE)
    sent = [
        gate.lets_pass(seen(SCENE + (changed - SCENE) * step / 200, 300 + step), 0.0)
        for step in range(200)
    ]
    assert any(sent)


def test_a_scene_that_changes_everywhere_is_not_taken_for_noise(gate):
    assert gate.lets_pass(seen(np.random.default_rng(2).uniform(40, 200, SCENE.shape), 60), 0.0)


def test_a_noisier_night_is_no_change(gate):
    assert not gate.lets_pass(seen(SCENE * 0.4, 70, noise=4.5), 0.0)


def test_the_heartbeat_sends_what_has_not_changed():
    gate = Gate(heartbeat_s=60.0)
    sent = [gate.lets_pass(seen(SCENE, n), 10.0 * n) for n in range(20)]
    assert [n for n, was in enumerate(sent) if was] == [0, 6, 12, 18]


@pytest.mark.parametrize("shape", [(32, 32, 3), (8, 8, 1), (5, 30, 3), (240, 320, 3)])
def test_images_of_every_size_are_cut_into_blocks(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    blocks = block_means(pixels)
    assert blocks.shape == (min(BLOCKS, shape[0]), min(BLOCKS, shape[1]), shape[2])
    tall, wide = shape[0] // blocks.shape[0], shape[1] // blocks.shape[1]
    assert blocks[1, 2] == pytest.approx(
        pixels[tall : 2 * tall, 2 * wide : 3 * wide].reshape(-1, shape[2]).mean(0)
    )


def test_the_fit_finds_the_light_that_was_put_in():
    blocks = np.random.default_rng(3).uniform(20, 200, (BLOCKS, BLOCKS, 3))
    y, x = np.meshgrid(np.linspace(-1, 1, BLOCKS), np.linspace(-1, 1, BLOCKS), indexing="ij")
    target = blocks * (0.7 + 0.2 * x - 0.1 * y)[..., None] + 12
    target[2:4, 2:4] = 0  # and one thing has changed
    difference = np.abs(lit_like(blocks, target) - target)
    difference[2:4, 2:4] = 0
    assert difference.max() < 0.01


def test_an_image_of_one_colour_is_no_trouble():
    gate = Gate()
    assert [gate.lets_pass(np.full((32, 32, 3), 90, np.uint8), 0.0) for _ in range(3)] == [
        True,
        False,
        False,
    ]
    assert LEAST_NOISE > 0
