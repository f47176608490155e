"""What a team survives: kills and revivals without end, losses, and strangers."""

from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from link.fog.frame import MAX_FRAME_BYTES, Header, Kind
from link.fog.interface import TeamOptions
from link.fog.plan import Plan
from tests.scale import size
from tests.worlds.virtual_team import Parts, VirtualTeam, chained, scene, small_model

MODEL = small_model(7)
PARTS = Parts(MODEL.team)
EXCHANGE, REPLICA = Plan.exchange(MODEL.team), Plan.replica(MODEL.team)
OPTIONS = TeamOptions(heartbeat_s=0.1, orphan_s=1.0)
MOST_DEAD = 2
N_KILLS = size(15, 500)
N_FORGED = size(3_000, 100_000)


class Disturbed(VirtualTeam):
    """Whenever an image begins, a member may die within it, or come back."""

    def __init__(self, plan, seed, n_kills, **settings):
        super().__init__(plan, MODEL, PARTS, OPTIONS, seed=seed, **settings)
        self.chance = Random(seed)
        self.n_kills = n_kills
        self.on_begin = lambda image: self.at(
            self.now_s + self.chance.uniform(0, 0.03), self.disturb
        )

    def disturb(self):
        dead = sorted(set(range(7)) - set(self.living))
        if self.chance.random() < 0.5 and len(dead) < MOST_DEAD and self.n_kills:
            self.kill(self.chance.choice(self.living))
            self.n_kills -= 1
        elif dead and self.chance.random() < 0.6:
            self.revive(self.chance.choice(dead))

    def run_out(self):
        self.run(1e6, lambda: not self.n_kills)
        self.n_images = len(self.begun) + 5
        self.run(self.now_s + 60, lambda: len(self.begun) == self.n_images)
        self.run(self.now_s + 10)


@pytest.mark.parametrize("plan", [EXCHANGE, REPLICA], ids=["exchange", "replica"])
@pytest.mark.parametrize("n_modems", [3, 7])
def test_no_image_is_lost_and_nothing_hangs_however_often_members_die(plan, n_modems):
    """`make nightly` kills 500 times each."""
    world = Disturbed(plan, n_modems, N_KILLS, modems=range(n_modems), n_images=1 << 30)
    world.start()
    world.run_out()
    assert len(world.begun) == world.n_images
    sequences = set(world.begun.values())
    assert sequences == set(range(max(sequences) + 1))
    assert world.host.keys() == world.begun.keys()
    assert max(world.finished_s[image] - world.begun_s[image] for image in world.begun) < 0.5
    for image, finished in world.host.items():
        assert finished.sequence == world.begun[image]
        if plan is REPLICA:
            expected = chained(MODEL, PARTS, scene(finished.sequence))
            assert finished.symbols.tolist() == expected.tolist()


@pytest.mark.parametrize("is_camera_shared", [False, True])
def test_with_every_twentieth_datagram_lost_nearly_all_groups_come(is_camera_shared):
    options = TeamOptions(heartbeat_s=0.1, orphan_s=1.0, is_camera_shared=is_camera_shared)
    world = VirtualTeam(
        EXCHANGE, MODEL, PARTS, options, modems=(0, 3), n_images=60, loss=0.05, seed=4
    ).start()
    world.finish()
    world.run(world.now_s + 5)
    assert world.host.keys() == world.begun.keys()
    share = sum(sum(one.flags) for one in world.host.values()) / (7 * len(world.host))
    assert share > (0.92 if is_camera_shared else 0.985)


def mutated(frame, chance):
    """One of the things that a stranger can do to a frame."""
    way = chance.randrange(5)
    if way == 0:
        return frame
    if way == 1:
        return chance.randbytes(chance.randrange(MAX_FRAME_BYTES + 9))
    changed = bytearray(frame)
    if way == 2:
        place = chance.randrange(8 * len(changed))
        changed[place // 8] ^= 1 << place % 8
    elif way == 3:
        changed[3:9] = chance.randrange(1 << 48).to_bytes(6, "big")
    else:
        del changed[chance.randrange(len(changed)) :]
    return bytes(changed)


def test_nothing_forged_replayed_or_changed_is_accepted():
    """`make nightly` tries 100,000 frames; each costs at most one try of a tag."""
    options = TeamOptions(heartbeat_s=0.1, is_medium_shared=True)
    world = VirtualTeam(EXCHANGE, MODEL, PARTS, options, modems=(0, 3), n_images=20).start()
    world.finish()
    world.run(world.now_s + 0.05)
    recorded = [frame for _, _, frame in world.frames]
    chance, n_accepted = Random(1), 0
    before = {image: one.symbols.tolist() for image, one in world.host.items()}
    for _ in range(N_FORGED):
        frame = mutated(chance.choice(recorded), chance)
        member = chance.randrange(7)
        now_s = world.now_s + world.lives[member].clock_s
        n_accepted += world.session(member).receive(frame, now_s)
    assert n_accepted == 0
    sessions = [world.session(member) for member in range(7)]
    assert sum(one.n_forged + one.n_refused for one in sessions) >= N_FORGED
    assert all(one.n_forged > 0 for one in sessions)
    world.n_images += 5
    world.finish()
    assert len(world.host) == 25
    assert all(world.host[image].symbols.tolist() == before[image] for image in before)


def test_a_recording_says_nothing_to_a_member_that_starts_anew():
    world = VirtualTeam(EXCHANGE, MODEL, PARTS, OPTIONS, modems=(0, 3), n_images=5).start()
    world.finish()
    recorded = [frame for _, _, frame in world.frames]
    world.kill(3)
    world.revive(3)
    session = world.session(3)
    heard = [frame for frame in recorded if session.receive(frame, world.now_s)]
    headers = [Header.unpack(frame) for frame in heard]
    assert {header.kind for header in headers if header} <= {Kind.RECEIPT}
    assert session.leader is None
    assert session.is_idle


class AnyOrder(RuleBasedStateMachine):
    """A team whose frames come in any order, twice or never, and whose members die when they like:
    no exception, what is bounded stays bounded, and at the end it works.
    """

    @initialize(mode=st.sampled_from(["exchange", "replica"]), shared=st.booleans())
    def begin(self, mode, shared):
        model = small_model(3)
        plan = getattr(Plan, mode)(model.team)
        options = TeamOptions(heartbeat_s=0.1, orphan_s=1.0, is_camera_shared=shared)
        self.world = VirtualTeam(
            plan, model, Parts(model.team), options, modems=(0, 1), n_images=1 << 30, interval_s=0.1
        ).start()

    @rule(duration_s=st.floats(0.001, 0.4))
    def wait(self, duration_s):
        """Nobody is woken for nothing, again and again."""
        before = self.world.n_steps
        self.world.run(self.world.now_s + duration_s)
        assert self.world.n_steps - before < 200 + 2_000 * duration_s

    @rule(member=st.integers(0, 2))
    def kill_or_revive(self, member):
        alive = self.world.lives[member].session is not None
        (self.world.kill if alive else self.world.revive)(member)

    @rule(member=st.integers(0, 2), back=st.integers(0, 200))
    def repeat(self, member, back):
        if self.world.frames:
            self.world.deliver(member, self.world.frames[-1 - back % len(self.world.frames)][2])

    @rule(loss=st.sampled_from([0.0, 0.1, 0.9]), longest_s=st.sampled_from([0.002, 0.05, 0.5]))
    def weather(self, loss, longest_s):
        self.world.loss, self.world.delay_s = loss, (0.001, longest_s)

    @rule(member=st.integers(0, 2), has_camera=st.booleans(), has_modem=st.booleans())
    def equip(self, member, has_camera, has_modem):
        session = self.world.lives[member].session
        if session is not None:
            session.has_camera, session.has_modem = has_camera, has_modem

    @invariant()
    def nobody_waits_without_a_deadline(self):
        for life in self.world.lives:
            session = life.session
            if session is not None and not session.is_idle:
                now_s = self.world.now_s + life.clock_s
                due_s = session.next_due_s(now_s)
                assert due_s is not None
                assert due_s <= now_s + OPTIONS.give_up_s

    def teardown(self):
        if not hasattr(self, "world"):
            return
        world = self.world
        world.loss, world.delay_s = 0.0, (0.001, 0.003)
        for member, life in enumerate(world.lives):
            if life.session is None:
                world.revive(member)
            session = world.session(member)
            session.has_camera, session.has_modem = True, member < 2
            world.step(member)
        world.run(world.now_s + 6)
        before = set(world.begun)
        world.run(world.now_s + 1)
        later = sorted(set(world.begun) - before)[:-1]
        assert len(later) > 3
        assert all(world.host[image].flags == (1, 1, 1) for image in later)


AnyOrder.TestCase.settings = settings(
    max_examples=size(10, 400),
    stateful_step_count=size(25, 60),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestAnyOrder = AnyOrder.TestCase
