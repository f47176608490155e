"""Members of a team as real processes on this machine, and the host that hears them as one node."""

import signal
import time

import numpy as np

from tests.worlds.party_line import PartyLine
from tests.worlds.team import TeamHost, TeamOf, free_ports, wait_until
from tests.worlds.team_bundle import GROUPS, chain_of

SLOWLY = "interval_s = 0.15"
OTHERS = [(e, g, h) for e in range(2) for g in range(GROUPS) for h in range(GROUPS) if g != h]
HEARD = np.ones((1 << len(OTHERS), 2, GROUPS, GROUPS), bool)
"Whether group g has at each exchange what group h made: all that can be."
for bit, pair in enumerate(OTHERS):
    HEARD[(slice(None), *pair)] = np.arange(len(HEARD)) >> bit & 1


def lives(host):
    """Flags of the images in the order of their ids, (n, groups)."""
    return arrived(host)[:, :GROUPS]


def arrived(host):
    """Symbols of the images in the order of their ids, (n, groups + D)."""
    return np.array([host.updates[image].latent.symbols for image in sorted(host.updates)])


def n_whole(team, host):
    """Images that came whole, each bit for bit what the chained parts make of it. Where a part did
    not wait for all that it reads, it is what they make without that, as far as tables know it.
    """
    chain, tables = chain_of(team.bundle), team.bundle.tables
    lowest = tables.symbol_min
    expected = chain(team.images)
    numbers = {line["image"]: line["sequence"] for m in team.said for line in team.events(m)}
    n_right = 0
    for image, update in host.updates.items():
        symbols, number = update.latent.symbols, numbers.get(image)
        if number is None or not symbols[:GROUPS].all():
            continue
        if (symbols == expected[number]).all():
            n_right += 1
        else:
            possible = chain(np.repeat(team.images[number][None], len(HEARD), 0), heard=HEARD)
            coded = np.clip(possible, lowest, lowest + tables.alphabet - 1)
            assert (coded == symbols).all(1).any(), "what no parts make"
    return n_right


def test_every_image_arrives_as_the_chained_parts_make_it(tmp_path):
    with TeamOf(tmp_path, n_images=8) as team, TeamHost(team.key, team.bundle) as host:
        for member in range(3):
            team.write(member, host.port if member else None)
        team.start(0, 1, 2)
        team.finish()
        assert len(host.updates) == 8
        assert n_whole(team, host) >= 6, "at first not all have started"
        last = [team.events(member)[-1] for member in range(3)]
    for member, line in enumerate(last):
        assert (line["member"], line["sequence"], line["alive"]) == (member, 7, [1, 1, 1])
        assert (line["leader"] in range(3), line["aggregator"]) == (True, 1)
        assert 0 < line["published_bytes"] <= line["sent_bytes"]
        assert 0 < line["overhead_ms"] < line["elapsed_ms"]
    assert team.errors == {0: [], 1: [], 2: []}


def test_answers_go_on_while_a_member_is_dead_and_it_takes_part_again_when_it_lives(tmp_path):
    """The one that leads, the one that sends, and one that starts late; then all end at once."""
    with TeamOf(tmp_path, n_images=1000) as team, TeamHost(team.key, team.bundle) as host:
        for member in range(3):
            team.write(member, host.port if member else None, SLOWLY)
        team.start(0, 1)
        host.wait_for(5)
        assert lives(host)[-1].tolist() == [1, 1, 0]
        team.start(2)
        for victim in (0, 1, 2):
            wait_until(lambda: bool(lives(host)[-1].all()), 30.0, lambda: lives(host)[-5:])
            n_before = len(host.updates)
            team.kill(victim)
            host.wait_for(n_before + 8)
            assert lives(host)[-1].tolist() == [member != victim for member in range(3)]
            assert not team.events((victim + 1) % 3)[-1]["alive"][victim]
            team.start(victim)
        wait_until(lambda: bool(lives(host)[-1].all()), 30.0, lambda: lives(host)[-5:])
        began_s = time.monotonic()
        for process in team.processes.values():
            process.send_signal(signal.SIGTERM)
        assert [process.wait(10) for process in team.processes.values()] == [0, 0, 0]
        assert time.monotonic() < began_s + 1.5
        assert n_whole(team, host) >= 4
        numbers = {line["image"]: line["sequence"] for m in team.said for line in team.events(m)}
        came = {numbers[image] for image in host.updates if numbers.get(image) is not None}
        lost = set(range(max(came))) - came
        assert len(lost) <= 3, "one at most with each death"
        assert host.n_updates == len(host.updates), "none counts twice"
    assert not any("Traceback" in line for lines in team.errors.values() for line in lines)


def test_one_camera_serves_all_in_a_group_and_nobody_answers(tmp_path):
    [number] = free_ports(1)
    with TeamOf(tmp_path, n_images=8) as team, TeamHost(team.key, team.bundle, False) as host:
        for member in range(3):
            team.write(
                member,
                host.port if member else None,
                team='camera = "shared"',
                port=f"127.0.0.1:{number}",
                way=f'multicast = "239.77.0.1:{number}"',
                has_source=member == 1,
                link="downlink = false",
            )
        team.start(0, 1, 2)
        host.wait_for(8)
        assert n_whole(team, host) >= 5
        line = team.events(0)[-1]
        assert line["published_bytes"] == line["sent_bytes"], "each frame leaves once"
        assert line["leader"] == 1
        assert host.refused == []


def test_a_team_on_one_serial_line(tmp_path):
    with (
        PartyLine(3) as line,
        TeamOf(tmp_path, n_images=6) as team,
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
        host.wait_for(6)
        assert n_whole(team, host) >= 1
