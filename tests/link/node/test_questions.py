"""Questions to a node's end change nothing, however often they are asked: not the outbox, nor what
is in flight, nor what follows.
"""

import secrets
from dataclasses import dataclass
from functools import partial
from random import Random

import pytest

from link.medium.governor import AirtimeLimit, Governor
from link.medium.profiles import get_profile
from link.medium.timing import LinkTiming
from link.node.interface import SenderOptions
from link.wire.control import AskStatus, LongTags, Renew
from link.wire.erasure import ParityPlan
from tests.worlds.ends import NODE, SF7, OutboxNode, World, host_end
from tests.worlds.small_bundle import make_bundle
from tests.worlds.state import state_of

CABLE = LinkTiming(get_profile("serial-9600"), turnaround_s=0.5)
ANSWERED = SenderOptions()
PARITY = ParityPlan(n_data=3, n_parity=1, depth=1)


@dataclass(frozen=True)
class Life:
    """What a node is, and how it fares."""

    options: SenderOptions = ANSWERED
    timing: LinkTiming = SF7
    is_limited: bool = False
    loss: float = 0.3


LIVES = {
    "radio": Life(),
    "radio with a budget": Life(is_limited=True),
    "radio that wants all there is": Life(
        SenderOptions(wants_time=True, wants_slot=True, greets=True, fault="no camera")
    ),
    "radio with a host that is often silent": Life(loss=0.85),
    "short packets": Life(SenderOptions(max_packet_bytes=51)),
    "cable": Life(timing=CABLE),
    "one way": Life(SenderOptions(has_downlink=False, parity=PARITY)),
    "one way with a budget": Life(
        SenderOptions(has_downlink=False, parity=PARITY), is_limited=True, loss=0.0
    ),
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("bundle") / "bundle")


def ask_all(end, now_s):
    """Every question there is."""
    return (
        end.is_idle(now_s),
        end.wants_image(now_s),
        end.next_due_s(now_s),
        end.n_missed,
        end.is_unheard,
        end.silent_because,
        end.unix_offset_s,
        end.chunk_bytes(),
    )


def all_of(node):
    """What a question might change."""
    waiting = [*node.outbox.base_chunks(100), *node.outbox.refinements(100)]
    return state_of([node.sender, node.outbox, node.governor, node.counters]), waiting


def world_of(folder, bundle, life, seed):
    """A node with images to come, and what befalls it."""
    random = Random(seed)
    governor = Governor([AirtimeLimit(3600.0, 36.0)] if life.is_limited else [])
    options = life.options
    node = OutboxNode(folder, bundle, options, timing=life.timing, governor=governor, salt=b"salt")
    host = host_end(bundle, life.timing, has_downlink=options.has_downlink)
    world = World(node, host, enough=lambda update: random.random() < 0.2)
    world.passes = lambda header: random.random() >= life.loss
    now_s = 0.0

    def capture():
        pieces = [random.randbytes(random.randrange(24)) for _ in range(random.randrange(1, 4))]
        node.put(*pieces, now_s=world.now_s)

    for _ in range(25):
        now_s += random.expovariate(1 / random.choice((1.0, 10.0, 60.0)))
        world.at(now_s, capture)
        if random.random() < 0.1:
            command = random.choice((AskStatus(), Renew(), LongTags(True), LongTags(False)))
            world.at(now_s, partial(host.command, NODE, command))
        if random.random() < 0.1:
            fault = random.choice((None, "the camera is away"))
            world.at(now_s, partial(node.sender.tell_fault, fault))
        if random.random() < 0.1:
            world.at(now_s, node.sender.expect_no_image)
        if random.random() < 0.1:
            world.at(now_s, lambda: not_taken(node.sender, world.now_s))
    return world, now_s + 600.0


def be_polled(world, end_s, seed, ask):
    """At moments that have nothing to do with what goes on."""
    random, at_s = Random(seed), 0.0
    while (at_s := at_s + random.expovariate(1 / 4)) < end_s:
        later_s = random.choice((0.0, 1.0, 100.0))
        world.at(at_s, lambda later_s=later_s: ask(world.node.sender, world.now_s + later_s))


def not_taken(sender, now_s):
    """The modem does not take the next packet."""
    if sender.next_packet(now_s) is not None:
        sender.does_not_fit(now_s)


@pytest.fixture
def same_salts(monkeypatch):
    """Two worlds of the same seed are the same."""

    def begin(seed):
        random = Random(seed)
        monkeypatch.setattr(secrets, "token_bytes", random.randbytes)

    return begin


@pytest.mark.parametrize("name", LIVES)
def test_a_question_asked_at_any_moment_of_a_life_leaves_everything_as_it_was(
    tmp_path, bundle, name
):
    world, end_s = world_of(tmp_path, bundle, LIVES[name], seed=1)
    node, random = world.node, Random(2)
    n_asked, at_s = 0, 0.0

    def question():
        nonlocal n_asked
        for later_s in (0.0, 0.01, 1.0, 100.0):
            before = all_of(node)
            answers = {ask_all(node.sender, world.now_s + later_s) for _ in range(3)}
            assert len(answers) == 1, "and is answered as before"
            assert all_of(node) == before
            n_asked += 1

    while (at_s := at_s + random.expovariate(1 / 12)) < end_s:
        world.at(at_s, question)
    world.run(end_s)
    assert n_asked > 150
    assert node.sender.statistics.n_packets > 25


@pytest.mark.parametrize("name", LIVES)
@pytest.mark.parametrize("seed", range(3))
def test_a_node_that_is_asked_all_the_time_sends_the_same_at_the_same_moments(
    tmp_path, bundle, same_salts, name, seed
):
    sent = []
    for is_curious in (False, True):
        same_salts(seed)
        folder = tmp_path / str(is_curious)
        folder.mkdir()
        world, end_s = world_of(folder, bundle, LIVES[name], seed)
        be_polled(world, end_s, seed, ask_all if is_curious else lambda end, now_s: None)
        world.run(end_s)
        sent.append([(start_s, one.packet, arrives) for start_s, one, arrives in world.sent])
    assert sent[0] == sent[1]


def test_a_question_asked_a_thousand_times_gives_nothing_up_and_the_next_packet_does(
    tmp_path, bundle
):
    """A refinement of which nobody has said anything for long takes its turn again."""
    world = World(OutboxNode(tmp_path, bundle, salt=b"salt"), host_end(bundle))
    node, image = world.node, world.node.put(b"base", b"more")
    world.passes = lambda header: not world.acknowledged
    world.run(0.5)
    assert [one.chunks for one in world.uplink] == [((image, 0),), ((image, 1),)]
    before = all_of(node)
    for _ in range(1000):
        assert ask_all(node.sender, 1e4)[2] == 1e4, "it is time for next_packet"
    assert all_of(node) == before
    again = node.sender.next_packet(1e4)
    assert again is not None
    assert again.chunks == ((image, 1),)
