"""Measured: one run of an arm through its int8 parts and the wire coder, by who is dead."""

import tempfile
from pathlib import Path

from export.partition.deploy import deploy_team, team_halves
from export.partition.worth import worth_of
from export.pipeline import make_decoder
from export.settings import Settings
from host_training.data.dataset import DataSet
from host_training.training.checkpoint import Checkpoint
from tests.studies.common import COMPONENTS, deploy

COARSENESS = 3.0
"The step of every arm's latents, chosen on validation images of the exchange's first seed."
KEPT = (
    "accuracy_all_alive", "accuracy_one_dead_mean", "accuracy_one_dead_worst",
    "accuracy_two_dead_mean", "accuracy_two_dead_worst", "macs_per_node", "weights_per_node",
    "published_bytes_per_node", "published_nibble_bytes_per_node", "uplink_bytes",
    "uplink_bytes_one_dead", "bytes_per_node",
)  # fmt: skip


def worth_of_run(run: Path, data: DataSet, say=print) -> dict[str, float]:
    """The figures KEPT of a team; of 10,000 images where there are as many."""
    trained = Checkpoint.read(run / "ce.pt")
    assert trained.latent_order is not None
    settings = Settings(
        run / "ce.pt",
        run / "unused",
        order="importance",
        coarseness=COARSENESS,
        components=(COMPONENTS,),
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        half, decoder = team_halves(trained.model, trained.latent_order, settings, data)
        deployed, _, _, entry = deploy_team(half, data, settings, folder, say)
        make_decoder(decoder, deployed, settings.fine_tuning)
        figures = worth_of(deployed, entry, n_images=len(data.test)).figures()
    return {name: figures[name] for name in KEPT if name in figures}


def worth_of_whole(run: Path, data: DataSet) -> dict[str, float]:
    """One network on one node of the team: where that one dies, nothing is left but to guess."""
    deployed = deploy(run / "ce.pt", data)
    received = deployed.receive()
    alive, guess, n_nodes = deployed.accuracy(received), 1 / len(data.classes), 7
    return {
        "accuracy_all_alive": alive,
        "accuracy_one_dead_mean": ((n_nodes - 1) * alive + guess) / n_nodes,
        "accuracy_one_dead_worst": guess,
        "accuracy_two_dead_mean": ((n_nodes - 2) * alive + 2 * guess) / n_nodes,
        "accuracy_two_dead_worst": guess,
        "macs_per_node": deployed.cost.macs,
        "weights_per_node": deployed.cost.parameters,
        "published_bytes_per_node": 0.0,
        "uplink_bytes": received.mean_bytes,
    }
