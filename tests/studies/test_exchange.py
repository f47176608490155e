"""What the study says an exchange costs is what real packets weigh."""

import numpy as np

from link.wire.packet import Chunk, PacketType, chunk_head_bytes, overhead_bytes, pack_batch, split
from tests.studies.exchange import GROUP, WHOLE, Exchange, run_exchange

LENGTHS = np.array([5, 7, 1, 20, 6, 8, 7, 9, 3, 4])
NOTHING_IS_ENOUGH = np.zeros((21, 10), bool)
EVERYTHING_IS = np.ones((21, 10), bool)


def chunks(length: int, cut: tuple[int, int]) -> list[Chunk]:
    pieces = split(bytes(length), *cut)
    return [
        Chunk(9, index, index == len(pieces) - 1, piece, 1.0) for index, piece in enumerate(pieces)
    ]


def test_without_verdicts_every_chunk_of_every_image_is_a_packet_of_its_size():
    bill, stopped = run_exchange(LENGTHS, NOTHING_IS_ENOUGH, Exchange((3, 2)), 255)
    expected = [
        overhead_bytes(PacketType.DATA) + len(chunk.pack(counter=9))
        for length in LENGTHS.tolist()
        for chunk in chunks(length, (3, 2))
    ]
    assert sorted(bill.packets) == sorted(expected)
    assert stopped.n_bytes.tolist() == LENGTHS.tolist()
    assert bill.n_reports == 10 + 2, (
        "ten chunks of the longest of the first eight, two of the last two"
    )


def test_what_is_enough_at_once_is_one_chunk_each():
    bill, stopped = run_exchange(LENGTHS, EVERYTHING_IS, Exchange((3, 2)), 255)
    assert stopped.n_bytes.tolist() == np.minimum(LENGTHS, 3).tolist()
    assert (stopped.n_chunks == 1).all()
    assert bill.n_reports == 2


def test_a_batch_weighs_what_it_packs_and_is_no_longer_than_it_may():
    whole = Exchange((WHOLE, WHOLE), is_batched=True, has_verdicts=False)
    bill, _ = run_exchange(LENGTHS[:GROUP], NOTHING_IS_ENOUGH, whole, 255)
    body = pack_batch(
        [chunk for length in LENGTHS[:GROUP].tolist() for chunk in chunks(length, (WHOLE, 1))],
        counter=9,
    )
    assert bill.packets == [overhead_bytes(PacketType.BATCH) + len(body)]
    short, _ = run_exchange(LENGTHS[:GROUP], NOTHING_IS_ENOUGH, whole, 51)
    assert max(short.packets) <= 51
    assert sum(short.packets) == bill.packets[0] + (len(short.packets) - 1) * overhead_bytes(
        PacketType.BATCH
    )


def test_one_unsettled_image_holds_a_joint_batch_open():
    enough = EVERYTHING_IS.copy()
    enough[:, 3] = False
    apart = run_exchange(LENGTHS, enough, Exchange((3, WHOLE), is_batched=True), 255)[1]
    joint = run_exchange(
        LENGTHS, enough, Exchange((3, WHOLE), is_batched=True, is_joint=True), 255
    )[1]
    assert apart.n_bytes.tolist() == [3, 3, 1, 20, 3, 3, 3, 3, 3, 3]
    assert joint.n_bytes.tolist() == [*LENGTHS[:GROUP].tolist(), 3, 3]


def test_riding_along_saves_packets_and_reports_but_no_chunk():
    enough = EVERYTHING_IS.copy()
    enough[:, 3] = False
    alone, stopped = run_exchange(LENGTHS, enough, Exchange((3, WHOLE), is_batched=True), 255)
    riding, also = run_exchange(
        LENGTHS, enough, Exchange((3, WHOLE), is_batched=True, rides_along=True), 255
    )
    assert also.n_bytes.tolist() == stopped.n_bytes.tolist()
    assert (len(alone.packets), alone.n_reports) == (3, 3)
    assert (len(riding.packets), riding.n_reports) == (2, 2)


def test_the_heads_are_those_of_the_wire():
    assert chunk_head_bytes(9, 0, 9) == 3
    assert chunk_head_bytes(9, 1, 9) == 2
