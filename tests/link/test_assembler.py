"""Chunks in any order become growing prefixes, and never those of another image."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link.assembler import ImageAssembler
from link.packet import Chunk


def chunks_of(image_number, n_chunks):
    return [
        Chunk(image_number % 256, i, i == n_chunks - 1, bytes([image_number % 256, i]), 1.0) for i in range(n_chunks)
    ]


def add(assembler, chunk, first_counter, now_s=0.0):
    return assembler.add(chunk, first_counter + chunk.index, 10 + len(chunk.bitstream), now_s)


@given(st.permutations(range(6)))
def test_in_any_order_the_prefix_grows_to_the_whole_image(order):
    assembler, chunks, arrived = ImageAssembler(), chunks_of(7, 6), set()
    for index in order:
        n_before = next(i for i in range(7) if i not in arrived)
        arrived.add(index)
        n_prefix = next(i for i in range(7) if i not in arrived)
        image = add(assembler, chunks[index], first_counter=100)
        if n_prefix == n_before:
            assert image is None
        else:
            assert image.bitstream == b"".join(chunk.bitstream for chunk in chunks[:n_prefix])
            assert image.is_complete == (n_prefix == 6)
            assert image.packet_bytes == 12 * n_prefix
            assert image.number == 7


def test_images_with_the_same_low_number_are_told_apart_by_their_counters():
    assembler = ImageAssembler()
    old, new = chunks_of(5, 3), chunks_of(5 + 256, 3)
    assert add(assembler, old[0], first_counter=10).bitstream == b"\x05\x00"
    assert add(assembler, new[1], first_counter=900) is None
    assert add(assembler, old[1], first_counter=10).bitstream == b"\x05\x00\x05\x01"
    assert add(assembler, new[0], first_counter=900).number == 5


def test_image_numbers_are_unwrapped_beyond_256():
    assembler = ImageAssembler()
    numbers = [*range(0, 700, 3), 701, 828]
    unwrapped = [add(assembler, chunks_of(n, 1)[0], first_counter=n).number for n in numbers]
    assert unwrapped == numbers


def test_a_late_image_keeps_its_number_across_the_wrap():
    assembler = ImageAssembler()
    for number in (254, 257, 255, 256, 258):
        assert add(assembler, chunks_of(number, 1)[0], first_counter=number).number == number


def test_a_late_image_does_not_turn_the_numbering_back():
    assembler = ImageAssembler()
    for number in (90, 200, 300, 190, 420):
        assert add(assembler, chunks_of(number, 1)[0], first_counter=number).number == number


def test_the_capture_time_is_the_arrival_of_chunk_0_less_its_age():
    assembler = ImageAssembler()
    first, second = chunks_of(1, 2)
    assert add(assembler, first, 0, now_s=50.0).captured_s == 49.0
    assert add(assembler, second, 0, now_s=80.0).captured_s == 49.0


def test_only_a_bounded_number_of_images_waits_and_the_oldest_goes_first():
    assembler = ImageAssembler(max_images=2)
    for number in range(3):
        add(assembler, chunks_of(number, 2)[0], first_counter=10 * number)
    assert add(assembler, chunks_of(2, 2)[1], first_counter=20).is_complete
    assert add(assembler, chunks_of(1, 2)[1], first_counter=10).is_complete
    assert add(assembler, chunks_of(0, 2)[1], first_counter=0) is None


def test_a_complete_image_waits_no_longer():
    assembler = ImageAssembler(max_images=1)
    for number in range(40):
        first, last = chunks_of(number, 2)
        assert not add(assembler, first, 2 * number).is_complete
        assert add(assembler, last, 2 * number).is_complete
    assert not assembler._partial


@pytest.mark.parametrize(
    ("known", "chunk"),
    [
        (Chunk(1, 0, False, b""), Chunk(2, 1, False, b"")),
        (Chunk(1, 2, True, b""), Chunk(1, 3, False, b"")),
        (Chunk(1, 3, False, b""), Chunk(1, 2, True, b"")),
    ],
)
def test_a_chunk_that_contradicts_the_others_is_refused(known, chunk):
    assembler = ImageAssembler()
    add(assembler, known, first_counter=5)
    with pytest.raises(ValueError, match="contradicts the chunks of image 1 before it"):
        add(assembler, chunk, first_counter=5)


def test_a_chunk_before_the_first_counter_is_refused():
    with pytest.raises(ValueError, match="chunk 3 cannot travel under counter 2"):
        ImageAssembler().add(Chunk(0, 3, False, b""), counter=2, packet_bytes=10, now_s=0.0)
