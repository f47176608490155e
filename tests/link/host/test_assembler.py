"""Chunks in any order become growing prefixes, and never those of another image."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link.host.assembler import MAX_VERSIONS, ImageAssembler
from link.wire.packet import Chunk


def chunks_of(image, n_chunks):
    return [
        Chunk(image, i, i == n_chunks - 1, bytes([image % 256, i]), 1.0) for i in range(n_chunks)
    ]


def add(assembler, chunk, captured_s=0.0):
    return assembler.add(chunk, 10 + len(chunk.bitstream), captured_s)


@given(st.permutations(range(6)))
def test_in_any_order_the_prefix_grows_to_the_whole_image(order):
    assembler, chunks, arrived = ImageAssembler(), chunks_of(7, 6), set()
    for index in order:
        n_before = next(i for i in range(7) if i not in arrived)
        arrived.add(index)
        n_prefix = next(i for i in range(7) if i not in arrived)
        image = add(assembler, chunks[index])
        if n_prefix == n_before:
            assert image is None
        else:
            assert image.bitstream == b"".join(chunk.bitstream for chunk in chunks[:n_prefix])
            assert image.is_complete == (n_prefix == 6)
            assert image.packet_bytes == 12 * n_prefix
            assert image.id == 7
        assert assembler.n_chunks(7) == n_prefix


def test_chunks_of_two_images_may_be_mixed():
    assembler = ImageAssembler()
    old, new = chunks_of(5, 2), chunks_of(1 << 40, 2)
    assert add(assembler, old[0]).bitstream == b"\x05\x00"
    assert add(assembler, new[1]) is None
    assert add(assembler, old[1]).is_complete
    assert add(assembler, new[0]).bitstream == b"\x00\x00\x00\x01"


def test_the_capture_time_is_that_of_chunk_0():
    assembler = ImageAssembler()
    first, second = chunks_of(1, 2)
    assert add(assembler, first, captured_s=49.0).captured_s == 49.0
    assert add(assembler, second, captured_s=80.0).captured_s == 49.0


def test_a_chunk_that_comes_again_is_known_also_when_its_image_is_complete():
    assembler = ImageAssembler()
    [chunk] = chunks_of(3, 1)
    assert not assembler.has(chunk)
    assert add(assembler, chunk).is_complete
    assert assembler.has(chunk)
    assert assembler.has(Chunk(3, 0, True, chunk.bitstream, age_s=99.0)), "sent again it is older"


def test_another_chunk_in_the_place_of_one_is_refused():
    assembler = ImageAssembler()
    [chunk] = chunks_of(3, 1)
    add(assembler, chunk)
    with pytest.raises(ValueError, match="chunk 0 of image 3 came before with another content"):
        assembler.has(Chunk(3, 0, True, b"else", 1.0))


def test_only_a_bounded_number_of_images_is_remembered_and_the_oldest_goes_first():
    assembler = ImageAssembler(max_images=2)
    for image in range(3):
        add(assembler, chunks_of(image, 2)[0])
    assert add(assembler, chunks_of(2, 2)[1]).is_complete
    assert add(assembler, chunks_of(1, 2)[1]).is_complete
    assert add(assembler, chunks_of(0, 2)[1]) is None


@pytest.mark.parametrize(
    ("known", "chunk"),
    [
        (Chunk(1, 2, True, b""), Chunk(1, 3, False, b"")),
        (Chunk(1, 3, False, b""), Chunk(1, 2, True, b"")),
    ],
)
def test_a_chunk_that_contradicts_the_others_is_refused_and_not_kept(known, chunk):
    assembler = ImageAssembler()
    add(assembler, known)
    with pytest.raises(ValueError, match="of image 1 contradicts the chunks before it"):
        add(assembler, chunk)
    assert not assembler.has(chunk)


def test_so_many_versions_of_an_image_are_kept_and_no_more():
    assembler = ImageAssembler()
    for card in range(MAX_VERSIONS):
        chunk = Chunk(1, 1, False, b"x", version=bytes([card + 1]))
        assert assembler.takes(chunk)
        assert add(assembler, chunk) is None
    assert not assembler.takes(Chunk(1, 1, False, b"x", version=b"new"))
    assert assembler.takes(Chunk(1, 2, False, b"x", version=b"\1"))
