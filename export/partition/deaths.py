"""Deaths: who is dead in the images that a team is made and measured with.

All sets of one and two dead groups count the same, as in training.
"""

from itertools import combinations, count

import numpy as np

from export.encoder.symbols import Encode
from export.partition.chain import Chain, Dead, encoder_of
from link.bundle import Bundle

SEED = 0
SHARE = 0.5
"Images at which somebody is dead."


def dead_sets(n_groups: int, n_dead: int) -> list[Dead]:
    """All sets of so many groups; somebody lives."""
    if n_dead >= n_groups:
        return []
    return [frozenset(dead) for dead in combinations(range(n_groups), n_dead)]


def draw_lives(n_images: int, n_groups: int, seed: int = SEED, share: float = SHARE) -> np.ndarray:
    """Who lives, bool (N, groups); at that share of the images not all."""
    rng = np.random.default_rng(seed)
    some = [*dead_sets(n_groups, 1), *dead_sets(n_groups, 2)]
    rows = np.array([[group not in dead for group in range(n_groups)] for dead in some])
    drawn = rows[rng.integers(len(rows), size=n_images)]
    return drawn | (rng.random((n_images, 1)) >= share)


def latents_with_deaths(chain: Chain, images: np.ndarray, share: float) -> np.ndarray:
    """All latents, int8 (N, D), those of the dead too; but nobody hears the dead."""
    lives = draw_lives(len(images), chain.team.groups, share=share)
    heard = heard_by(lives, len(chain.parts) - 1)
    return chain(images, None, heard)[:, chain.team.groups :]


def with_deaths(chain: Chain) -> Encode:
    """The chain with deaths drawn anew for each set of images, the same in every process."""

    seeds = count(SEED)

    def encode(images: np.ndarray) -> np.ndarray:
        lives = draw_lives(len(images), chain.team.groups, next(seeds))
        return chain(images, lives, heard_by(lives, len(chain.parts) - 1))

    return encode


def as_may_come(bundle: Bundle, n_threads: int = 1) -> Encode:
    """What a bundle's node makes of images, or its team with deaths."""
    encode = encoder_of(bundle, n_threads)
    return with_deaths(encode) if isinstance(encode, Chain) else encode


def heard_by(lives: np.ndarray, n_exchanges: int) -> np.ndarray:
    """Who has what whom, bool (N, exchanges, groups, groups), where the dead tell nothing; their
    own everybody has.
    """
    own = np.eye(lives.shape[1], dtype=bool)
    return np.repeat((lives[:, None, :] | own)[:, None], n_exchanges, axis=1)
