"""A crew kills as many as it is told, never more, and starts them again until the images are
through.
"""

import io
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from rich.console import Console

from host_decoder.live import crew as crew_module
from host_decoder.live.crew import Crew
from host_decoder.live.processes import ChildError
from host_decoder.view.summary import Title
from host_decoder.view.tally import Tally
from host_decoder.view.team import TeamTally
from host_decoder.view.terminal import PlainScreen
from tests.worlds.small_host import NODE, TEAM_LINE

IMAGE_S, N_MEMBERS = 0.02, 4
MEMBER = f"""
import json, sys, time
from pathlib import Path
line, config = {TEAM_LINE!r}, Path(sys.argv[1])
member = int(config.stem)
if (config.parent / "dies").exists():
    sys.exit("the camera is away")
begun_s = (config.parent / "begun").stat().st_mtime
while not (config.parent / "done").exists():
    sequence = int((time.time() - begun_s) / {IMAGE_S})
    told = dict(member=member, image=100 + sequence, sequence=sequence)
    print(json.dumps(line | told), flush=True)
    time.sleep({IMAGE_S})
print(json.dumps(dict(event="done")), flush=True)
"""
"What a member says while images come in time, whoever lives."


class World:
    """A crew of scripts, and what it did to them."""

    def __init__(self, folder: Path, n_kill: int, n_members: int = N_MEMBERS) -> None:
        self.folder = folder
        (folder / "begun").touch()
        self.text = io.StringIO()
        self.tally = Tally(None, TeamTally(n_members))
        screen = PlainScreen(Title("blobs", "lora-sf7", str(NODE)), Console(file=self.text))
        configs = [folder / f"{number}.toml" for number in range(n_members)]
        self.crew = Crew(configs, NODE, self.tally, screen, n_kill, seed=3)

    def look_until(self, condition, patience_s: float = 60.0) -> None:
        deadline_s = time.monotonic() + patience_s
        while not condition():
            self.crew.look()
            time.sleep(IMAGE_S / 2)
            assert time.monotonic() < deadline_s, self.text.getvalue()

    def close(self) -> None:
        self.crew.close()


@pytest.fixture(autouse=True)
def scripts(monkeypatch, tmp_path):
    script = tmp_path / "member.py"
    script.write_text(MEMBER)
    monkeypatch.setattr(
        crew_module, "node_command", lambda config: [sys.executable, str(script), str(config)]
    )


def test_members_are_killed_so_many_at_a_time_and_come_back(tmp_path):
    with closing(World(tmp_path, n_kill=2)) as world:
        team = world.tally.team
        assert team is not None
        world.look_until(lambda: team.n_kills)
        assert len(team.dead) == 2
        for number, member in enumerate(world.crew.members):
            assert member.process.is_running == (number not in team.dead)
        first = set(team.dead)
        world.look_until(lambda: not team.dead)
        world.look_until(lambda: team.n_kills == 4)
        assert all(team.n_closed[number] for number in first)
        (tmp_path / "done").touch()
        world.look_until(lambda: world.crew.is_done)
        assert world.crew.said_s > 0
    assert not any(member.process.is_running for member in world.crew.members)
    said = world.text.getvalue()
    assert (said.count("is killed"), said.count("is started again")) >= (4, 2)


def test_nobody_is_killed_unless_that_is_wanted(tmp_path):
    with closing(World(tmp_path, n_kill=0)) as world:
        team = world.tally.team
        assert team is not None
        world.look_until(lambda: team.n_through > 20)
        assert team.n_kills == 0


def test_a_member_that_ends_by_itself_is_quoted(tmp_path):
    (tmp_path / "dies").touch()
    with (
        closing(World(tmp_path, n_kill=1)) as world,
        pytest.raises(ChildError, match=r"member \d ended with exit code 1, saying:\n  the camera"),
    ):
        world.look_until(lambda: False)
