"""What TensorBoard is given can be read back as it was measured."""

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from host_training.training.curves import Curves
from host_training.training.evaluation import Evaluation
from host_training.training.mcr2 import RateReduction
from host_training.training.stages import Progress

FIGURES = Evaluation(
    accuracy=0.75, loss=1.5, coding_rate=9.0, class_coding_rate=4.0, bits_per_image=40.0
)


def drawn(folder) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(folder)).Reload()
    return {
        name: [(event.step, event.value) for event in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }


def test_each_epoch_of_a_stage_is_a_point_of_its_curves(tmp_path):
    rates = RateReduction(torch.tensor(8.0), torch.tensor(3.0))
    with Curves(str(tmp_path)) as curves:
        curves.add("ce", 1, FIGURES, Progress(torch.tensor(2.0)))
        curves.add("ce", 2, FIGURES, Progress(torch.tensor(1.0)))
        curves.add("duphil", 1, FIGURES, Progress(torch.tensor(0.5), rates))
    points = drawn(tmp_path)
    assert points["ce/train_loss"] == [(1, 2.0), (2, 1.0)]
    assert points["ce/accuracy"] == [(1, 0.75), (2, 0.75)]
    assert points["duphil/rate_reduction"] == [(1, 5.0)]
    assert points["duphil/train_rate_reduction"] == [(1, 5.0)]
    assert "ce/train_rate_reduction" not in points
