"""Rival run: the devices, batches, turns and rates of a plan, with a rival's way to send gradients
in place of ours. Nothing of a rival's is coded or signed, and its downlink is dense.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from host_training.data.dataset import DataSet
from host_training.distributed.learner.worker import Worker
from host_training.distributed.simulation.fleet import Fleet
from host_training.distributed.simulation.partition import deal
from host_training.distributed.simulation.rivals import RIVALS
from host_training.distributed.simulation.run import Run
from host_training.training.evaluation import evaluate
from link.update.outer_step import Held
from link.update.settings import RunSettings


@dataclass(frozen=True)
class Outcome:
    """What a rival reached."""

    accuracy: float
    "On the test split."
    up_bytes: float
    "What one device sends in all."
    n_steps: int
    "With one batch of each device whose turn it is."


def settings_of(run: Run, n_steps: int, has_momentum: bool) -> RunSettings:
    """The plan's, for a rival that takes so many local steps a round."""
    ours = run.settings
    rates = ours.outer_rates[::n_steps]
    if n_steps == 1:
        momentum = 0.0 if has_momentum else ours.outer_momentum
        return replace(ours, outer_momentum=momentum)
    # SGD on the devices, and their mean
    return replace(
        ours,
        n_rounds=len(rates),
        n_steps=n_steps,
        momentum=ours.outer_momentum,
        learning_rates=rates,
        weight_decay=ours.outer_decay,
        outer_rates=(1.0,),
        outer_momentum=0.0,
        outer_decay=0.0,
    )


def learn(name: str, run: Run, data: DataSet) -> Outcome:
    """`run`: of the plan, not begun; its model is used."""
    flat = run.flat
    rival = RIVALS[name](flat.layout)
    settings = settings_of(run, rival.n_steps, rival.has_momentum)
    start = run.server.weights
    parts = deal(data.train.labels, settings.n_devices, run.world.alpha, settings.seed)
    fleet = Fleet(flat, start, data.train, parts, settings)
    held, n_sent = Held.first(start, settings), 0
    for round_ in range(settings.n_rounds):
        turn = [each for each in range(settings.n_devices) if settings.is_turn(each, round_)]
        moved = {}
        for number in turn:
            worker = fleet(number).learner
            assert isinstance(worker, Worker)
            moved[number] = held.weights - worker.train(held.weights, round_).weights
        n_sent += 0 in moved
        held = held.stepped_by(rival.mean(moved), settings, round_)
        if not np.isfinite(held.weights).all():
            return Outcome(1 / len(data.classes), n_sent * rival.up_bytes, settings.n_rounds)
    flat.set_weights(held.weights)
    run.estimate_statistics()
    accuracy = evaluate(flat.model, data.test, torch.device("cpu")).accuracy
    return Outcome(accuracy, n_sent * rival.up_bytes, settings.n_rounds * settings.n_steps)
