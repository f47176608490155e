"""Photos: images of a folder with all that is known of them, before they are training or test."""

from dataclasses import dataclass

import numpy as np

from host_training.data.dataset import Split


@dataclass(frozen=True, eq=False)
class Photos:
    """images uint8 (N, S, S, 3), labels int64 (N,), the files' names below the folder (N,), and the
    number of the series that each belongs to, int64 (N,), none of which is of two classes.
    """

    images: np.ndarray
    labels: np.ndarray
    names: np.ndarray
    series: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: np.ndarray) -> "Photos":
        return Photos(
            self.images[indices], self.labels[indices], self.names[indices], self.series[indices]
        )

    def split(self) -> Split:
        return Split(self.images, self.labels, names=self.names)
