"""What a node tells its console is a line that any terminal shows."""

import json
from dataclasses import replace

from device.console import JsonConsole, TextConsole
from link.output.console import Captured, TeamTold

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


def test_of_a_team_a_person_reads_who_lives_and_a_program_all(capsys):
    told = TeamTold(
        member=1,
        image=9,
        sequence=None,
        alive=(1, 1, 0),
        published_bytes=300,
        sent_bytes=600,
        frames=4,
        leader=0,
        aggregator=None,
        overhead_ms=1.23456,
        elapsed_ms=5.0,
    )
    TextConsole().team(told)
    JsonConsole().team(told)
    text, line = capsys.readouterr().out.splitlines()
    assert text == (
        "image 9: 2 of 3 members, 300 bytes in 4 frames to the others, 1.2 ms beside the computing"
    )
    assert json.loads(line)["event"] == "team"
    assert TeamTold.from_json(json.loads(line)) == replace(told, overhead_ms=1.2346)
