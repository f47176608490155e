"""Members of a team as real processes on this machine, and the host that hears them as one node."""

import os
import shutil
import signal
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from device.fog.member import GRACE_S
from tests.scale import IS_NIGHTLY
from tests.worlds.ends import latent_of
from tests.worlds.party_line import PartyLine
from tests.worlds.team import TeamHost, TeamOf, free_ports, wait_until
from tests.worlds.team_bundle import GROUPS, chain_of

SLOWLY = "interval_s = 0.1"
PATIENCE_S = 120.0
"A busy machine starts processes one after the other."
MANY = 2000
"Images: more than are taken until all have started."
OTHERS = [(e, g, h) for e in range(2) for g in range(GROUPS) for h in range(GROUPS) if g != h]
HEARD = np.ones((1 << len(OTHERS), 2, GROUPS, GROUPS), bool)
"Whether group g has at each exchange what group h made: all that can be."
for bit, pair in enumerate(OTHERS):
    HEARD[(slice(None), *pair)] = np.arange(len(HEARD)) >> bit & 1


def lives(host):
    """Flags of the images in the order of their ids, (n, groups)."""
    return arrived(host)[:, :GROUPS]


def wait_for_lives(host, flags):
    """Until the newest image has them: a busy machine may let a member be late."""
    wait_until(lambda: [*lives(host)[-1]] == flags, PATIENCE_S, lambda: lives(host)[-5:])


def is_taken_for_dead(team, member):
    """By the next one."""
    return not team.newest[(member + 1) % 3]["alive"][member]


def arrived(host):
    """Symbols of the images in the order of their ids, (n, groups + D)."""
    return np.array([latent_of(host.updates[image]).symbols for image in sorted(host.updates)])


class Whole:
    """Which images came whole, each bit for bit what the chained parts make of it. Where a part did
    not wait for all that it reads, it is what they make without that, as far as tables know it.
    """

    def __init__(self, team, host):
        self.team, self.host = team, host
        self.chain, self.tables = chain_of(team.bundle), team.bundle.tables
        self.expected = self.chain(team.images)
        self.images = set()
        self._others = set()

    def look(self):
        """How many have come so far."""
        numbers = {
            line["image"]: line["sequence"] for m in self.team.said for line in self.team.events(m)
        }
        for image, update in list(self.host.updates.items()):
            symbols, number = latent_of(update).symbols, numbers.get(image)
            if image in self.images | self._others or number is None or not all(symbols[:GROUPS]):
                continue
            if (symbols == self.expected[number]).all():
                self.images.add(image)
            else:
                self._others.add(image)
                assert (self._possible(number) == symbols).all(1).any(), "what no parts make"
        return len(self.images)

    def wait_for(self, n_images):
        """However many come before them: at first not all have started."""
        wait_until(lambda: self.look() >= n_images, PATIENCE_S, lambda: lives(self.host)[-5:])

    def _possible(self, number):
        image = np.repeat(self.team.images[number][None], len(HEARD), 0)
        lowest = self.tables.symbol_min
        return np.clip(self.chain(image, heard=HEARD), lowest, lowest + self.tables.alphabet - 1)


def test_every_image_arrives_as_the_chained_parts_make_it(tmp_path):
    with TeamOf(tmp_path, n_images=MANY) as team, TeamHost(team.key, team.bundle) as host:
        for member in range(3):
            team.write(member, host.port if member else None, SLOWLY, team="patience_ms = 500")
        team.start(0, 1, 2)
        whole = Whole(team, host)
        whole.wait_for(4)
        first = min(whole.images)

        def later():
            return [line for line in team.events(1) if line["image"] > first]

        wait_until(lambda: len(later()) >= 3, PATIENCE_S)
        complete = later()
        wait_until(lambda: {line["image"] for line in complete} <= set(host.updates), PATIENCE_S)
    for line in complete:
        assert line["alive"] == [1, 1, 1] or line["image"] not in whole.images
        assert (line["member"], line["leader"] in range(3)) == (1, True)
        assert line["aggregator"] in (1, 2)
        assert 0 < line["published_bytes"] <= line["sent_bytes"]
        assert 0 < line["overhead_ms"] < line["elapsed_ms"]
    assert not any("Traceback" in line for lines in team.errors.values() for line in lines)


def test_answers_go_on_while_a_member_is_dead_and_it_takes_part_again_when_it_lives(tmp_path):
    """The one that leads, the one that sends, and one that starts late; then all end at once."""
    with TeamOf(tmp_path, n_images=MANY) as team, TeamHost(team.key, team.bundle) as host:
        for member in range(3):
            team.write(member, host.port if member else None, SLOWLY)
        team.start(0, 1)
        host.wait_for(5, PATIENCE_S)
        wait_for_lives(host, [1, 1, 0])
        team.start(2)
        for victim in (0, 1, 2):
            wait_for_lives(host, [1, 1, 1])
            n_before = len(host.updates)
            team.kill(victim)
            host.wait_for(n_before + 6, PATIENCE_S)
            wait_for_lives(host, [member != victim for member in range(3)])
            wait_until(partial(is_taken_for_dead, team, victim), PATIENCE_S)
            team.start(victim)
        wait_for_lives(host, [1, 1, 1])
        began_s = time.monotonic()
        for process in team.processes.values():
            process.send_signal(signal.SIGTERM)
        assert [process.wait(10) for process in team.processes.values()] == [0, 0, 0]
        assert time.monotonic() < began_s + GRACE_S
        assert Whole(team, host).look() >= 1
        numbers = {line["image"]: line["sequence"] for m in team.said for line in team.events(m)}
        came = {numbers[image] for image in host.updates if numbers.get(image) is not None}
        lost = set(range(max(came))) - came
        assert len(lost) <= 3, "one at most with each death"
        assert host.n_updates == len(host.updates), "none counts twice"
    assert not any("Traceback" in line for lines in team.errors.values() for line in lines)


def n_bound(port):
    """UDP sockets of this machine at a port: what is sent to them waits until it is read."""
    lines = Path("/proc/net/udp").read_text().splitlines()[1:]
    return sum(int(line.split()[1].partition(":")[2], 16) == port for line in lines)


@pytest.mark.skipif(not IS_NIGHTLY, reason="many seconds: make nightly")
def test_one_camera_serves_all_in_a_group_until_its_images_are_through(tmp_path):
    [number] = free_ports(1)
    with TeamOf(tmp_path, n_images=8) as team, TeamHost(team.key, team.bundle) as host:
        for member in range(3):
            team.write(
                member,
                host.port if member else None,
                team='camera = "shared"\npatience_ms = 500',
                port=f"127.0.0.1:{number}",
                way=f'multicast = "239.77.0.1:{number}"',
                has_source=member == 1,
            )
        team.start(0, 2, options=["--once"])
        wait_until(lambda: n_bound(number) == 2, PATIENCE_S)
        team.start(1, options=["--once"])
        team.finish(PATIENCE_S)
        assert len(host.updates) == 8
        assert Whole(team, host).look() >= 4
        last = [team.events(member)[-1] for member in range(3)]
    for member, line in enumerate(last):
        assert (line["member"], line["sequence"], line["alive"]) == (member, 7, [1, 1, 1])
        assert line["published_bytes"] == line["sent_bytes"], "each frame leaves once"
        assert line["leader"] == 1


@pytest.mark.skipif(not IS_NIGHTLY, reason="many seconds: make nightly")
def test_of_replicas_one_may_die_and_no_bit_changes_also_where_the_host_never_answers(tmp_path):
    with TeamOf(tmp_path, n_images=MANY) as team, TeamHost(team.key, team.bundle, False) as host:
        for member in range(3):
            replicas = 'mode = "replica"\npatience_ms = 250'
            team.write(member, host.port, SLOWLY, team=replicas, link="downlink = false")
        team.start(0, 1, 2)
        host.wait_for(6, PATIENCE_S)
        victim = team.events(1)[-1]["aggregator"]
        n_before = len(host.updates)
        team.kill(victim)
        host.wait_for(n_before + 10, PATIENCE_S)
        witness = (victim + 1) % 3
        assert not team.events(witness)[-1]["alive"][victim]
        assert lives(host)[-8:].all()
        numbers = {line["image"]: line["sequence"] for line in team.events(witness)}
        expected = chain_of(team.bundle)(team.images)
        told = [image for image in sorted(host.updates) if image in numbers]
        assert len(told) >= 10
        for image in told[-8:]:
            assert (latent_of(host.updates[image]).symbols == expected[numbers[image]]).all()
        assert host.n_updates == len(host.updates), "none counts twice"


def test_a_team_on_one_serial_line(tmp_path):
    with (
        PartyLine(3) as line,
        TeamOf(tmp_path, n_images=MANY) as team,
        TeamHost(team.key, team.bundle) as host,
    ):
        for member in range(3):
            team.write(
                member,
                host.port if member == 1 else None,
                "interval_s = 0.4",
                team="patience_ms = 120",
                port=line.paths[member],
                way="",
            )
        team.start(0, 1, 2)
        Whole(team, host).wait_for(1)


def test_one_that_loses_camera_and_modem_says_so_and_others_take_their_place(tmp_path, port):
    path, far = port
    with TeamOf(tmp_path, n_images=2) as team, TeamHost(team.key, team.bundle) as host:
        for member in range(3):
            for number, pixels in enumerate(team.images):
                (tmp_path / f"photos-{member}").mkdir(exist_ok=True)
                Image.fromarray(pixels[:, :, 0]).save(tmp_path / f"photos-{member}/{number}.png")
            settings = team.write(
                member, host.port, "interval_s = 0.1\nloop = true", 'camera = "shared"'
            )
            text = settings.read_text().replace("replay.npz", f"photos-{member}")
            settings.write_text(text.replace('"replay"', '"folder"'))
        first = tmp_path / "node-0.toml"
        text = first.read_text().replace('profile = "udp"', 'profile = "serial-115200"')
        text = text.replace('port = "127.0.0.1:0"', f'port = "{path}"')
        first.write_text(text.replace(f'peers = ["127.0.0.1:{host.port}"]', ""))
        team.start(0)
        team.wait_for_image(1, 0, PATIENCE_S)
        team.start(1, 2)
        team.wait_for_image(1, 2, PATIENCE_S)
        assert (team.events(2)[-1]["leader"], team.events(2)[-1]["aggregator"]) == (0, 0)
        shutil.rmtree(tmp_path / "photos-0")
        wait_until(lambda: team.events(2)[-1]["leader"] in (1, 2), PATIENCE_S)
        assert any("holds no images any more; it is tried again" in line for line in team.errors[0])
        with open(os.devnull) as nothing:
            os.dup2(nothing.fileno(), far)
        host.wait_for(len(host.updates) + 3, PATIENCE_S)
        assert any("vanished" in line for line in team.errors[0])
        assert any("another has to speak" in line for line in team.errors[0])
        wait_until(lambda: team.events(2)[-1]["aggregator"] in (1, 2), PATIENCE_S)
        host.wait_for(len(host.updates) + 3, PATIENCE_S)
        wait_for_lives(host, [1, 1, 1])  # it computes its parts all the same
