"""What a node says on its console becomes figures and sentences; anything else ends the run."""

import io
import json
import sys
import time

import pytest
from rich.console import Console

from host_decoder.live.console import NodeConsole
from host_decoder.live.processes import Child, ChildError
from host_decoder.view.summary import Title
from host_decoder.view.tally import Tally
from host_decoder.view.team import TeamTally
from host_decoder.view.terminal import PlainScreen
from tests.worlds.small_host import IMAGE_LINE, NODE, PACKET_LINE, TEAM_LINE


class World:
    """A console, and a process that says what it is told to."""

    def __init__(self) -> None:
        self.text = io.StringIO()
        self.tally = Tally()
        screen = PlainScreen(Title("blobs", "lora-sf7", str(NODE)), Console(file=self.text))
        self.console = NodeConsole(NODE, self.tally, screen)

    def says(self, *lines: str) -> None:
        script = f"print({chr(10).join(lines)!r})"
        with Child("the node", [sys.executable, "-c", script]) as process:
            while process.is_running:
                time.sleep(0.01)
            process.why_ended()
            self.console.read(process)


@pytest.fixture
def world():
    return World()


def test_images_and_packets_are_counted(world):
    world.says(json.dumps(IMAGE_LINE), json.dumps(PACKET_LINE))
    assert (world.tally.n_captured, world.tally.total("packets")) == (1, 1)
    assert world.console.airtime_s == PACKET_LINE["airtime_s"]
    assert not world.console.is_done


def test_what_it_says_to_a_person_is_passed_on_and_its_end_is_noted(world):
    world.says('{"event": "notice", "sentence": "the port is away"}', '{"event": "done"}')
    assert world.text.getvalue() == "the node says: the port is away\n"
    assert world.console.is_done
    assert world.console.said_s > 0


def test_events_that_are_new_to_this_program_are_left_alone(world):
    world.says('{"event": "tomorrow"}')
    assert not world.console.is_done


@pytest.mark.parametrize("line", ["Segmentation fault", "[1]", "{}", '{"event": "image"}'])
def test_a_line_that_is_none_of_a_console_is_quoted(world, line):
    with pytest.raises(ChildError, match="what is no line of its console") as error:
        world.says(line)
    assert line in str(error.value)


def test_a_member_s_images_go_into_its_team_s_tally(world):
    world.says(json.dumps(TEAM_LINE))
    world.tally.team = TeamTally(3)
    world.says(json.dumps(TEAM_LINE))
    assert (world.tally.team.n_through, world.tally.team.aggregator) == (3, 1)
    with pytest.raises(ChildError, match="what is no line of its console"):
        world.says('{"event": "team"}')
