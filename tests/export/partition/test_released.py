"""The team that comes with the programs: it loads, its parts meet over a link, and it answers with
two nodes dead.

Squares of photographs show none of its classes, but what it says of them with two dead is mostly
what it says while all live.
"""

from pathlib import Path

import numpy as np
import pytest

from device.encoder.parts import Parts
from export.partition.chain import NOBODY, Chain
from export.partition.deaths import dead_sets
from host_decoder.decode.classifier import Classifier
from link.bundle.bundle import Bundle
from link.coder import latent_coder
from link.fog.interface import Model, TeamOptions
from link.fog.plan import Plan
from tests.studies.boot_image import photographs
from tests.worlds.virtual_team import VirtualTeam

MODELS = Path(__file__).parents[3] / "models"
N_IMAGES = 12
DEAD = frozenset({0, 3})


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.load(MODELS / "cifar10-branch-7", "host")


@pytest.fixture(scope="module")
def images(bundle: Bundle) -> np.ndarray:
    return photographs(bundle.image.height, N_IMAGES)


def test_whichever_two_are_dead_it_says_mostly_what_it_says_while_all_live(
    bundle: Bundle, images: np.ndarray
) -> None:
    assert bundle.team is not None
    pairs = dead_sets(bundle.team.groups, 2)
    assert len(pairs) == 21
    symbols = Chain(bundle.path, bundle.team, bundle.image).of_dead_sets(images, [NOBODY, *pairs])
    classify = Classifier.of(bundle)
    whole = classify(symbols[NOBODY]).argmax(1)
    assert len(np.unique(whole)) > 2
    shares = []
    for dead in pairs:
        flags = symbols[dead][:, : bundle.team.groups]
        assert (flags == [group not in dead for group in range(bundle.team.groups)]).all()
        received = [latent_coder.encode(each, bundle.tables) for each in symbols[dead]]
        heard = [latent_coder.decode(each, bundle.tables).symbols for each in received]
        shares.append((classify(np.stack(heard)).argmax(1) == whole).mean())
    assert np.mean(shares) > 0.7


def test_its_members_go_on_without_two_as_the_chained_parts_do(
    bundle: Bundle, images: np.ndarray
) -> None:
    model, parts = Model.of(bundle), Parts(bundle)
    world = VirtualTeam(
        Plan.exchange(model.team),
        model,
        lambda part, inputs: parts(*part, inputs),
        TeamOptions(),
        modems=range(7),
        n_images=N_IMAGES,
        scene=lambda sequence: images[sequence],
    ).start()
    for member in DEAD:
        world.kill(member)
    world.finish()
    chain = Chain(bundle.path, model.team, bundle.image)
    expected = chain.of_dead_sets(images, [DEAD])[DEAD]
    assert len(world.host) == N_IMAGES
    for image, finished in world.host.items():
        assert finished.symbols.tolist() == expected[world.begun[image]].tolist()
