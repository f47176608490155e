"""Admission: whether what came is an update of this run, in the order of what a check costs:
length, device, round, signature, bounds, code. Nothing here changes anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from host_training.distributed.server import bulk
from link.update import Layout, RunSettings, code, device_end, message
from link.update.message import Ask, Form, Kind, MessageError, Update


@dataclass
class Course:
    """Where the run is, and what an update may still be held against."""

    hashes: list[bytes]
    "What all ends held when each round began, 8 bytes each; the last is the present round's."
    weights: dict[int, np.ndarray] = field(default_factory=dict)
    "float32 (P,), by the rounds of which an update may still come."
    asked: dict[int, frozenset[int]] = field(default_factory=dict)
    "Devices, by the same."

    @property
    def round_(self) -> int:
        return len(self.hashes) - 1


class Admission:
    """What devices of a run send, checked against where it is."""

    def __init__(
        self,
        settings: RunSettings,
        layout: Layout,
        devices: Mapping[int, Ed25519PublicKey],
        course: Course,
    ) -> None:
        self._settings, self._layout, self._devices = settings, layout, devices
        self._run = settings.run_id
        self._course = course

    def authentic(self, received: bytes) -> Update | Ask:
        """What a device of this run says, in its own name; MessageError with a sentence for
        anything else. That it was said before, nobody can tell from it.
        """
        if message.kind_of(received) == Kind.ASK:
            ask = message.read_ask(received, self._run)
            message.check_ask(received, self._run, self._key_of(ask))
            return ask
        update, base = self._read(received)
        return self._signed(received, update, base, self._key_of(update))

    def timely(self, received: bytes) -> Update:
        """An update of a device that was to train in its round, and not too long ago, said in its
        own name; MessageError for anything else.
        """
        update, base = self._read(received)
        key = self._key_of(update)
        self._check_round(update)
        return self._signed(received, update, base, key)

    def check_bounds(self, update: Update, n_bytes: int) -> None:
        """MessageError where an update is larger than its round has room for, or claims more
        images.
        """
        settings = self._settings
        most = settings.up(update.round_)
        if most and (update.form != Form.CODED or n_bytes > most):
            raise MessageError(
                f"device {update.device} sent {n_bytes} bytes ({update.form.name.lower()}), round "
                f"{update.round_} has room for {most} coded ones"
            )
        if not 1 <= update.n_images <= settings.n_steps * settings.batch_images:
            raise MessageError(
                f"device {update.device} says that it learned from {update.n_images} images, of "
                f"at most {settings.n_steps * settings.batch_images} in a round"
            )

    def moved(self, update: Update) -> np.ndarray:
        """What an update takes from the weights, (P,); MessageError where it is no update of this
        network. Of whole weights in float64, so that taking it away gives these again.
        """
        if update.form == Form.CODED:
            try:
                return bulk.decode(update.payload, self._layout).dense(self._layout)
            except code.CodeError as error:
                raise MessageError(f"device {update.device}: {error}") from None
        weights = message.read_whole(update.payload, self._layout.size)
        if update.round_ not in self._course.weights:
            raise MessageError(
                f"device {update.device} sent whole weights of round {update.round_}, which are "
                "not here any more: take the server's messages first"
            )
        return self._course.weights[update.round_].astype(np.float64) - weights

    def _read(self, received: bytes) -> tuple[Update, bytes]:
        return message.read_update(received, self._run, device_end.max_message_bytes(self._layout))

    def _key_of(self, said: Update | Ask) -> Ed25519PublicKey:
        known = self._devices.get(said.device)
        if known is None:
            raise MessageError(
                f"device {said.device} is not of this run, which knows {len(self._devices)}; put "
                "its public key into the run's folder of devices"
            )
        if said.round_ > self._course.round_:
            raise MessageError(
                f"device {said.device} is in round {said.round_}, the server in "
                f"{self._course.round_}: it is of another run, or the server's folder is an old "
                "copy"
            )
        return known

    def _check_round(self, update: Update) -> None:
        if self._course.round_ - update.round_ > self._settings.max_lateness:
            raise MessageError(
                f"device {update.device} sent an update of round {update.round_}, this is round "
                f"{self._course.round_}: take the server's messages first"
            )
        if update.device not in self._course.asked[update.round_]:
            raise MessageError(
                f"device {update.device} sent an update of round {update.round_}, in which it was "
                "not asked: it trains in its turns only"
            )

    def _signed(
        self, received: bytes, update: Update, base: bytes, key: Ed25519PublicKey
    ) -> Update:
        before = self._course.hashes[update.round_]
        if base != before[: len(base)]:
            raise MessageError(
                f"device {update.device} began round {update.round_} with weights {base.hex()}…, "
                f"the run with {before.hex()}: it should ask for a snapshot"
            )
        message.check_update(received, self._run, before, key)
        return update
