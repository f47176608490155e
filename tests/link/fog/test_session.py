"""Sessions of a whole team in virtual time: parts over the link are parts chained in one process,
whoever is dead; nothing waits for ever, and no image is lost that anybody can still send.
"""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from link.fog.frame import MAX_IMAGE, Header, Kind
from link.fog.interface import Member, Model, TeamOptions
from link.fog.plan import Plan
from link.fog.session import TeamSession
from link.fog.underway import NO_SEQUENCE
from tests.scale import size
from tests.worlds.ends import KEY
from tests.worlds.team_bundle import chain_of, make_team_bundle
from tests.worlds.virtual_team import Parts, VirtualTeam, chained, scene, small_model

MODEL = small_model(7)
PARTS = Parts(MODEL.team)
EXCHANGE, REPLICA = Plan.exchange(MODEL.team), Plan.replica(MODEL.team)
FAST = TeamOptions(heartbeat_s=0.1)
MASKS = [dead for n_dead in (1, 2) for dead in combinations(range(7), n_dead)]


def world_of(plan=EXCHANGE, options=FAST, **settings):
    settings = {"modems": range(7), "n_images": 3, **settings}
    return VirtualTeam(plan, MODEL, PARTS, options, **settings)


def n_wrong(world, dead=()):
    """Images whose symbols are not those of the parts chained in one process."""
    expected = {i: chained(MODEL, PARTS, scene(s), dead) for i, s in world.begun.items()}
    return sum((one.symbols != expected[image]).any() for image, one in world.host.items())


@pytest.mark.parametrize("plan", [EXCHANGE, REPLICA], ids=["exchange", "replica"])
@pytest.mark.parametrize("is_camera_shared", [False, True])
@pytest.mark.parametrize("is_medium_shared", [False, True])
def test_parts_over_a_link_are_parts_chained(plan, is_camera_shared, is_medium_shared):
    options = TeamOptions(
        heartbeat_s=0.1, is_camera_shared=is_camera_shared, is_medium_shared=is_medium_shared
    )
    world = world_of(plan, options, modems=(0, 3)).start()
    world.finish()
    assert sorted(world.begun.values()) == [0, 1, 2]
    assert world.host.keys() == world.begun.keys()
    assert n_wrong(world) == 0
    assert len({tuple(one.symbols.tolist()) for one in world.host.values()}) == 3


@pytest.mark.parametrize("dead", MASKS)
def test_whoever_is_dead_the_others_make_what_the_chain_makes_without_them(dead):
    world = world_of(n_images=5).start()
    for member in dead:
        world.kill(member)
    world.finish()
    assert world.host.keys() == world.begun.keys()
    assert n_wrong(world, dead) == 0
    n_late = sum(s > 0.05 for s in elapsed(world))
    assert n_late <= 3


@pytest.mark.parametrize("dead", MASKS)
def test_of_replicas_two_may_die_and_no_bit_changes(dead):
    world = world_of(REPLICA, n_images=5).start()
    for member in dead:
        world.kill(member)
    world.finish()
    assert world.host.keys() == world.begun.keys()
    assert n_wrong(world) == 0


@pytest.mark.parametrize("dead", MASKS[:: size(5, 1)])
def test_of_replicas_two_may_die_at_any_moment(dead):
    world = world_of(REPLICA, n_images=6).start()
    n_seen = []

    def on_begin(image):
        n_seen.append(image)
        if len(n_seen) == 2:
            for place, member in enumerate(dead):
                world.at(world.now_s + 0.002 * (1 + place), lambda m=member: world.kill(m))

    world.on_begin = on_begin
    world.finish()
    assert world.host.keys() == world.begun.keys()
    assert n_wrong(world) == 0


def elapsed(world):
    return [world.finished_s[image] - world.begun_s[image] for image in world.begun]


@pytest.mark.parametrize("n_segments", [2, 3])
@pytest.mark.parametrize("is_coded", [False, True])
def test_parts_of_a_real_bundle_over_a_link_are_its_chain(tmp_path, n_segments, is_coded):
    bundle = make_team_bundle(tmp_path / "bundle", n_segments)
    chain, model = chain_of(bundle), Model.of(bundle, is_coded)
    plan = Plan.exchange(model.team)
    for dead in (set(), {1}, {0, 2}):
        world = VirtualTeam(
            plan,
            model,
            lambda part, inputs: chain.parts[part[0]][part[1]](inputs),
            FAST,
            modems=range(3),
            n_images=4,
        ).start()
        for member in dead:
            world.kill(member)
        world.finish()
        images = np.stack([scene(sequence) for sequence in world.begun.values()])
        expected = chain.of_dead_sets(images, [frozenset(dead)])[frozenset(dead)]
        assert [world.host[image].symbols.tolist() for image in world.begun] == expected.tolist()


@pytest.mark.parametrize(
    "placement",
    [
        [[[0]] * 7, [[1]] * 7, [[2]] * 7],
        [[[2]] * 7] * 3,
        [[[0, 1]] * 3 + [[1, 2]] * 4, [[2, 0]] * 7, [[1, 2]] * 7],
    ],
    ids=["pipeline", "all on one", "unequal"],
)
def test_however_parts_are_placed_they_are_the_chain(placement):
    options = TeamOptions(heartbeat_s=0.1, is_camera_shared=True)
    plan = Plan.of(MODEL.team, placement, 3)
    world = world_of(plan, options, modems=(1,), cameras=(0,)).start()
    world.finish()
    assert len(world.host) == 3
    assert n_wrong(world) == 0


def test_one_member_alone_is_a_team():
    plan = Plan.of(MODEL.team, [[[0]] * 7] * 3, 1)
    world = world_of(plan, modems=(0,)).start()
    world.finish()
    assert n_wrong(world) == 0
    assert world.frames == []


def alone(plan=EXCHANGE, **settings):
    """Member 0, whose others say nothing, and when it began."""
    session = TeamSession(
        Member(0, KEY, has_modem=True, has_camera=True),
        MODEL,
        plan,
        TeamOptions(patience_s=0.1, heartbeat_s=1.0, give_up_s=5.0, **settings),
        now_s=100.0,
    )
    session.next_run(103.0)
    assert session.leads
    session.begin(session.least_image, 0, 103.0, scene(0))
    return session


def test_a_segment_waits_until_its_deadline_and_every_stage_a_little_longer():
    session, now_s = alone(), 103.0
    for segment, wait_s in enumerate([0.0, 0.1, 0.15]):
        if wait_s:
            assert session.next_run(now_s + wait_s - 1e-6) is None
        now_s += wait_s
        assert session.next_due_s(now_s - wait_s / 2) == pytest.approx(now_s)
        run = session.next_run(now_s + 1e-6)
        assert (run.segment, run.group) == (segment, 0)
        session.computed(run, PARTS((segment, 0), run.inputs), now_s)
    session.next_run(now_s + 0.19)
    assert session.take_finished() == []
    session.next_run(now_s + 0.21)
    [finished] = session.take_finished()
    assert finished.flags == (1, 0, 0, 0, 0, 0, 0)
    assert finished.symbols.tolist() == chained(MODEL, PARTS, scene(0), range(1, 7)).tolist()


def test_three_silent_images_are_enough_to_wait_no_more():
    session, now_s = alone(), 103.0
    for _ in range(4):
        while not session.is_idle:
            run = session.next_run(now_s)
            if run is not None:
                session.computed(run, PARTS((run.segment, run.group), run.inputs), now_s)
            now_s = session.next_due_s(now_s) or now_s
        took_s = session.take_closed()[-1].elapsed_s
        session.begin(session.least_image, 1, now_s, scene(1))
    assert session.alive() == (True,) + 6 * (False,)
    assert took_s < 0.02


def test_what_is_never_computed_is_given_up():
    session = alone()
    assert session.next_run(103.0) is not None
    session.next_run(107.9)
    assert not session.is_idle
    session.next_run(108.1)
    assert session.is_idle
    assert [finished.flags for finished in session.take_finished()] == [(0,) * 7]


def test_a_camera_that_fails_leaves_its_group_dead():
    session = alone(is_camera_shared=False)
    session.begin(session.least_image, 1, 104.0)
    wanted = session.take_wanted()
    assert wanted.sequence == 1
    session.captured(wanted.image, None, 104.0)
    assert session.next_run(104.0) is None
    session.has_camera = False
    assert not session.leads


def is_latents(frame):
    header = Header.unpack(frame)
    return header is not None and header.kind == Kind.LATENTS


class Deaf(VirtualTeam):
    """The first copy of each frame of LATENTS is lost on its way to everybody."""

    def __init__(self, *arguments, **settings):
        super().__init__(*arguments, **settings)
        self.lost = set()

    def send(self, member, frame):
        if is_latents(frame) and (member, frame) not in self.lost:
            self.lost.add((member, frame))
        else:
            super().send(member, frame)


@pytest.mark.parametrize("modems", [(0,), (3,), (2, 5)])
@pytest.mark.parametrize("plan", [EXCHANGE, REPLICA], ids=["exchange", "replica"])
def test_latents_that_are_lost_on_their_way_once_cost_no_group(modems, plan):
    world = Deaf(plan, MODEL, PARTS, FAST, modems=modems, n_images=10).start()
    world.finish()
    assert world.host.keys() == world.begun.keys()
    assert n_wrong(world) == 0
    assert max(elapsed(world)) < 2 * FAST.patience_s


class Stormy(VirtualTeam):
    """All that leaves within a fifth of a patience is lost, some time in each image."""

    def __init__(self, *arguments, **settings):
        super().__init__(*arguments, **settings)
        self.storms = {}

    def send(self, member, frame):
        begun_s = max(self.begun_s.values(), default=self.now_s)
        from_s = begun_s + self.storms.setdefault(begun_s, self.random.uniform(0.002, 0.02))
        if not from_s <= self.now_s < from_s + FAST.patience_s / 5:
            super().send(member, frame)


@pytest.mark.parametrize("modems", [(0,), (3,)])
def test_a_burst_of_losses_costs_no_group(modems):
    world = Stormy(EXCHANGE, MODEL, PARTS, FAST, modems=modems, n_images=40, interval_s=0.2)
    world.start().finish()
    assert world.host.keys() == world.begun.keys()
    assert len(world.storms) >= 40
    assert all(one.flags == (1,) * 7 for one in world.host.values())


def n_latents(world):
    """Frames of them, by member and image."""
    said = [(m, Header.unpack(frame)) for _, m, frame in world.frames if is_latents(frame)]
    return Counter((member, header.image) for member, header in said if header)


def test_latents_are_said_twice_unless_the_next_image_begins_before():
    """Then the aggregator, which leads, has them all."""
    slow = world_of(modems=(0,), n_images=5, interval_s=0.1).start()
    slow.run(1.0)
    assert len(n_latents(slow)) == 5 * 6
    assert set(n_latents(slow).values()) == {2}
    fast = world_of(modems=(0,), n_images=5).start()
    fast.finish()
    fast.run(fast.now_s + 1)
    last = max(fast.begun)
    assert {n for (_, image), n in n_latents(fast).items() if image < last} == {1}
    assert {n for (_, image), n in n_latents(fast).items() if image == last} == {2}


def test_the_second_copy_of_latents_is_not_opened_where_the_first_was_heard():
    world = world_of(modems=(0,), n_images=1).start()
    world.run(1.0)
    [*_, frame] = [frame for _, _, frame in world.frames if is_latents(frame)]
    aggregator = world.session(0)
    before = aggregator.n_refused, aggregator.n_forged
    assert not aggregator.receive(frame, 1e9)
    assert (aggregator.n_refused, aggregator.n_forged) == (before[0] + 1, before[1])


def test_an_id_that_is_not_above_all_before_cannot_begin():
    session = alone()
    for image in (session.newest, MAX_IMAGE + 1):
        with pytest.raises(ValueError, match="cannot begin, the next has an id from"):
            session.begin(image, 1, 104.0, scene(1))


def test_of_two_leaders_the_lower_goes_on_and_nothing_hangs():
    world = world_of(n_images=6, interval_s=0.02).start()
    world.run(5.0, lambda: len(world.begun) == 2)
    usurper = world.session(4)
    usurper.begin(usurper.least_image + 5, 7, world.now_s + world.lives[4].clock_s, scene(7))
    world.step(4)
    world.finish()
    world.run(world.now_s + 1)
    assert {world.session(member).leader for member in range(7)} == {0}
    assert len(world.begun) == 6


def test_a_leader_that_lost_its_camera_follows_the_next_and_its_choice():
    world = world_of(modems=(0, 2), n_images=200, interval_s=0.1).start()
    world.run(1.0)
    assert world.session(0).leads
    world.session(0).has_camera = False
    world.run(3.0)
    assert [world.session(member).leader for member in range(7)] == [1] * 7
    world.session(0).has_modem = False
    world.run(4.0)
    assert [world.session(member).aggregator for member in range(7)] == [2] * 7


def test_a_receipt_is_told_although_no_packet_has_left():
    """Another sent what this member kept, just before its own turn began."""
    world = world_of(modems=(0, 1), n_images=0).start()
    world.run(1.0)
    world.session(1).settle([7], counter=-1)
    frames = [one.frame for one in world.session(1).take_frames()]
    kinds = [header.kind for header in map(Header.unpack, frames) if header]
    assert kinds == [Kind.RECEIPT]


def test_behind_the_last_number_of_an_image_comes_the_first():
    world = world_of().start()
    world.session(0).sequence = NO_SEQUENCE - 1
    world.finish()
    assert sorted(one.sequence for one in world.host.values()) == [0, 1, 2]


def test_where_modems_speak_and_are_not_heard_another_has_its_turn():
    class Mute(VirtualTeam):
        def _uplink(self, life, session):
            if session.me > 1:
                super()._uplink(life, session)

    options = TeamOptions(heartbeat_s=0.1, orphan_s=0.5)
    world = Mute(EXCHANGE, MODEL, PARTS, options, modems=(0, 1, 2), n_images=100, interval_s=0.2)
    world.start().run(30.0)
    assert len(world.begun) == 100
    assert world.host.keys() == world.begun.keys()
