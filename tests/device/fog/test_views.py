"""The images of members: one leads and begins them, the others take the same ones."""

from contextlib import ExitStack

import numpy as np
import pytest

from device.config import load_config
from device.fog.exchange import join
from device.fog.loading import load_parts
from device.fog.views import Views
from link.base.clock import boot_s
from link.security.keys import CounterStore, read_master_key
from tests.worlds.team import TeamOf, wait_until
from tests.worlds.virtual_node import Told


class Seeing:
    """One member that takes images and computes nothing."""

    def __init__(self, path, stack):
        config = load_config(path)
        assert config.team is not None
        loaded = load_parts(config.bundle, None, config.team)
        key = read_master_key(config.key_dir)
        counters = stack.enter_context(CounterStore(config.key_dir, config.node))
        self.exchange = join(config, key, counters, loaded, print, True, False)
        stack.callback(self.exchange.close)
        spec = loaded.bundle.image
        self.told = Told()
        self.counters = counters
        self.views = Views(config, spec, self.exchange, None, counters, None, self.told)
        self.session = self.exchange.session
        self.runs = []

    def step(self):
        self.exchange.hear(0.01)
        self.views.look(boot_s())
        if (run := self.session.next_run(boot_s())) is not None:
            self.runs.append(run)
        self.exchange.speak()


@pytest.fixture
def world(tmp_path):
    with TeamOf(tmp_path, n_images=2) as team, ExitStack() as stack:
        yield team.images, *(Seeing(team.write(member, None), stack) for member in (0, 1))


def test_all_members_take_the_image_that_the_leader_begins(world):
    images, first, second = world

    def both_see():
        for member in (first, second):
            member.step()
        return bool(first.runs and second.runs)

    wait_until(both_see, 10.0)
    assert first.session.leads
    assert not second.session.leads
    shown = (images[0] ^ np.uint8(128)).view(np.int8)[None]
    for run in (first.runs[0], second.runs[0]):
        assert (run.image, run.segment) == (first.session.newest, 0)
        assert (run.inputs == shown).all()
    assert first.views.shown[0] == second.views.shown[0] == first.session.newest
    assert not first.views.is_through
    assert first.views.wake_s(boot_s()) > boot_s(), "the image is under way"


def test_one_whose_disk_is_full_lets_another_lead_and_shows_its_images_all_the_same(
    world, monkeypatch
):
    _, first, second = world

    def full(self, next_counter):
        raise OSError("no space left")

    def step():
        with monkeypatch.context() as patch:
            patch.setattr(CounterStore, "_store", full)
            first.step()
        second.step()
        return bool(first.runs and second.runs)

    wait_until(step, 30.0)
    assert second.session.leads
    assert first.runs[0].image == second.runs[0].image
    assert (first.runs[0].inputs == second.runs[0].inputs).all()
    assert [sentence for sentence in first.told.notices if "another has to lead" in sentence]


def test_one_without_a_camera_is_blind_and_waits_for_nothing(tmp_path):
    with TeamOf(tmp_path) as team, ExitStack() as stack:
        path = team.write(0, None, team='camera = "shared"', has_source=False)
        member = Seeing(path, stack)
        member.step()
        assert member.views.is_blind
        assert not member.views.is_through
        assert member.views.wake_s(boot_s()) == float("inf")
