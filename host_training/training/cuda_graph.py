"""A loss and its gradients as one CUDA graph: a small model's kernels are shorter than launching
them one by one.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

WARM_UP = 3
"Runs before the recording, in which cuDNN chooses its algorithms."


class LossGraph:
    """Recorded once with a first batch; every batch after it must have its shape."""

    def __init__(
        self,
        loss_of: Callable[[Tensor, Tensor], Tensor],
        module: nn.Module,
        images: Tensor,
        labels: Tensor,
    ) -> None:
        """`loss_of`: images and labels to the loss, without a look at a number; the gradients are
        `module`'s.
        """
        self.images = images.clone()
        self.labels = labels.clone()
        before = copy.deepcopy(module.state_dict())
        other_stream = torch.cuda.Stream()
        other_stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(other_stream):
            for _ in range(WARM_UP):
                module.zero_grad(set_to_none=True)
                loss_of(self.images, self.labels).backward()
        torch.cuda.current_stream().wait_stream(other_stream)
        module.zero_grad(set_to_none=True)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            loss = loss_of(self.images, self.labels)
            loss.backward()
        self.loss = loss.detach()
        module.load_state_dict(before)  # the warm-up moved the batch norms' statistics

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        """The loss of a batch, scalar; the gradients are the module's until the next call."""
        self.images.copy_(images)
        self.labels.copy_(labels)
        self.graph.replay()
        return self.loss
