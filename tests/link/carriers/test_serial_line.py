"""A cable, and modems that look like one: bytes leave at once, and nothing is told of them."""

from link.wire.control import NO_QUALITY


def test_a_stream_returns_at_once(world):
    here = world("serial-9600")
    node = here.open("a")
    assert here.elapsed_s(lambda: node.send(bytes(50))) == 0.0


def test_streams_do_not_tell(world):
    here = world("lora-sf7")
    node, host = here.open("a"), here.open("b")
    node.send(b"hello")
    assert [received.quality for received in host.receive(1.0)] == [NO_QUALITY]
