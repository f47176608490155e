"""Small global training: blobs dealt to devices, and a model that a step takes milliseconds of."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from host_training.data.dataset import Split
from host_training.distributed.learner.flat_model import CE_PARTS, FlatModel
from host_training.distributed.learner.worker import Worker
from host_training.distributed.server.rules import Rules
from host_training.distributed.server.server import Server
from host_training.models.architecture import Architecture
from host_training.models.autoencoder import AutoEncoder, ModelConfig
from link.update import RunSettings
from link.update.device_end import DeviceEnd
from tests.worlds.small_training import blobs

ARCHITECTURE = Architecture(
    widths=(4, 6, 8), blocks=(1, 1, 1), has_module3_on_node=True, hidden=16, latents=6,
    noise_half_width=0.5, features=4,
)  # fmt: skip
SETTINGS = RunSettings(
    network="00" * 8, n_rounds=4, n_steps=1, batch_images=8, momentum_kind="carried",
    learning_rates=(0.05,), weight_decay=5e-4, label_smoothing=0.1, crop_pixels=1,
)  # fmt: skip
DATA = blobs()


def small_flat(parts: tuple[str, ...] = CE_PARTS, seed: int = 0, **changes: Any) -> FlatModel:
    """With always the same initial weights."""
    torch.manual_seed(seed)
    config = ModelConfig.of(replace(ARCHITECTURE, **changes), DATA.image_shape, len(DATA.classes))
    return FlatModel(AutoEncoder(config), parts)


def dealt(n_devices: int, split: Split = DATA.train) -> list[Split]:
    """The images, shuffled, one by one to the devices."""
    order = np.random.default_rng(0).permutation(len(split))
    return [split.subset(order[i::n_devices]) for i in range(n_devices)]


def key(number: int) -> Ed25519PrivateKey:
    """Always the same one; -1 is the server's."""
    return Ed25519PrivateKey.from_private_bytes(bytes([number % 256]) * 32)


class Device:
    """One device's end and learner."""

    def __init__(
        self,
        flat: FlatModel,
        shard: Split,
        settings: RunSettings,
        number: int,
        folder: Path | None = None,
    ) -> None:
        """`folder`: where its end is kept, so that it can be killed."""
        self.number, self.folder, self.initial = number, folder, flat.weights
        self.worker = Worker(flat, shard, settings, number)
        self.start()

    def start(self) -> None:
        """Also after a kill."""
        flat, settings, server = self.worker.flat, self.worker.settings, key(-1).public_key()
        self.end = DeviceEnd(
            settings, flat.layout, self.number, key(self.number), server, self.initial, self.folder
        )

    def update(self) -> bytes:
        """The one of the round it is in, trained now if it is not yet."""
        if work := self.end.work():
            self.worker.forget(work.sent)
            self.end.give(self.worker.train(work.weights, work.round_))
        return self.end.update


class World:
    """A server and its devices, in one process, with the test's clock."""

    def __init__(
        self,
        n_devices: int = 3,
        folder: Path | None = None,
        rules: Rules | None = None,
        **changes: Any,
    ) -> None:
        self.settings = replace(SETTINGS, n_devices=n_devices, **changes)
        self.flat = small_flat()
        initial = self.flat.weights
        self.devices = []
        for number, shard in enumerate(dealt(n_devices)):
            self.flat.set_weights(initial)
            self.devices.append(Device(self.flat, shard, self.settings, number))
        # a filter among three that know 32 images each would be chance
        rules = rules or Rules(is_filtered=False)
        self.initial, self.folder, self.rules = initial, folder, rules
        self.server = self.new_server()

    def new_server(self) -> Server:
        """Also the one that takes the place of one that died."""
        keys = {each.number: key(each.number).public_key() for each in self.devices}
        return Server(
            self.settings, self.flat.layout, self.initial, key(-1), keys, self.folder, self.rules
        )

    def tell(self, device: Device) -> None:
        """What it misses."""
        if told := self.server.message_for(device.number, device.end.round_):
            device.end.take(told)

    def round_trip(self, silent: tuple[int, ...] = ()) -> None:
        """A round in which all but the silent ones hear and answer in ten seconds."""
        began = self.server.deadline_s
        for device in self.devices:
            if device.number not in silent:
                self.tell(device)
                self.server.receive(device.update(), now_s=10.0)
        assert self.server.close(now_s=max(began, self.server.deadline_s, 10.0)) is not None
