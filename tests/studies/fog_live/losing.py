"""Losing: what the decoder makes of images while datagrams between members are lost, and whether a
team of replicas loses anything when members are dead.

Sessions, seals, tensors and parts are those of real members; time is virtual, so that nothing is
late because this machine has other things to do.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from device.encoder.parts import Parts
from export.encoder.symbols import clamped
from export.partition.chain import Chain
from export.partition.deaths import dead_sets
from host_decoder.decode.classifier import Classifier
from link.bundle.bundle import Bundle
from link.fog.interface import Finished, Model, TeamOptions
from link.fog.plan import Plan
from tests.worlds.virtual_team import VirtualTeam

BLOCK = 500
"Images that one start of a team takes."
END_S = 5.0
"Virtual seconds in which the last of them come."


@dataclass(frozen=True)
class Losing:
    """Images of one kind of link."""

    accuracy: float
    "Share 0…1; an image that never came counts as wrong."
    whole: float
    "Share of images that came with all groups."
    groups: float
    "Share of the groups' latents that came, of those."
    n_unanswered: int
    symbols: np.ndarray
    "Flags and latents of each image, int8 (N, groups + D); zeros where none came."


def accuracy(
    bundle: Bundle,
    loss: float,
    images: np.ndarray,
    labels: np.ndarray,
    patience_s: float,
    seed: int,
) -> Losing:
    """Each image once, uint8 (N, H, W, C); each datagram is lost with that probability, at each
    that it is sent to.
    """
    assert bundle.team is not None
    symbols, came = np.zeros((len(images), bundle.n_latents), np.int8), np.zeros(len(images), bool)
    for start in range(0, len(images), BLOCK):
        block = images[start : start + BLOCK]
        world = _world(bundle, block, Plan.exchange(bundle.team), patience_s, loss, seed + start)
        for number, finished in _taken(world, len(block)):
            symbols[start + number], came[start + number] = finished.symbols, True
    named = Classifier.of(bundle)(clamped(symbols, bundle.tables)).argmax(1)
    flags = symbols[came, : bundle.team.groups]
    return Losing(
        accuracy=float(((named == labels) & came).mean()),
        whole=float(flags.all(1).mean()),
        groups=float(flags.mean()),
        n_unanswered=int((~came).sum()),
        symbols=symbols,
    )


def n_differ_of_replicas(bundle: Bundle, images: np.ndarray, seed: int) -> tuple[int, int]:
    """Each image by a team of replicas with every set of one and two members dead: symbols that
    differ from those of the chained parts, or did not come; and the number of sets.
    """
    assert bundle.team is not None
    chained = Chain(bundle.path, bundle.team, bundle.image)(images)
    sets = [dead for n_dead in (1, 2) for dead in dead_sets(bundle.team.groups, n_dead)]
    n_differ = 0
    for dead in sets:
        world = _world(bundle, images, Plan.replica(bundle.team), TeamOptions().patience_s, 0, seed)
        for member in dead:
            world.kill(member)
        made = np.full_like(chained, -128)
        for number, finished in _taken(world, len(images)):
            made[number] = finished.symbols
        n_differ += int((made != chained).sum())
    return n_differ, len(sets)


def _world(
    bundle: Bundle, images: np.ndarray, plan: Plan, patience_s: float, loss: float, seed: int
) -> VirtualTeam:
    """A team that has started. All may speak to the host, so that it has no matter who is dead."""
    parts = Parts(bundle)
    return VirtualTeam(
        plan,
        Model.of(bundle),
        lambda part, inputs: parts(*part, inputs),
        TeamOptions(patience_s=patience_s),
        modems=range(plan.n_members),
        n_images=1 << 30,
        loss=loss,
        seed=seed,
        scene=lambda sequence: images[sequence % len(images)],
    ).start()


def _taken(world: VirtualTeam, n_images: int) -> Iterator[tuple[int, Finished]]:
    """What the host has of each, by its number."""
    world.run(1e6, lambda: len(set(world.begun.values())) >= n_images)
    world.n_images = 0
    world.run(world.now_s + END_S)
    found = {number: world.host[i] for i, number in world.begun.items() if i in world.host}
    return ((number, one) for number, one in found.items() if number < n_images)
