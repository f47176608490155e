"""Images of an earlier bundle that find no ear do not keep newer ones back, and are not lost."""

from itertools import pairwise

import numpy as np
import pytest

from device.outbox.outbox import open_outbox
from device.outbox.queues import LONGEST_PAUSE_S, OUTBOX_FILE
from link.coder import latent_coder
from link.security.keys import CounterStore
from link.wire.packet import PacketType
from tests.worlds.virtual_node import VirtualNode

N_LATENTS = 8


@pytest.fixture
def old(make_bundle, int8_model):
    """A bundle that the node had before."""
    return make_bundle("old", model=int8_model.read_bytes() + bytes(4))


@pytest.fixture
def old_images(home, old):
    """Ids of three of its images, which still wait."""
    keys = home.folder / "keys"
    with (
        CounterStore(keys, home.node) as counters,
        open_outbox(keys / OUTBOX_FILE.format(old.id.hex())) as outbox,
    ):
        images = [counters.next() for _ in range(3)]
        for n, image in enumerate(images):
            symbols = np.full(N_LATENTS, n, np.int8)
            outbox.put(image, [latent_coder.encode(symbols, old.tables)], None)
    return images


class OldWorld(VirtualNode):
    """The host hears the images of the old bundle from some time on only."""

    def __init__(self, monkeypatch, home, old, hears_old_from_s):
        config = home.config(source="loop = true\ninterval_s = 20")
        super().__init__(
            monkeypatch, home, config, is_host_there=self._hears, earlier_bundles=(old,)
        )
        self._from_s = self.now_s + hears_old_from_s
        self.tries_s = []
        self._was_own = True

    def _hears(self, now_s):
        return self.link.turns.is_own or now_s >= self._from_s

    def send(self, packet):
        is_own = self.link.turns.is_own
        if not is_own and self._was_own:
            self.tries_s.append((self.now_s, self.console.packets[-1].packet_type))
        self._was_own = is_own
        return super().send(packet)


def test_newer_images_pass_and_the_old_ones_are_tried_again_ever_more_rarely(
    monkeypatch, home, old, old_images
):
    world = OldWorld(monkeypatch, home, old, hears_old_from_s=float("inf"))
    world.run(5400.0)
    own = [image for image in world.console.images if image in world.updates]
    assert len(world.console.images) >= 0.99 * 5400 / 20
    assert len(own) >= len(world.console.images) - 2
    assert not world.updates.keys() & set(old_images)
    assert world.n_waiting >= 3, "none of the old ones is lost"
    assert [
        one
        for one in world.console.notices
        if f"bundle {old.id.hex()}: perhaps the host lacks it" in one
    ]
    times_s, kinds = zip(*world.tries_s, strict=True)
    assert set(kinds) == {PacketType.HELLO}, "which names the bundle"
    pauses_s = [later - earlier for earlier, later in pairwise(times_s)]
    assert pauses_s[:4] == pytest.approx([60, 120, 240, 480], rel=0.2)
    assert max(pauses_s) < 1.2 * LONGEST_PAUSE_S


def test_once_the_host_knows_the_old_bundle_its_images_arrive(monkeypatch, home, old, old_images):
    world = OldWorld(monkeypatch, home, old, hears_old_from_s=100.0)
    world.run(300.0)
    assert world.updates.keys() >= set(old_images)
    assert not list((home.folder / "keys").glob(OUTBOX_FILE.format(old.id.hex()) + "*"))
    assert len(world.updates) >= 3 + 14


def test_a_host_that_is_away_is_not_asked_more_often_for_there_being_two_queues(
    monkeypatch, home, old, old_images
):
    def packets_in_an_hour(has_old):
        world = VirtualNode(
            monkeypatch, home, home.config(source="limit = 1"), is_host_there=lambda now_s: False
        )
        world.run(3600.0)
        return len(world.console.packets)

    with_old = packets_in_an_hour(True)
    (home.folder / "keys" / OUTBOX_FILE.format(old.id.hex())).unlink()
    assert with_old <= packets_in_an_hour(False) + 20
