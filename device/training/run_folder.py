"""Run folder: what the host of a run gives to all its devices, in four files.

settings.json      what all ends share, word for word
network.json       what is trained, layer by layer
initial.npy        the weights it began with, float32 (P,)
server.pub         the key by which the server's messages are known
classes.json       optional: the names of the classes, in the order of the labels
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from device.training import description
from device.training.network import Network
from link.base import durable
from link.update import Layout, RunSettings

SETTINGS, NETWORK, INITIAL, SERVER = "settings.json", "network.json", "initial.npy", "server.pub"
CLASSES = "classes.json"
KEY_BYTES = 32


class RunFolderError(ValueError):
    """A run's folder cannot be used; the message names the file and says what to do."""


@dataclass(frozen=True)
class RunFolder:
    """One run, as a device knows it; its files are read when they are asked for."""

    path: Path

    @cached_property
    def settings(self) -> RunSettings:
        try:
            return RunSettings.from_json(self._read(SETTINGS))
        except ValueError as error:
            raise RunFolderError(f"{self.path / SETTINGS}: {error}") from None

    @cached_property
    def network(self) -> Network:
        """The one that the settings name."""
        text, wanted = self._read(NETWORK), self.settings.network
        if (found := description.name_of(text)) != wanted:
            raise RunFolderError(
                f"{self.path / NETWORK} describes network {found}, the settings are of {wanted}; "
                "copy both from the run's host"
            )
        try:
            return Network(description.read(text), self.settings.label_smoothing)
        except description.DescriptionError as error:
            raise RunFolderError(f"{self.path / NETWORK}: {error}") from None

    @property
    def layout(self) -> Layout:
        parameters = self.network.parameters
        return Layout(tuple(parameters), tuple(parameters.values()))

    @property
    def initial(self) -> np.ndarray:
        """float32 (P,)"""
        path = self.path / INITIAL
        try:
            weights = np.load(path, mmap_mode="r", allow_pickle=False)
            return np.array(self.layout.fit(weights))
        except (OSError, ValueError, EOFError) as error:
            raise RunFolderError(
                f"{path} holds no weights of this network ({error}); copy it from the run's host"
            ) from None

    @property
    def server(self) -> Ed25519PublicKey:
        try:
            return Ed25519PublicKey.from_public_bytes(bytes.fromhex(self._read(SERVER).decode()))
        except ValueError:
            raise RunFolderError(
                f"{self.path / SERVER} is no public key; copy it from the run's host"
            ) from None

    @property
    def classes(self) -> tuple[str, ...]:
        """Their names; without any, their numbers."""
        n_classes = self.network.n_classes
        if not (self.path / CLASSES).exists():
            return tuple(map(str, range(n_classes)))
        try:
            names = json.loads(self._read(CLASSES))
        except (ValueError, RecursionError):
            names = None
        if not isinstance(names, list) or len({*map(str, names)}) != n_classes:
            raise RunFolderError(
                f"{self.path / CLASSES} is no JSON list of {n_classes} names; copy it from the "
                "run's host"
            )
        return tuple(map(str, names))

    def _read(self, name: str) -> bytes:
        try:
            return durable.read_small(self.path / name)
        except OSError as error:
            raise RunFolderError(
                f"{self.path / name} cannot be read ({error.strerror}); copy it from the run's host"
            ) from None
