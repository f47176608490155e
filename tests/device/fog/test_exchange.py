"""Frames between two members: to whom they go, and what is counted when they leave."""

from contextlib import ExitStack
from functools import partial

import numpy as np
import pytest

from device.config import load_config
from device.fog.exchange import Exchange, join, open_exchange
from device.fog.loading import load_parts
from device.fog.team_config import TeamConfig
from link.base.clock import boot_s
from link.carriers.carrier import PortError
from link.fog.frame import HEADER_BYTES, TAG_BYTES
from link.fog.interface import Member, TeamOptions
from link.fog.session import TeamSession
from link.security.keys import CounterStore, read_master_key
from tests.worlds.team import TeamOf, free_ports
from tests.worlds.team_bundle import make_team_bundle, random_images

KEY = bytes(16)


@pytest.fixture
def bundle(tmp_path):
    return make_team_bundle(tmp_path / "bundle")


def two_members(paths, is_apart=lambda member: None):
    """The exchanges of members 0 and 1, their sessions and ports; member 2 is not there."""
    ports = free_ports(3)
    peers = tuple(f"127.0.0.1:{number}" for number in ports)
    found = []
    for member, path in enumerate(paths):
        team = TeamConfig(
            member=member, members=3, mode="exchange", port=peers[member], peers=peers
        )
        loaded = load_parts(path, None, team)
        me = Member(member, KEY, has_camera=True)
        session = TeamSession(me, loaded.model, loaded.plan, TeamOptions(), boot_s())
        port = open_exchange(team, print, is_patient=False, waits_for_first=False)
        found.append((Exchange(team, session, port, partial(is_apart, member)), session, port))
    return found


@pytest.fixture
def pair(bundle):
    found = two_members([bundle.path, bundle.path])
    yield found
    for _, _, port in found:
        port.close()


def test_a_frame_goes_to_each_member_that_it_is_for_and_is_counted_as_it_leaves(pair):
    (sender, leader, _), (receiver, follower, _) = pair
    leader.begin(7, 0, boot_s(), random_images(1)[0])
    sender.speak()
    tick_bytes = HEADER_BYTES + 4 + 1 + TAG_BYTES
    assert (sender.n_frames, sender.sent_bytes) == (2, 2 * tick_bytes)
    assert sender.published_bytes == tick_bytes
    assert receiver.heard_s is None
    receiver.hear(5.0)
    assert follower.newest == 7
    assert receiver.heard_s is not None
    wanted = follower.take_wanted()
    assert (wanted.image, wanted.sequence) == (7, 0)


def test_what_no_member_said_is_not_heard(pair):
    (_, _, port), (receiver, follower, _) = pair
    port.send(np.random.default_rng(0).bytes(64))
    receiver.hear(0.2)
    assert receiver.heard_s is None
    assert follower.newest == 0


def test_a_member_that_was_killed_takes_no_recording_for_news(tmp_path):
    with TeamOf(tmp_path, n_images=1) as team, ExitStack() as stack:

        def start(member):
            config = load_config(team.write(member, None))
            assert config.team is not None
            counters = CounterStore(config.key_dir, config.node)
            stack.callback(counters.close)
            loaded = load_parts(config.bundle, None, config.team)
            key = read_master_key(config.key_dir)
            exchange = join(config, key, counters, loaded, print, True, False)
            stack.callback(exchange.close)
            return exchange, exchange.session, counters

        _, leader, _ = start(0)
        port, first, counters = start(1)
        leader.begin(max(leader.least_image, first.least_image), 0, boot_s(), team.images[0])
        recording = [outgoing.frame for outgoing in leader.take_frames()]
        assert first.receive(recording[0], boot_s())
        counters.pass_over(first.newest + 1)
        counters._lock.close()  # all that a kill does
        port.close()
        _, again, _ = start(1)
        assert not any(again.receive(frame, boot_s()) for frame in recording)
        assert again.n_forged == 0, "none cost a try of its tag"
        again.next_run(boot_s() + 1.0)
        told = [outgoing.frame for outgoing in again.take_frames()]
        assert [leader.receive(frame, boot_s()) for frame in told] == [True]
        leader.begin(leader.least_image, 1, boot_s(), team.images[0])
        assert any(again.receive(one.frame, boot_s()) for one in leader.take_frames())


def test_a_member_that_understands_nobody_says_so_once(bundle, tmp_path):
    """One that stayed behind with another bundle."""
    told: list[int] = []
    other = make_team_bundle(tmp_path / "other", n_segments=2)
    (speaker, leader, port), (left_behind, _, its_port) = two_members(
        [bundle.path, other.path], told.append
    )
    for image in (7, 8):
        leader.begin(image, image, boot_s(), random_images(1)[0])
        speaker.speak()
        left_behind.hear(5.0)
    assert told == [1]
    port.close()
    its_port.close()


def test_a_port_that_cannot_be_opened_is_told_of_or_waited_for(tmp_path):
    team = TeamConfig(member=0, members=2, port=str(tmp_path / "nowhere"), bitrate_bps=9600)
    with pytest.raises(PortError, match="does not exist"):
        open_exchange(team, print, is_patient=True, waits_for_first=False)
    told: list[str] = []
    port = open_exchange(team, told.append, is_patient=True, waits_for_first=True)
    assert not port.is_open
    assert "the team goes on without this member until then" in told[0]
