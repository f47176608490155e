"""Flat model: an auto-encoder whose trained parameters are one vector, and so are their gradients.

Devices send a vector's changes, a server adds them up, and SGD needs no more either: the model's
parameters are views of it. Batch norm's running statistics are no parameters and are not sent with
updates; whoever wants to use the model estimates them on images of their own.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from host_training.data.batches import evaluation_batches
from host_training.data.dataset import Split
from host_training.models.autoencoder import AutoEncoder
from host_training.training.evaluation import autocast
from link.update import Layout

CE_PARTS, DUPHIL_PARTS = ("encoder", "decoder"), ("encoder", "side_branch", "decoder")
"What each stage trains, in the order of the vector."
STATISTICS_BATCH = 500
Norm = nn.BatchNorm1d | nn.BatchNorm2d


class FlatModel:
    """One model's vector, gradient and statistics. What `vector` holds is what the model is."""

    def __init__(self, model: AutoEncoder, parts: tuple[str, ...] = CE_PARTS) -> None:
        if model.config.team is not None:
            raise ValueError(
                "an encoder that is cut over several nodes is not trained on many devices; take a "
                "preset of one node"
            )
        self.model = model
        trained = {
            f"{part}.{name}": parameter
            for part in parts
            for name, parameter in getattr(model, part).named_parameters()
        }
        self.layout = Layout(tuple(trained), tuple(tuple(each.shape) for each in trained.values()))
        self.device = next(model.parameters()).device
        self.vector = torch.empty(self.layout.size, device=self.device)
        self.gradient = torch.zeros_like(self.vector)
        with torch.no_grad():
            for start, parameter in zip(self.layout.starts, trained.values(), strict=False):
                place = slice(start, start + parameter.numel())
                self.vector[place] = parameter.flatten()
                parameter.data = self.vector[place].view(parameter.shape)
                parameter.grad = self.gradient[place].view(parameter.shape)
        self.norms = [norm for part in parts for norm in _norms(getattr(model, part))]
        self.are_frozen = False

    @property
    def weights(self) -> np.ndarray:
        """A copy, float32 (P,)."""
        return self.vector.cpu().numpy().copy()

    def set_weights(self, weights: np.ndarray) -> None:
        """float32 (P,)"""
        self.vector.copy_(torch.from_numpy(self.layout.fit(weights).copy()))

    @property
    def statistics(self) -> np.ndarray:
        """Mean and variance of every batch norm, one behind the other, float32 (S,)."""
        return torch.cat(list(self._statistics())).cpu().numpy()

    def set_statistics(self, statistics: np.ndarray) -> None:
        sizes = [len(each) for each in self._statistics()]
        if sum(sizes) != len(statistics):
            raise ValueError(f"{len(statistics)} numbers for batch norms that have {sum(sizes)}")
        parts = torch.from_numpy(np.array(statistics, np.float32)).split(sizes)
        for each, part in zip(self._statistics(), parts, strict=True):
            each.copy_(part)

    def _statistics(self) -> Iterator[Tensor]:
        for norm in self.norms:
            for each in (norm.running_mean, norm.running_var):
                assert each is not None
                yield each

    @torch.no_grad()
    def estimate_statistics(self, split: Split) -> None:
        """Mean and variance over all images of a split (the server's calibration images)."""
        self.model.train()
        for norm in self.norms:
            norm.reset_running_stats()
            norm.momentum = None  # all batches count alike
        torch.manual_seed(0)  # the quantiser's noise
        for images, _ in evaluation_batches(
            split, STATISTICS_BATCH, self.device, self.model.config.pixel_pad
        ):
            with autocast(self.device):
                self.model(images)
        for norm in self.norms:
            norm.momentum = 0.1

    def training_mode(self) -> None:
        """With each batch's statistics, or the frozen ones."""
        self.model.train()
        if self.are_frozen:
            for norm in self.norms:
                norm.eval()


def _norms(module: nn.Module) -> list[Norm]:
    return [each for each in module.modules() if isinstance(each, Norm)]
