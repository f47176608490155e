"""The node's end of the link: images become chunks, and what the host hears proves the settings."""

from contextlib import ExitStack, closing

import pytest

from device.config import load_config
from device.link_end import LinkEnd
from device.outbox.queues import open_queues
from link.base.clock import boot_s
from link.picture.reader import UnreadableImageError
from link.security.keys import CounterStore, read_master_key
from link.wire.packet import MAX_CHUNKS
from tests.worlds.virtual_node import Told

CHUNKS = "first_chunk_bytes = 3\nchunk_bytes = 2"


class Port:
    """Takes everything and hears nothing."""

    is_open = True

    def __init__(self):
        self.packets = []

    def send(self, packet):
        self.packets.append(packet)
        return True

    def receive(self, timeout_s):
        return []


@pytest.fixture
def make_end(home):
    """Makes the end that `link` of node.toml says, with a port that takes everything."""
    opened = ExitStack()

    def make(**arguments):
        config = load_config(home.config(**arguments))
        counters = opened.enter_context(CounterStore(config.key_dir, config.node))
        queues = open_queues(config, home.bundle.id)
        for queue in queues:
            opened.enter_context(closing(queue))
        key, port = read_master_key(config.key_dir), Port()
        end = LinkEnd(config, key, counters, queues, port, Told())  # type: ignore[arg-type]
        return end, port

    with opened:
        yield make


def chunks(end):
    outbox = end.turns.own.outbox
    base = outbox.base_chunks(1)
    later = outbox.refinements(1000, skip={(chunk.image, 0) for chunk in base})
    return [chunk.bitstream for chunk in [*base, *later]]


def test_an_image_is_cut_as_the_settings_want_it(make_end):
    end, _ = make_end(link=CHUNKS)
    n_chunks, image = end.put(b"abcdefg", boot_s())
    assert chunks(end) == [b"abc", b"de", b"fg"]
    assert n_chunks == 3
    assert image == end.turns.own.outbox.newest_image


def test_an_image_that_has_an_id_keeps_it(make_end):
    end, _ = make_end()
    assert end.put(b"abcdefg", boot_s(), 77, is_durable=False) == (1, 77)
    assert end.turns.waiting() == {77}
    end.turns.forget([77])
    assert end.turns.waiting() == set()


def test_one_that_would_be_too_many_chunks_is_cut_into_longer_ones(make_end):
    end, _ = make_end(link=CHUNKS)
    n_chunks, _ = end.put(bytes(3 + 2 * MAX_CHUNKS), boot_s())
    assert n_chunks == 1


def test_one_that_is_too_long_for_any_is_left_out(make_end):
    end, _ = make_end()
    with pytest.raises(UnreadableImageError, match="an image is left out"):
        end.put(bytes(300 * MAX_CHUNKS), boot_s())


def test_where_nobody_answers_a_packet_that_left_proves_the_settings(make_end):
    end, port = make_end(link="downlink = false")
    end.put(b"abcdefg", boot_s())
    assert not end.is_done
    while not end.is_idle or not port.packets:
        end.transmit(boot_s())
    assert end.is_proved
    assert end.is_done


def test_where_a_host_answers_a_packet_that_left_proves_nothing(make_end):
    end, port = make_end()
    end.put(b"abcdefg", boot_s())
    while not end.is_idle or not port.packets:
        end.transmit(boot_s())
    assert not end.is_proved
    assert not end.is_done
