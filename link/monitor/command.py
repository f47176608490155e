"""The commands that look at a line: `monitor` shows it live, `record` keeps it, `replay` speaks a
recording again.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from math import inf
from pathlib import Path
from typing import Any

from link.bundle.bundle import Bundle
from link.carriers.carrier import Carrier, CarrierSettings, Received, open_carrier
from link.medium.profiles import LinkProfile, get_profile
from link.monitor.monitor import Monitor, Sighting, table
from link.monitor.recording import (
    Recorded,
    RecordingHead,
    RecordingWriter,
    is_uplink,
    pace,
    read_recording,
)
from link.output import program
from link.security.keys import KEY_FILE, parse_key

POLL_S = 0.2
REDRAW_S = 0.5
N_LINES = 20
"Packets on the screen at a time."
CLEAR = "\x1b[H\x1b[J"


def add_commands(commands: Any) -> None:
    """Into the sub-commands of `python -m link`."""
    monitor = program.add_command(
        commands,
        "monitor",
        "show the packets on a port, and each node's statistics, until Ctrl-C; it never speaks",
    )
    _add_line(monitor)
    _add_keys(monitor)
    monitor.add_argument(
        "--json", action="store_true", help="print the statistics as JSON at the end"
    )
    monitor.set_defaults(run=_monitor)

    record = program.add_command(
        commands, "record", "keep the packets that come in at a port, until Ctrl-C"
    )
    record.add_argument(
        "file", type=Path, help="where the recording goes, one JSON line per packet; new"
    )
    _add_line(record)
    record.set_defaults(run=_record)

    replay = program.add_command(
        commands,
        "replay",
        "send a recording's packets to a port at the pace they came, or show them",
    )
    replay.add_argument("file", type=Path, help="the recording")
    replay.add_argument("port", nargs="?", help="where to send them; without it they are shown")
    replay.add_argument(
        "--link", metavar="PROFILE", help="of the line that the packets go to; its own unless given"
    )
    replay.add_argument(
        "--frequency-hz", type=int, metavar="HZ", help="radio modems: where to transmit"
    )
    replay.add_argument("--speed", type=_positive, default=1.0, help="10 is ten times as fast")
    replay.add_argument(
        "--down", action="store_true", help="send what came from the host, not what nodes sent"
    )
    _add_keys(replay)
    replay.set_defaults(run=_replay)


def _add_line(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("port", help="a serial port, or for UDP the address to receive at")
    parser.add_argument(
        "--link", required=True, metavar="PROFILE", help="a name of `python -m link profiles`"
    )
    parser.add_argument(
        "--frequency-hz", type=int, metavar="HZ", help="radio modems: what to listen to"
    )
    parser.add_argument("--count", type=_positive, metavar="N", help="end after so many packets")
    parser.add_argument("--duration", type=_positive, metavar="SECONDS", help="end after so long")


def _add_keys(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="NODE=FILE",
        help=(
            "open this node's packets with its key, from the next packet on in which it tells its "
            "salt"
        ),
    )
    parser.add_argument(
        "--bundle",
        action="append",
        default=[],
        type=Path,
        metavar="DIR",
        help="that the images were made with",
    )


def _positive(text: str) -> float:
    with suppress(ValueError):
        if (value := float(text)) > 0:
            return value
    raise argparse.ArgumentTypeError(f'"{text}" is no number above 0')


def _monitor(arguments: argparse.Namespace) -> None:
    profile = get_profile(arguments.link)
    monitor = _make_monitor(arguments, profile)
    screen = _Screen(monitor)
    with closing(_open(arguments, profile)) as carrier:
        try:
            with suppress(KeyboardInterrupt):
                for t_s, received in _hear(carrier, arguments):
                    screen.show(
                        monitor.hear(received.packet, t_s, received.quality) if received else None,
                        t_s,
                    )
        finally:
            screen.end()
            if arguments.json:
                print(
                    json.dumps(
                        {
                            str(node): figures.to_json()
                            for node, figures in monitor.statistics.items()
                        }
                    )
                )


def _record(arguments: argparse.Namespace) -> None:
    profile = get_profile(arguments.link)
    n_packets = 0
    with (
        closing(_open(arguments, profile)) as carrier,
        arguments.file.open("x", encoding="ascii") as file,
        suppress(KeyboardInterrupt),
    ):
        writer = RecordingWriter(file, RecordingHead(profile.name, time.time()))
        for t_s, received in _hear(carrier, arguments):
            if received is not None:
                writer.write(
                    Recorded(t_s, received.packet, is_uplink(received.packet), received.quality)
                )
                n_packets += 1
    print(f"{n_packets} packets are in {arguments.file}")


def _replay(arguments: argparse.Namespace) -> None:
    with arguments.file.open(encoding="utf-8", errors="strict") as file:
        head, packets = read_recording(file)
        if arguments.port is None:
            return _show(arguments, head, packets)
        profile = get_profile(arguments.link or head.profile)
        n_packets, started_s = 0, time.monotonic()
        with closing(_open(arguments, profile)) as carrier, suppress(KeyboardInterrupt):
            for due_s, recorded in pace(packets, arguments.speed):
                if recorded.is_uplink == arguments.down:
                    continue
                time.sleep(max(0.0, started_s + due_s - time.monotonic()))
                carrier.send(recorded.packet)
                n_packets += 1
    print(f"{n_packets} packets were sent to {arguments.port}")


def _show(arguments: argparse.Namespace, head: RecordingHead, packets: Iterator[Recorded]) -> None:
    """A recording as the monitor would have shown it."""
    with suppress(ValueError):
        arguments.link = arguments.link or get_profile(head.profile).name
    monitor = _make_monitor(arguments, get_profile(arguments.link) if arguments.link else None)
    for recorded in packets:
        print(monitor.hear(recorded.packet, recorded.t_s, recorded.quality))
    print("\n".join(["", *table(monitor.statistics)]))


def _make_monitor(arguments: argparse.Namespace, profile: LinkProfile | None) -> Monitor:
    keys = dict(_read_key(given) for given in arguments.key)
    bundle_ids = [Bundle.load(folder, side="node").id for folder in arguments.bundle]
    return Monitor(keys, bundle_ids, profile.airtime_s if profile else lambda n_bytes: 0.0)


def _read_key(given: str) -> tuple[int, bytes]:
    node, _, name = given.partition("=")
    if not node.isdigit() or not name:
        raise ValueError(
            f"--key {given.partition('=')[0]}=… is not of the form NODE=FILE, for example "
            "1=keys/node.key"
        )
    path = Path(name) / KEY_FILE if Path(name).is_dir() else Path(name)
    return int(node), parse_key(
        path.read_text(encoding="ascii", errors="replace"), origin=str(path)
    )


def _open(arguments: argparse.Namespace, profile: LinkProfile) -> Carrier:
    return open_carrier(
        CarrierSettings(profile, arguments.port, frequency_hz=arguments.frequency_hz)
    )


def _hear(
    carrier: Carrier, arguments: argparse.Namespace
) -> Iterator[tuple[float, Received | None]]:
    """What comes in, with the time since the beginning; None now and then, for the screen."""
    n_left, duration_s = arguments.count or inf, arguments.duration or inf
    started_s, t_s = time.monotonic(), 0.0
    while n_left > 0 and t_s < duration_s:
        received = carrier.receive(POLL_S)
        t_s = time.monotonic() - started_s
        n_left -= len(received)
        yield from ((t_s, one) for one in received)
        if not received:
            yield t_s, None


class _Screen:
    """On a terminal the last packets above the table, redrawn; elsewhere a line per packet and the
    table at the end.
    """

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._is_terminal = sys.stdout.isatty()
        self._lines: list[str] = []
        self._drawn_s = float("-inf")

    def show(self, line: Sighting | None, t_s: float) -> None:
        if line is not None:
            self._lines = [*self._lines, str(line)][-N_LINES:]
            if not self._is_terminal:
                print(line, flush=True)
        if self._is_terminal and t_s >= self._drawn_s + REDRAW_S:
            self._drawn_s = t_s
            print(
                CLEAR + "\n".join([*self._lines, "", *table(self._monitor.statistics)]), flush=True
            )

    def end(self) -> None:
        if not self._is_terminal:
            print("\n".join(["", *table(self._monitor.statistics)]))
