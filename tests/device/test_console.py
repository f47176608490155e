"""What a node tells its console is a line that any terminal shows."""

import json

from device.console import JsonConsole, TextConsole
from link.output.console import Captured

ODD = "cat\x1b[2J\n\u202eé"


def captured():
    return Captured(
        image=3,
        label=ODD,
        pixels=bytes(1),
        shape=(1, 1, 1),
        bitstream_bytes=4,
        n_chunks=1,
        ms={"model": 1.0},
    )


def test_names_from_elsewhere_cannot_write_on_the_terminal(capsys):
    TextConsole().image(captured())
    TextConsole().notice(f"{ODD} cannot be read")
    said = capsys.readouterr()
    assert said.out == "image 3 (cat?[2J??é): 4 bytes in 1 chunk, 1.00 ms of work\n"
    assert said.err == "device: cat?[2J??é cannot be read\n"


def test_a_program_is_told_the_name_as_it_is(capsys):
    JsonConsole().image(captured())
    [line] = capsys.readouterr().out.splitlines()
    assert line.isascii()
    assert json.loads(line)["label"] == ODD
