"""A modem that is spoken to in lines: what it may say, and what is noise."""

from contextlib import suppress

import pytest

from link.carriers.carrier import (
    PortError,
)
from link.carriers.command_line import parse_level
from tests.link.carriers.test_carrier import MODEMS_THAT_TELL, RAK3172_UP, RN2483_UP
from tests.worlds.virtual import Script


class Babble:
    """A port that always has this to say, a moment after each look."""

    def __init__(self, world, said):
        self._world = world
        self._said = said

    def read(self, timeout_s):
        self._world.sleep(0.001)
        return self._said

    def write(self, data):
        pass

    def close(self):
        pass


@pytest.mark.parametrize("name", MODEMS_THAT_TELL)
@pytest.mark.parametrize(
    "said", [b"hello\r\n", b"+EVT:X\r\n", b"radio_x\r\n", b"OK\r\n", b"ok\r\n", b"\xff"]
)
def test_however_much_a_modem_says_every_call_ends_in_its_time(world, monkeypatch, name, said):
    here = world(name)
    host = here.open("a")
    said *= 20
    host._modem._port = Babble(here, said)
    for work in (lambda: host.receive(0.2), lambda: host.send(b"hello")):
        began_s = here.now_s
        with suppress(PortError):
            work()
        assert here.now_s - began_s < 4.0
    assert len(host._modem.events) <= 64
    monkeypatch.setattr("link.carriers.command_line.open_port", lambda *_: Babble(here, said))
    began_s = here.now_s
    with pytest.raises(PortError):
        here.open("a")
    assert here.now_s - began_s < 10.0


def test_a_busy_modem_is_asked_again(world):
    script = Script(
        *RN2483_UP, b"ok\r\n", b"busy\r\n", b"busy\r\n", b"ok\r\nradio_tx_ok\r\n", b"ok\r\n"
    )
    node = world("rn2483-sf7", line=script).open("a")
    node.send(b"hello")
    assert (node.statistics.n_sent, node.statistics.n_refused) == (1, 2)


def test_lines_that_no_modem_writes_are_noise(world):
    for name, start, noise in [
        ("rn2483-sf7", RN2483_UP, b"radio_rx  0g\r\n\xff\xfe\r\n"),
        ("rak3172-sf7", RAK3172_UP, b"+EVT:RXP2P:-1:00\r\n+EVT:JOINED\r\n\xff\r\n"),
    ]:
        script = Script(*start, *[b"ok\r\n"] * 9)
        host = world(name, line=script).open("a")
        script.waiting += noise + bytes([65]) * 5000
        assert [host.receive(0.1) for _ in range(3)] == [[], [], []]
        assert host.statistics.n_noise >= 3


def test_a_command_may_repeat_what_the_module_said_whatever_that_was(world):
    assert (
        world("rn2483-sf7").open("a")._modem.command("radio set sync \xab\u20ac") == "invalid_param"
    )


@pytest.mark.parametrize("level", ["9" * 400, "1e3", "-999", ""])
def test_a_level_that_cannot_be_is_refused(level):
    with pytest.raises(ValueError, match=r"."):
        parse_level(level)
