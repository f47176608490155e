"""Fine-tuning: the decoder learns the symbols that the int8 encoder really sends, not noisy float
latents.

Each epoch's images are augmented as in training and go through the int8 encoder once; only the
decoder learns, so an epoch is cheap. The best epoch on the validation split wins; the decoder one
starts from competes too.
"""

import copy
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from export.encoder.symbols import Encode
from host_training.data.batches import augment, to_pixels
from host_training.data.dataset import DataSet
from host_training.training.evaluation import autocast

SEED = 0
USUAL_SIDE = 64
PIXELS_AT_ONCE = 50_000 * 32 * 32
"Pixels of training images that are augmented in one go."

Decoder = TypeVar("Decoder", bound=nn.Module)
"Symbols (N, D) → class scores (N, K)."


@dataclass(frozen=True)
class FineTuning:
    """Settings; lengths follow from the data set's size, so that a small one is seen more often."""

    images: int = 150_000
    "How many augmented images to encode and learn from in all."
    min_epochs: int = 3
    max_epochs: int = 20
    batch_size: int = 128
    learning_rate: float = 5e-3
    momentum: float = 0.9
    weight_decay: float = 5e-4

    def n_epochs(self, n_images: int, side: int = 0) -> int:
        """For images of that side, pixels: of large ones each pass takes its time."""
        most = self.max_epochs // max(side**2 // USUAL_SIDE**2, 1)
        return max(min(self.images // n_images, most), self.min_epochs)


@dataclass(frozen=True)
class Score:
    """What a decoder achieves on a set of symbols; compared by accuracy, then by loss."""

    accuracy: float
    loss: float

    def is_better_than(self, other: "Score") -> bool:
        return (self.accuracy, -self.loss) > (other.accuracy, -other.loss)


def score(decoder: nn.Module, symbols: np.ndarray, labels: np.ndarray) -> Score:
    """Accuracy 0…1 and cross-entropy in nats of a decoder in evaluation mode; symbols (N, D),
    labels (N,).
    """
    scores, targets = run(decoder, symbols), torch.from_numpy(labels)
    return Score(
        float((scores.argmax(1) == targets).double().mean()), float(cross_entropy(scores, targets))
    )


@torch.no_grad()
def run(network: nn.Module, symbols: np.ndarray, batch_size: int = 1000) -> Tensor:
    """What a network gives in evaluation mode; symbols (N, D)."""
    network.eval()
    return torch.cat(
        [
            network(as_input(part))
            for part in np.array_split(symbols, -(-len(symbols) // batch_size))
        ]
    )


def as_input(symbols: np.ndarray) -> Tensor:
    return torch.from_numpy(symbols.astype(np.float32))


def augmented_symbols(data: DataSet, encode: Encode, n_passes: int) -> np.ndarray:
    """Symbols int8 (passes, N, D) of the training split, augmented anew in each pass."""
    torch.manual_seed(SEED)
    height, width, _ = data.image_shape
    parts = to_pixels(data.train.images).split(max(PIXELS_AT_ONCE // (height * width), 1))

    def encoded(pixels: Tensor) -> np.ndarray:
        return encode(augment(pixels, data.augmentation).permute(0, 2, 3, 1).contiguous().numpy())

    return np.stack([np.concatenate([*map(encoded, parts)]) for _ in range(n_passes)])


def finetune(
    decoder: Decoder,
    passes: np.ndarray,
    labels: np.ndarray,
    validation: np.ndarray,
    validation_labels: np.ndarray,
    settings: FineTuning,
) -> tuple[Decoder, Score, Score]:
    """The best decoder on the validation symbols, the score one started from, and its own.

    The decoder given stays as it is; it may be the best. `passes` int8 (epochs, N, D) are the
    training symbols of each epoch, labels (N,) their classes.
    """
    best, started_from = decoder, score(decoder, validation, validation_labels)
    best_score = started_from
    student = copy.deepcopy(decoder)
    for layer in student.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.SGD(
        student.parameters(),
        settings.learning_rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        nesterov=True,
    )
    batch_size = min(settings.batch_size, len(labels))
    steps_per_epoch = len(labels) // batch_size
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, len(passes) * steps_per_epoch)
    targets = torch.from_numpy(labels)
    generator = torch.Generator().manual_seed(SEED)
    for symbols in passes:
        student.train()
        for batch in torch.randperm(len(labels), generator=generator)[
            : steps_per_epoch * batch_size
        ].split(batch_size):
            with autocast(torch.device("cpu")):
                scores = student(as_input(symbols[batch.numpy()]))
            loss = cross_entropy(scores.float(), targets[batch])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
        student_score = score(student, validation, validation_labels)
        if student_score.is_better_than(best_score):
            best, best_score = copy.deepcopy(student), student_score
    best.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return best.eval(), started_from, best_score
