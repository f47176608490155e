"""A port that vanishes is waited for, unless the node was told otherwise, and a person hears of
both.
"""

import os
from contextlib import closing

import pytest

from device.config import load_config
from device.port import open_port
from link.carriers.carrier import PortError


def test_at_the_start_a_port_that_is_away_is_an_error_or_waited_for_where_that_helps(home):
    config = load_config(home.config())
    with pytest.raises(PortError, match="port /dev/ttyNOWHERE does not exist"):
        open_port(config, lambda sentence: None)
    said: list[str] = []
    with closing(open_port(config, said.append, waits_for_first=True)) as port:
        assert not port.is_open
    [sentence] = said
    assert sentence.endswith("; what is to be sent is kept until then")


@pytest.fixture
def plug(home):
    """Plugs in a line behind the same path, again and again; pull what it gives."""
    path = home.folder / "ttyNODE"
    lines = []

    def plug():
        far, near = os.openpty()
        path.unlink(missing_ok=True)
        path.symlink_to(os.ttyname(near))
        lines.append((far, near))

        def pull():
            path.unlink()
            for end in lines.pop():
                os.close(end)

        return pull

    yield plug
    for far, near in lines:
        os.close(far)
        os.close(near)


def test_a_port_that_comes_back_is_told_of(home, plug):
    pull = plug()
    said: list[str] = []
    config = load_config(home.config(str(home.folder / "ttyNODE")))
    with closing(open_port(config, said.append)) as port:
        assert port.send(b"packet")
        pull()
        assert not port.send(b"packet")
        plug()
        while not port.is_open:
            port.receive(1.0)
        assert port.send(b"packet")
    assert "vanished" in said[0]
    assert said[0].endswith("; what is to be sent is kept until then")
    assert said[1:] == ["the port is back"]


def test_an_impatient_node_ends_with_its_port(home, plug):
    pull = plug()
    config = load_config(home.config(str(home.folder / "ttyNODE")))
    with closing(open_port(config, lambda sentence: None, is_patient=False)) as port:
        pull()
        with pytest.raises(PortError, match="vanished"):
            port.send(b"packet")
