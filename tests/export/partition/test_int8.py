"""Parts of a network that was folded, as LiteRT runs them, against the network."""

import numpy as np
import pytest
import torch

from export.measure import Agreement
from export.partition.chain import Chain
from export.partition.fold import fold_team
from export.partition.int8 import write_parts
from host_training.models.autoencoder import quantise
from link.bundle import ImageSpec
from link.bundle.manifest import TeamEntry
from tests.export.partition.test_fold import random_encoder
from tests.worlds.team_bundle import random_images


@pytest.mark.parametrize("wiring", ["design", "none", "shuffle"])
@torch.no_grad()
def test_int8_parts_make_the_symbols_of_the_grouped_network_also_with_a_dead_node(wiring, tmp_path):
    encoder = random_encoder(wiring, 8)
    colours = [random_images(300, seed) for seed in range(3)]
    images = np.concatenate(colours, axis=3)
    segments = write_parts(fold_team(encoder, 8, 8), images, encoder.team.levels, tmp_path)
    entry = TeamEntry(groups=5, segments=segments, order=tuple(range(10)))
    assert segments["0"].levels == (0 if wiring == "none" else 16)
    chain = Chain(tmp_path, entry, ImageSpec(8, 8, 3))
    for dead in (frozenset(), frozenset({1})):
        lives = torch.tensor([[node not in dead for node in range(5)]]).repeat(300, 1)
        heard = lives[:, None, :] | torch.eye(5, dtype=torch.bool)
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        expected = quantise(encoder(pixels, lives, heard)).numpy()
        symbols = chain.of_dead_sets(images, [dead])[dead]
        assert np.array_equal(symbols[:, :5], expected[:, :5])
        agreement = Agreement.between(symbols[:, 5:], expected[:, 5:])
        assert expected[:, 5:].std() > 1
        assert agreement.within_one > 0.9
        assert agreement.equal > 0.6
