"""Curves: what TensorBoard draws of a run, `tensorboard --logdir runs`."""

import sys
import types

from host_training.training.evaluation import Evaluation
from host_training.training.stages import Progress

# TensorBoard imports all of TensorFlow where it is installed, unless this marker exists: saves
# seconds.
sys.modules.setdefault("tensorboard.compat.notf", types.ModuleType("notf"))
from torch.utils.tensorboard import SummaryWriter  # noqa: E402


class Curves(SummaryWriter):
    """Those of one run, in a folder of its own."""

    def add(self, stage: str, epoch: int, figures: Evaluation, progress: Progress) -> None:
        """The figures of an epoch's end, and what its last update reported."""
        values = {
            **vars(figures),
            "rate_reduction": figures.rate_reduction,
            "train_loss": float(progress.loss),
        }
        if progress.rates is not None:
            values["train_rate_reduction"] = float(progress.rates.reduction)
        for name, value in values.items():
            self.add_scalar(f"{stage}/{name}", value, epoch)
