"""A golden recording of the wire version: what was once on the air must stay readable, whatever the
ends do by now.

Run this file to record the present version's anew, then review what the monitor makes of it
(version-3.txt).
"""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from link.bundle.bundle import Bundle
from link.coder import latent_coder
from link.medium.profiles import get_profile
from link.monitor.monitor import Monitor, table
from link.monitor.recording import (
    Recorded,
    RecordingHead,
    RecordingWriter,
    is_uplink,
    read_recording,
)
from link.node.interface import SenderOptions
from link.wire.control import AskStatus
from link.wire.packet import Flag, Header, PacketType
from tests.golden.make import TABLES, tables_of
from tests.worlds.ends import KEY, NODE, OutboxNode, World, host_end
from tests.worlds.small_bundle import make_bundle

FOLDER = Path(__file__).parent / "recordings"
BUNDLE_ID = bytes.fromhex("3fa2c1d4e5f60718")
NODE_SALT, HOST_SALT = bytes.fromhex("0a0b0c0d"), bytes.fromhex("1011121314151617")
SYMBOLS = [[0, 1, -1], [-2, 0, 1], [2, 1, 0], [1, 0, -1], [-1, 1, 1], [0, 0, 0]]
"Symbols of the images, in the order of capture."


def golden_bundle(folder: Path) -> Bundle:
    """With small tables and an id that depends on nothing."""
    return replace(make_bundle(folder / "bundle", tables_of(TABLES)), id=BUNDLE_ID)


def record(folder: Path) -> list[Recorded]:
    """Six images over SF7; the host answers, one packet is lost, and one image is enough after its
    first chunk.
    """
    bundle = golden_bundle(folder)
    node = OutboxNode(
        folder, bundle, SenderOptions(wants_time=True, wants_slot=True), salt=NODE_SALT
    )
    host = host_end(bundle, salt=HOST_SALT, unix_offset_s=1_772_366_400.0)
    world = World(node, host, enough=lambda update: update.image == first_image)
    losses = iter([False, False, False, False, False, True])
    world.passes = lambda header: header.packet_type != PacketType.DATA or not next(losses, False)
    world.run(1.0)
    host.grant_slots([NODE], 10.0, world.now_s)
    host.command(NODE, AskStatus())
    first_image = node.counters.next_counter
    for number, symbols in enumerate(SYMBOLS):
        bitstream = latent_coder.encode(np.array(symbols), bundle.tables)
        node.put(bitstream[:1], bitstream[1:2], bitstream[2:], now_s=world.now_s)
        world.run(20.0 * (number + 1))
    heard = [
        (begun_s + sent.airtime_s, sent.packet) for begun_s, sent, arrives in world.sent if arrives
    ]
    return [Recorded(t_s, packet, is_uplink(packet)) for t_s, packet in heard]


def monitored(path: Path) -> str:
    """What the monitor says of a recording, line by line, and its table."""
    with path.open(encoding="ascii") as file:
        head, packets = read_recording(file)
        monitor = Monitor({NODE: KEY}, [BUNDLE_ID], get_profile(head.profile).airtime_s)
        lines = [str(monitor.hear(one.packet, one.t_s, one.quality)) for one in packets]
    return "\n".join([*lines, "", *table(monitor.statistics), ""])


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        packets = record(Path(folder))
    assert any(Header.unpack(one.packet).flags & Flag.LISTEN for one in packets)
    path = FOLDER / "version-3.jsonl"
    with path.open("w", encoding="ascii") as file:
        writer = RecordingWriter(file, RecordingHead("lora-sf7", 0.0))
        for packet in packets:
            writer.write(packet)
    path.with_suffix(".txt").write_text(monitored(path), encoding="utf-8")


if __name__ == "__main__":
    main()
