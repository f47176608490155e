"""A whole node's link and a whole host, one process, a fake clock: losses and restarts of the host
cost no image.
"""

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest

from device.outbox.outbox import Outbox
from host_decoder.config import KnownNode
from host_decoder.decode.verdict import VerdictConfig
from host_decoder.events import Answer
from host_decoder.receive.host import Host
from host_decoder.store.store import Store
from link.coder import latent_coder
from link.medium.governor import Governor
from link.medium.profiles import get_profile
from link.medium.timing import LinkTiming
from link.node.interface import Equipment, Identity
from link.node.sender import Sender
from link.security.keys import CounterStore, provision
from link.wire.packet import split
from tests.scale import size
from tests.worlds.small_bundle import random_symbols
from tests.worlds.small_host import KEY, NODE, right_label

TIMING = LinkTiming(get_profile("lora-sf7"))
N_IMAGES = size(30, 1000)


class Ends:
    """A sender with its outbox, a host with its store, and a medium between that loses some
    frames.
    """

    def __init__(
        self, folder: Path, node: KnownNode, loss: float, verdict: VerdictConfig | None = None
    ) -> None:
        self.bundle = node.bundle
        self._node = node
        self._verdict = verdict
        self._loss = loss
        self._random = Random(5)
        self._store_path = folder / "host.sqlite"
        self.counters = CounterStore(folder)
        self.outbox = Outbox(folder / "outbox.sqlite")
        equipment = Equipment(self.counters, self.outbox, Governor(), TIMING, Random(6))
        self.sender = Sender(Identity(NODE, node.bundle.id, KEY), equipment)
        self.start_host()
        self.now_s = 0.0
        self.answers: dict[int, Answer] = {}

    def start_host(self) -> None:
        """As after SIGKILL: nothing is left but the file."""
        self.store = Store(self._store_path)
        self.host = Host([self._node], self.store, (), TIMING, self._verdict)

    def capture(self, symbols: np.ndarray) -> int:
        image, bitstream = self.counters.next(), latent_coder.encode(symbols, self.bundle.tables)
        self.outbox.put(image, split(bitstream, 2, 1), self.now_s)
        return image

    def step(self) -> None:
        """The next frame in either direction, or a wait for it."""
        if (outgoing := self.sender.next_packet(self.now_s)) is not None:
            self.now_s += outgoing.airtime_s
            self.sender.transmitted(self.now_s)
            if self._random.random() >= self._loss:
                events = self.host.receive(outgoing.packet, self.now_s)
                self.answers |= {
                    event.image: event for event in events if isinstance(event, Answer)
                }
        elif (downlink := self.host.next_packet(self.now_s)) is not None:
            self.now_s += downlink.airtime_s
            self.host.transmitted(self.now_s)
            if self._random.random() >= self._loss:
                self.sender.receive(downlink.packet, self.now_s)
        else:
            due = [end.next_due_s(self.now_s) for end in (self.sender, self.host)]
            self.now_s = max(self.now_s + 1e-3, min(due_s for due_s in due if due_s is not None))

    def close(self) -> None:
        self.store.close()
        self.outbox.close()
        self.counters.close()


@pytest.fixture
def folder(tmp_path):
    provision(tmp_path / "node", NODE)
    return tmp_path / "node"


def run(ends: Ends, host_lives: int) -> list[int]:
    """Captures all images, one whenever the queue is short, until everything is acknowledged; ids
    in order.
    """
    images: list[int] = []
    n_steps = 0
    while len(images) < N_IMAGES or ends.outbox.n_images:
        if len(images) < N_IMAGES and ends.outbox.n_images < 4:
            images.append(ends.capture(random_symbols(ends.bundle.tables, len(images))))
            if len(images) == N_IMAGES:
                ends.sender.expect_no_image()
        ends.step()
        n_steps += 1
        if n_steps % host_lives == 0:
            ends.store.close()
            ends.start_host()
        assert n_steps < 1000 * N_IMAGES, "the ends do not come to an end"
    return images


@pytest.mark.parametrize(("loss", "host_lives"), [(0.0, 10**9), (0.2, 10**9), (0.2, 25)])
def test_every_image_is_answered_right_in_the_end(folder, node_entry, loss, host_lives):
    with closing(Ends(folder, node_entry, loss)) as ends:
        images = run(ends, host_lives)
        assert sorted(ends.answers) == images
        for seed, image in enumerate(images):
            answer = ends.answers[image]
            known = random_symbols(ends.bundle.tables, seed)
            if answer.is_complete:
                assert answer.label == right_label(known)
        n_complete = sum(answer.is_complete for answer in ends.answers.values())
        assert n_complete >= (N_IMAGES if loss == 0 else 0.7 * N_IMAGES), (
            "refinements may be given up, base chunks not"
        )


def test_what_was_acknowledged_is_in_the_store_of_the_last_life(folder, node_entry):
    with closing(Ends(folder, node_entry, loss=0.3)) as ends:
        images = run(ends, host_lives=20)
        stored = {image.image: image.bitstream for image in ends.store.images(ends.bundle.id.hex())}
        assert sorted(stored) == images
        for seed, image in enumerate(images):
            whole = latent_coder.encode(
                random_symbols(ends.bundle.tables, seed), ends.bundle.tables
            )
            assert whole.startswith(stored[image])


def test_verdicts_keep_chunks_off_the_air(folder, node_entry, calibrated_bundle):
    node = replace(node_entry, bundle=calibrated_bundle)
    with closing(Ends(folder, node, loss=0.1, verdict=VerdictConfig(confidence=0.4))) as ends:
        images = run(ends, host_lives=10**9)
        assert sorted(ends.answers) == images
        stopped = [answer for answer in ends.answers.values() if answer.is_enough]
        assert len(stopped) > N_IMAGES / 2
        assert ends.host.figures(NODE)["decided"] >= len(stopped)
