"""An adversary owns the air and may set both ends back: no nonce is used twice, nothing forged or
replayed is believed.

It loses, repeats, delays, reorders, cuts and flips packets, makes up its own, and floods with them.
It has time: what it recorded it plays weeks later, across starts of both ends, from sessions that
the host never heard too. It kills either end, gives either the disk of an earlier day, and cuts the
way back; and a neighbour's node has the same number. Its steps are drawn by hypothesis; `make
nightly` takes more than 100,000.

Set back, a host has forgotten what it accepted, and its application's database with it, so
"accepted once" is counted in what that database holds. All that was ever sealed is written down
where cryptography is called.
"""

import tempfile
from copy import deepcopy
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from device.outbox.outbox import Outbox
from link.host import session as host_session
from link.host.interface import NodeState, Update
from link.medium.governor import Governor
from link.node import session as node_session
from link.node.interface import Equipment, Identity, SenderOptions
from link.node.sender import Sender
from link.security import seal
from link.wire.packet import Chunk, Flag, Header, PacketType
from tests.scale import size
from tests.worlds.ends import KEY, NODE, SF7, Counting, host_end
from tests.worlds.small_bundle import make_bundle

BUNDLES: list = []
STEPS = size(40, 100)
EXAMPLES = size(25, 1100)
"Examples times steps is how many steps are taken."
OTHER_KEY = bytes(range(16, 32))
WEEK_S = 7 * 86_400.0


class Notary:
    """Stands between the ends and AES-CCM: each key and nonce once, and what was sealed with it."""

    def __init__(self) -> None:
        self.used: set[tuple[bytes, bytes]] = set()
        self.bodies: set[bytes] = set()
        self.n_twice = 0

    def seal_class(self, plain: type) -> type:
        notary = self

        class Watched(plain):  # type: ignore[misc, valid-type]
            def __init__(self, key: bytes, *arguments) -> None:
                super().__init__(key, *arguments)
                self.watched_key = key

            def seal(self, header, counter: int, body: bytes, bundle_id: bytes = b"") -> bytes:
                place = (self.watched_key, self._nonce(counter))
                notary.n_twice += place in notary.used
                notary.used.add(place)
                notary.bodies.add(body)
                return super().seal(header, counter, body, bundle_id)

        return Watched


class Adversary(RuleBasedStateMachine):
    """One node, one host, and everything between them."""

    n_steps = 0
    "That all of them have taken."

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(
            dir="/dev/shm" if Path("/dev/shm").is_dir() else None
        )
        self.path = Path(self.folder.name) / "outbox.sqlite"
        self.notary = Notary()
        self.patch = pytest.MonkeyPatch()
        watched = self.notary.seal_class(seal.Seal)
        for module in (node_session, host_session):
            self.patch.setattr(module, "Seal", watched)
        self.random = Random(1)
        self.now_s = 0.0
        self.recorded: list[tuple[bool, bytes]] = []
        """Every packet that ever was on the air: whether it went up, and its bytes. Nothing is
        forgotten.
        """
        self.air: list[tuple[bool, bytes]] = []
        "Those that may still arrive."
        self.pieces: dict[bytes, int] = {}
        "What the node captured: bitstream to index."
        self.accepted: list[tuple[int, bytes]] = []
        "What the host's application has: counter and session of each packet that it took."
        self.prefixes: dict[tuple[bytes, int], int] = {}
        self.captures: dict[tuple[bytes, int], bytes] = {}
        self.disks: list[tuple[bytes, int]] = []
        self.host_disks: list = []
        self.n_captured = 0
        self.n_neighbours = 0

    @initialize(one_way=st.booleans())
    def start(self, one_way: bool) -> None:
        self.one_way = self.is_silent_host = one_way
        if not BUNDLES:
            BUNDLES.append(make_bundle(Path(tempfile.mkdtemp()) / "bundle"))
        self.link_bundle = BUNDLES[0]
        self.counters = Counting()
        self.host_state: NodeState | None = None
        self.boot_node()
        self.boot_host()
        self.all_is_well(6)

    def boot_node(self) -> None:
        self.outbox = Outbox(self.path, boot_id="boot")
        self.sender = Sender(
            Identity(NODE, self.link_bundle.id, KEY),
            Equipment(self.counters, self.outbox, Governor(), SF7, Random(self.random.random())),
            SenderOptions(has_downlink=not self.one_way, status_every=5),
        )

    def boot_host(self) -> None:
        self.host = host_end(
            self.link_bundle, None if self.is_silent_host else SF7, state=self.host_state
        )
        self.prefixes.clear()
        self.captures.clear()

    # Honest life

    @rule(n_pieces=st.integers(1, 3))
    def capture(self, n_pieces: int) -> None:
        self.n_captured += 1
        pieces = [b"%d/%d" % (self.n_captured, index) for index in range(n_pieces)]
        self.pieces.update({piece: index for index, piece in enumerate(pieces)})
        self.outbox.put(self.counters.next(), pieces, self.now_s)

    @rule()
    def node_speaks(self) -> None:
        due_s = self.sender.next_due_s(self.now_s)
        self.now_s = max(self.now_s, due_s or 0.0)
        if outgoing := self.sender.next_packet(self.now_s):
            self.now_s += outgoing.airtime_s
            self.sender.transmitted(self.now_s)
            self.send(True, outgoing.packet)

    @rule()
    def host_speaks(self) -> None:
        due_s = self.host.next_due_s(self.now_s)
        self.now_s = max(self.now_s, due_s or 0.0)
        if downlink := self.host.next_packet(self.now_s):
            self.now_s += downlink.airtime_s
            self.host.transmitted(self.now_s)
            self.send(False, downlink.packet)

    @rule(count=st.integers(1, 6))
    def all_is_well(self, count: int) -> None:
        """The channel is good for a while."""
        for _ in range(count):
            if not self.outbox.n_images:
                self.capture(1 + self.n_captured % 3)
            self.node_speaks()
            self.arrives(-1)
            self.host_speaks()
            self.arrives(-1)

    def send(self, is_up: bool, packet: bytes) -> None:
        self.air.append((is_up, packet))
        self.recorded.append((is_up, packet))

    @rule(place=st.integers(0, 50))
    def arrives(self, place: int) -> None:
        """In any order."""
        if self.air:
            self.deliver(*self.air.pop(place % len(self.air)))

    # The adversary

    @rule(place=st.integers(0, 50))
    def lose(self, place: int) -> None:
        if self.air:
            self.air.pop(place % len(self.air))

    @rule(share=st.floats(0, 1), n_packets=st.integers(1, 20), goes_back=st.booleans())
    def replay(self, share: float, n_packets: int, goes_back: bool) -> None:
        """A recording of some length and any age, perhaps to the end that sent it."""
        if self.recorded:
            first = int(share * (len(self.recorded) - 1))
            for is_up, packet in self.recorded[first : first + n_packets]:
                self.deliver(is_up != goes_back, packet)

    @rule(place=st.integers(0, 1000), n_bytes=st.integers(0, 60))
    def truncate(self, place: int, n_bytes: int) -> None:
        if self.recorded:
            is_up, packet = self.recorded[place % len(self.recorded)]
            self.deliver(is_up, packet[: min(n_bytes, len(packet) - 1)], is_forged=True)

    @rule(
        place=st.integers(0, 1000),
        bits=st.lists(st.integers(0, 2000), min_size=1, max_size=4, unique=True),
    )
    def flip(self, place: int, bits: list[int]) -> None:
        if self.recorded:
            is_up, packet = self.recorded[place % len(self.recorded)]
            damaged = bytearray(packet)
            for bit in {bit % (8 * len(packet)) for bit in bits}:
                damaged[bit // 8] ^= 1 << bit % 8
            self.deliver(is_up, bytes(damaged), is_forged=True)

    @rule(
        kind=st.sampled_from(PacketType),
        flags=st.integers(0, 7),
        body=st.binary(min_size=0, max_size=40),
    )
    def forge(self, kind: PacketType, flags: int, body: bytes) -> None:
        self.deliver(
            kind.is_uplink, bytes([3 << 6 | kind << 3 | flags, NODE]) + body, is_forged=True
        )

    @rule(n_packets=st.integers(1, 100), is_salted=st.booleans())
    def flood(self, n_packets: int, is_salted: bool) -> None:
        """Forgeries with counters that could come next, under the salt of the session that is
        on.
        """
        assert self.host_state is not None
        for _ in range(n_packets):
            self.now_s += 0.05
            counter = self.host_state.highest + self.random.randint(1, 20)
            salt = (
                self.random.choice([self.host_state.salt, self.random.randbytes(4)])
                if is_salted
                else b""
            )
            flags = Flag.LISTEN | Flag.SALT * is_salted
            header = Header(
                NODE, counter & 0xFFFF, PacketType.DATA, flags, salt, counter_high=counter >> 16
            )
            self.deliver(True, header.pack() + self.random.randbytes(20), is_forged=True)

    @rule(is_salted=st.booleans())
    def neighbour_speaks(self, is_salted: bool) -> None:
        """Another installation, whose node has the same number and another key."""
        self.n_neighbours += 1
        header = Header(
            NODE, self.n_neighbours, PacketType.DATA, Flag.SALT * is_salted, b"near" * is_salted
        )
        seal_of_it = seal.Seal(
            seal.uplink_key(OTHER_KEY, b"near"), NODE, b"near", seal.Direction.UPLINK
        )
        body = Chunk(self.n_neighbours, 0, True, b"theirs", 0.0).pack(self.n_neighbours)
        packet = seal_of_it.seal(header, self.n_neighbours, body, self.link_bundle.id)
        self.deliver(True, packet, is_forged=True)

    @rule(n_packets=st.integers(1, 20))
    def node_speaks_unheard(self, n_packets: int) -> None:
        """A start of the node that the host does not hear, and the adversary does."""
        self.kill_node()
        for _ in range(n_packets):
            self.capture(1)
            self.now_s += 60.0
            self.node_speaks()
        self.air.clear()

    @rule(n_weeks=st.floats(0, 5))
    def weeks_pass(self, n_weeks: float) -> None:
        """What was on its way never arrives by itself."""
        self.now_s += n_weeks * WEEK_S
        self.air.clear()

    @rule(has_way_back=st.booleans())
    def change_the_link(self, has_way_back: bool) -> None:
        """The host is set to answer or to be silent, and started again."""
        self.is_silent_host = not has_way_back
        self.boot_host()

    @rule()
    def kill_node(self) -> None:
        self.outbox.close()
        self.boot_node()

    @rule()
    def kill_host(self) -> None:
        self.boot_host()

    @rule(count=st.integers(1, 4))
    def kill_host_and_replay_all(self, count: int) -> None:
        self.boot_host()
        for is_up, packet in self.recorded[-20 * count :]:
            self.deliver(is_up, packet)

    @rule()
    def copy_node_disk(self) -> None:
        self.outbox.close()
        self.disks.append((self.path.read_bytes(), self.counters.next_counter))
        self.boot_node()

    @rule(place=st.integers(0, 10))
    def restore_node_disk(self, place: int) -> None:
        if self.disks:
            self.outbox.close()
            content, next_counter = self.disks[place % len(self.disks)]
            for companion in self.path.parent.glob("outbox.sqlite*"):
                companion.unlink()
            self.path.write_bytes(content)
            self.counters = Counting(next_counter)
            self.boot_node()

    @rule()
    def copy_host_disk(self) -> None:
        self.host_disks.append(deepcopy((self.host_state, self.accepted)))

    @rule(place=st.integers(0, 10))
    def restore_host_disk(self, place: int) -> None:
        if self.host_disks:
            self.host_state, self.accepted = deepcopy(self.host_disks[place % len(self.host_disks)])
            self.boot_host()

    # What must hold

    def deliver(self, goes_up: bool, packet: bytes, is_forged: bool = False) -> None:
        if not goes_up:
            before = self.sender.statistics.n_heard
            self.sender.receive(packet, self.now_s)
            assert not is_forged or self.sender.statistics.n_heard == before, (
                "a forged downlink packet was believed"
            )
            return
        before_it = self.host_state
        outcomes = self.host.receive(packet, self.now_s)
        taken = {outcome.counter for outcome in outcomes if outcome.counter is not None}
        assert not is_forged or not taken, "a forged packet was believed"
        self.host_state = self.host.state(NODE) or self.host_state
        self.check_order(taken, before_it)
        for outcome in outcomes:
            if isinstance(outcome, Update):
                self.check(outcome)
        for counter in taken:
            assert self.host_state is not None
            place = (counter, self.host_state.salt)
            assert place not in self.accepted, "a packet was accepted twice"
            self.accepted.append(place)
            self.host.confirm(NODE, counter)

    def check_order(self, taken: set[int], before_it: NodeState | None) -> None:
        """A session begins above all that came; within one no counter is taken that lies 64
        back.
        """
        if before_it is None or not taken:
            return
        assert self.host_state is not None
        floor = (
            before_it.highest
            if self.host_state.salt != before_it.salt
            else before_it.highest - seal.REPLAY_WINDOW
        )
        assert min(taken) > floor, "a recording was believed"

    def check(self, update: Update) -> None:
        bitstream = update.chunk.bitstream
        assert self.pieces.get(bitstream) == update.chunk.index, "this was never captured"
        assert self.host_state is not None
        image = (self.host_state.salt, update.image)
        assert update.n_chunks > self.prefixes.get(image, 0), "a prefix did not grow"
        self.prefixes[image] = update.n_chunks
        capture = self.captures.setdefault(image, bitstream.split(b"/")[0])
        assert bitstream.startswith(capture + b"/"), "chunks of two images were put together"

    @invariant()
    def no_nonce_is_used_twice(self) -> None:
        assert self.notary.n_twice == 0

    @invariant()
    def a_step_was_taken(self) -> None:
        Adversary.n_steps += 1

    def teardown(self) -> None:
        self.patch.undo()
        if hasattr(self, "outbox"):
            self.outbox.close()
        self.folder.cleanup()


TestAdversary = Adversary.TestCase
TestAdversary.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
