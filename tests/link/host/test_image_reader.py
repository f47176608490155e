"""Whatever is wrong with a chunk is an answer to this chunk alone."""

from dataclasses import replace

import pytest

from link.coder import latent_coder
from link.host.assembler import CollisionError
from link.host.image_reader import ImageReader, collision, lacking, malformed
from link.host.interface import ForeignBundle, Gap, Reason, Update, Useless
from link.wire.packet import Chunk, split
from tests.worlds.ends import NODE, latent_of
from tests.worlds.small_bundle import make_bundle, random_symbols, random_tables

TABLES = random_tables(seed=1, n_latents=40)
SYMBOLS = random_symbols(TABLES, seed=3)
PIECES = split(latent_coder.encode(SYMBOLS, TABLES), 3, 3)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """Its own and another's."""
    folder = tmp_path_factory.mktemp("reader")
    return [
        make_bundle(folder / str(seed), random_tables(seed=seed, n_latents=40)) for seed in (1, 2)
    ]


@pytest.fixture
def reader(bundles):
    return ImageReader(NODE, bundles[:1])


def chunk(index: int, image: int = 0) -> Chunk:
    return Chunk(image, index, index == len(PIECES) - 1, PIECES[index], 0.0 if not index else None)


def test_chunks_make_an_image_clearer_until_it_is_whole(reader, bundles):
    updates = [
        reader.read(chunk(index), 14, counter=1 + index, bundle=bundles[0], now_s=5.0)
        for index in range(len(PIECES))
    ]
    assert all(isinstance(update, Update) for update in updates)
    assert [update.n_chunks for update in updates] == list(range(1, len(PIECES) + 1))
    assert latent_of(updates[-1]).symbols.tolist() == SYMBOLS.tolist()
    assert (updates[-1].packet_bytes, updates[-1].captured_s) == (14 * len(PIECES), 5.0)


def test_a_chunk_without_the_one_before_waits_for_it(reader, bundles):
    gap = reader.read(chunk(1), 14, 2, bundles[0], 0.0)
    assert isinstance(gap, Gap)
    assert (gap.reason, gap.chunk, gap.bundle_id) == (Reason.GAP, chunk(1), bundles[0].id)
    assert reader.read(chunk(0), 14, 3, bundles[0], 0.0).n_chunks == 2


def test_the_same_again_is_of_no_use_and_another_in_its_place_is_a_collision(reader, bundles):
    reader.read(chunk(0), 14, 1, bundles[0], 0.0)
    again = reader.read(chunk(0), 14, 2, bundles[0], 0.0)
    assert (type(again), again.reason) == (Useless, Reason.REPEATED)
    other = reader.read(Chunk(0, 0, False, b"\xff\xff\xff", 0.0), 14, 3, bundles[0], 0.0)
    assert (type(other), other.reason) == (Useless, Reason.COLLISION)


def test_a_chunk_of_another_bundle_is_kept_for_it(reader, bundles):
    foreign = reader.read(chunk(0), 14, 1, bundles[1], 0.0)
    assert isinstance(foreign, ForeignBundle)
    assert (foreign.bundle_id, foreign.chunk) == (bundles[1].id, chunk(0))
    assert all(bundle.id.hex() in foreign.sentence for bundle in bundles)


def test_what_is_wrong_names_packet_and_node():
    error = CollisionError.of(chunk(1))
    for rejected in (collision(7, 3, error), malformed(7, 3, ValueError("too long"))):
        assert "packet 3 of node 7" in rejected.sentence
    assert "bundle 6f6f, which this host lacks" in lacking(7, 3, b"oo", chunk(0)).sentence


# A team: several cards may each have made a bitstream


def by(card: bytes, chunk: Chunk) -> Chunk:
    return replace(chunk, version=card)


OTHER_SYMBOLS = random_symbols(TABLES, seed=4)
OTHER_PIECES = split(latent_coder.encode(OTHER_SYMBOLS, TABLES), 3, 3)


def other_chunk(index: int) -> Chunk:
    is_last = index == len(OTHER_PIECES) - 1
    return by(b"two!", Chunk(0, index, is_last, OTHER_PIECES[index], 0.0 if not index else None))


def test_what_comes_by_another_card_when_the_image_is_whole_is_dropped(reader, bundles):
    for index in range(len(PIECES)):
        whole = reader.read(by(b"one!", chunk(index)), 14, index, bundles[0], 0.0)
    assert whole.is_complete
    for index in (0, 1):
        late = reader.read(other_chunk(index), 14, 50 + index, bundles[0], 0.0)
        assert (type(late), late.reason, late.counter) == (
            Useless,
            Reason.OTHER_VERSION,
            50 + index,
        )
        assert late.reason.is_ordinary
    again = reader.read(by(b"one!", chunk(0)), 14, 60, bundles[0], 0.0)
    assert again.reason == Reason.REPEATED


def test_two_versions_are_never_mixed_and_the_one_that_gets_whole_wins(reader, bundles):
    first = reader.read(by(b"one!", chunk(0)), 14, 1, bundles[0], 0.0)
    assert isinstance(first, Update)
    kept = [
        reader.read(other_chunk(index), 14, 10 + index, bundles[0], 0.0)
        for index in range(len(OTHER_PIECES) - 1)
    ]
    assert {type(one) for one in kept} == {Gap}, "kept, but no news of the image"
    more = reader.read(by(b"one!", chunk(1)), 14, 2, bundles[0], 0.0)
    assert (more.n_chunks, len(more.bitstream)) == (2, len(PIECES[0] + PIECES[1]))
    won = reader.read(other_chunk(len(OTHER_PIECES) - 1), 14, 90, bundles[0], 0.0)
    assert won.is_complete
    assert latent_of(won).symbols.tolist() == OTHER_SYMBOLS.tolist()
    over = reader.read(by(b"one!", chunk(2)), 14, 3, bundles[0], 0.0)
    assert over.reason == Reason.OTHER_VERSION


def test_a_card_that_gave_one_id_twice_is_no_collision_in_a_team(reader, bundles):
    reader.read(by(b"one!", chunk(0)), 14, 1, bundles[0], 0.0)
    other = by(b"one!", Chunk(0, 0, False, b"\xff\xff\xff", 0.0))
    assert reader.read(other, 14, 3, bundles[0], 0.0).reason == Reason.OTHER_VERSION
