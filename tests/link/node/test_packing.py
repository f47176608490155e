"""What the next packet would hold is exactly as long as it then is."""

import pytest

from device.outbox.outbox import Outbox
from link.medium.governor import Governor
from link.node.fitting import Fitting
from link.node.interface import Equipment, Identity
from link.node.packing import HELLO_PACKET_BYTES, LONG_FORM_BYTES, Content, Packer
from link.node.session import NodeSession
from link.wire.control import Hello
from link.wire.erasure import ParityPlan
from link.wire.packet import (
    FIRST_CHUNK_OVERHEAD_BYTES,
    LATER_CHUNK_OVERHEAD_BYTES,
    Chunk,
    PacketType,
    unpack_batch,
)
from tests.worlds.ends import KEY, NODE, SF7, Counting


class Bench:
    """A packer with a real outbox and session."""

    def __init__(self, folder, max_bytes=60, parity=None) -> None:
        self.counters = Counting()
        self.outbox = Outbox(folder / "outbox.sqlite", boot_id="boot")
        self.session = NodeSession(Identity(NODE, bytes(8), KEY), has_downlink=True)
        self.fitting = Fitting(max_bytes, HELLO_PACKET_BYTES)
        equipment = Equipment(self.counters, self.outbox, Governor(), SF7)
        self.packer = Packer(
            self.session, equipment, self.fitting, parity, lambda chunk, now_s: now_s
        )

    def queue(self, *lengths: int):
        """Images of one chunk each, of so many bytes; their chunks."""
        for length in lengths:
            self.outbox.put(self.counters.next(), [bytes(length)], 0.0)
        return list(self.outbox.base_chunks(len(lengths)))


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize("lengths", [(1,), (20,), (3, 4, 5)])
@pytest.mark.parametrize("is_known", [False, True])
def test_a_packet_is_as_long_as_was_said_before(bench, lengths, is_known):
    chunks = bench.queue(*lengths)
    bench.session.is_known = is_known
    kind = PacketType.DATA if len(chunks) == 1 else PacketType.BATCH
    content = Content(kind, tuple(chunks), listens=True)
    expected = bench.packer.packet_bytes(content)
    airtime_s, with_answer_s = bench.packer.spans_s(content)
    counter = bench.packer.next_counter()
    body = bench.packer.body(content, counter, now_s=3.0)
    outgoing = bench.packer.seal(content, counter, body, airtime_s)
    assert len(outgoing.packet) == expected
    assert outgoing.chunks == content.chunk_ids
    assert outgoing.bitstream_bytes == lengths
    assert airtime_s == SF7.airtime_s(expected)
    assert with_answer_s == airtime_s + SF7.report_wait_s


def test_a_batch_takes_as_many_chunks_as_its_packet_holds(bench):
    chunks = bench.queue(*[10] * 8)
    n = bench.packer.n_fitting(chunks)
    bodies = [Content(PacketType.BATCH, tuple(chunks[:size])) for size in (n, n + 1)]
    fits, too_long = map(bench.packer.packet_bytes, bodies)
    assert fits <= bench.fitting.max_bytes < too_long
    counter = bench.packer.planned_counter
    unpacked = unpack_batch(bench.packer.body(bodies[0], counter, 0.0), counter)
    assert [chunk.image for chunk in unpacked] == [chunk.image for chunk in chunks[:n]]


def test_at_least_one_chunk_goes_however_short_packets_have_become(bench):
    chunks = bench.queue(40)
    bench.fitting.too_long(50, [(5, 0), (6, 0)], 0.0, told_bytes=20)
    assert bench.packer.n_fitting(chunks) == 1


def test_an_image_is_cut_so_that_it_can_be_sent_however_long_it_waited(bench):
    first, later = bench.packer.chunk_bytes(None, None)
    assert first == 60 - FIRST_CHUNK_OVERHEAD_BYTES - LONG_FORM_BYTES
    assert later == 60 - LATER_CHUNK_OVERHEAD_BYTES
    assert bench.packer.chunk_bytes(4, 1000) == (4, later)
    [chunk] = bench.queue(first)
    content = Content(PacketType.DATA, (chunk,))
    bench.session.is_known = True  # else a HELLO goes first, which tells the salt
    bench.packer.skip_to(chunk.image + 5000)
    body = bench.packer.body(content, bench.packer.planned_counter, 0.0)
    assert Chunk.unpack(body, bench.packer.planned_counter).bitstream == chunk.bitstream
    assert bench.packer.packet_bytes(content, body) <= 60


def test_parity_leaves_room_for_itself(tmp_path):
    (tmp_path / "with").mkdir()
    plain = Bench(tmp_path).packer.chunk_bytes(None, None)
    covered = Bench(tmp_path / "with", parity=ParityPlan()).packer.chunk_bytes(None, None)
    assert all(short < long for short, long in zip(covered, plain, strict=True))


def test_no_counter_is_used_that_an_image_or_a_packet_had(bench):
    [chunk] = bench.queue(5)
    assert bench.packer.planned_counter == chunk.image + 1
    assert bench.packer.next_counter() == chunk.image + 1
    bench.packer.skip_to(100)
    assert (bench.packer.planned_counter, bench.packer.next_counter()) == (101, 101)


def test_what_says_hello_needs_the_length_that_no_limit_may_undercut(tmp_path, bench):
    hello = Content(PacketType.HELLO, control=Hello(bytes(8), wants_time=True))
    assert bench.packer.packet_bytes(hello) == HELLO_PACKET_BYTES
    (tmp_path / "short").mkdir()
    with pytest.raises(ValueError, match=f"{HELLO_PACKET_BYTES} to 255 are possible"):
        Bench(tmp_path / "short", max_bytes=HELLO_PACKET_BYTES - 1)
