"""Distillation (Hinton, Vinyals, Dean, arXiv:1503.02531): a small model also learns a large one's
scores.
"""

from torch import Tensor
from torch.nn.functional import cross_entropy

SHARE = 0.9
"The share of the loss that is the teacher's; the rest is the labels'."
TEMPERATURE = 4.0


def loss_to_teacher(scores: Tensor, teacher_scores: Tensor) -> Tensor:
    """Cross-entropy, nats, between both scores (N, K) softened; times T², which keeps the size of
    its gradient.
    """
    softened = (teacher_scores / TEMPERATURE).softmax(1)
    return TEMPERATURE**2 * cross_entropy(scores / TEMPERATURE, softened)
