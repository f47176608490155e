"""Both ends of the link, which answer to whatever arrives and live on.

The first byte of an input says what it is. Odd: the rest is a packet as anybody may send it, not to
be believed unless it really was sealed. Even: the rest is a body that a genuine peer has sealed, as
a broken or newer program might; what it says may be refused, but must not break anything.
"""

from collections.abc import Iterable
from random import Random

from device.outbox.outbox import Outbox
from link.host.interface import NodeEntry, Outcome, Rejected, Update
from link.host.receiver import Receiver
from link.lorawan.host.receiver import LoRaWanReceiver
from link.lorawan.node.sender import LoRaWanSender
from link.lorawan.wire import Greeting, pack_chunk, pack_enough, plain_packet, uplink_packet
from link.lorawan.wire import pack_batch as pack_lorawan_batch
from link.medium.governor import AirtimeLimit, Governor
from link.monitor.monitor import Monitor
from link.node.interface import Equipment, Identity
from link.node.interface import Rejected as RejectedByNode
from link.node.sender import Sender
from link.security.keys import COUNTER_END
from link.security.seal import Direction, Seal, downlink_key, uplink_key
from link.wire.control import (
    Advance,
    AskStatus,
    Hello,
    Parity,
    Quality,
    Renew,
    Report,
    Slot,
    Status,
    Time,
    pack_command,
)
from link.wire.packet import Chunk, Flag, Header, PacketType, pack_batch
from tests.studies.fuzz.harness import Surroundings, Target
from tests.worlds.ends import KEY, NODE, SF7, Counting, OutboxNode, host_end
from tests.worlds.small_bundle import make_bundle

SALT, HOST_SALT = b"salt", b"hostsalt"
UPLINK = [kind for kind in PacketType if kind.is_uplink]
DOWNLINK = [kind for kind in PacketType if not kind.is_uplink]
STEP_S = 2.0
"From one input to the next."
IMAGE = 3
EVERY_IMAGE = 16
"Inputs from one captured image to the next."


class Uplink:
    """A genuine node's seal, with a counter of its own."""

    def __init__(self, bundle_id: bytes) -> None:
        self._bundle_id = bundle_id
        self._seal = Seal(uplink_key(KEY, SALT), NODE, SALT, Direction.UPLINK)
        self.counter = IMAGE
        self.sealed: set[bytes] = set()

    def packet(self, packet_type: PacketType, body: bytes) -> bytes:
        self.counter += 1
        header = Header(NODE, self.counter & 0xFFFF, packet_type, Flag.SALT | Flag.LISTEN, SALT)
        has_bundle = packet_type in (PacketType.DATA, PacketType.BATCH, PacketType.PARITY)
        packet = self._seal.seal(header, self.counter, body, self._bundle_id if has_bundle else b"")
        self.sealed.add(packet)
        return packet

    def bodies(self) -> list[bytes]:
        """One of each type, in the order of UPLINK."""
        chunk = Chunk(IMAGE, 0, True, b"\x91\x02", age_s=1.0)
        later = Chunk(IMAGE, 1, True, b"\x03")
        return [
            chunk.pack(IMAGE + 1),
            pack_batch([chunk, later], IMAGE + 1),
            Parity((IMAGE + 1, IMAGE + 2), 0, 2, b"symbol").pack(IMAGE + 3),
            Status(3, 12.5, 30.0).pack(),
            Hello(self._bundle_id, wants_time=True, wants_slot=True).pack(),
        ]


def _inputs(bodies: Iterable[bytes], packets: Iterable[bytes]) -> list[bytes]:
    return [bytes([2 * kind]) + body for kind, body in enumerate(bodies)] + [
        b"\x01" + packet for packet in packets
    ]


def _answered(host: Receiver | LoRaWanReceiver, outcomes: list[Outcome], now_s: float) -> bool:
    """Do as a host's program does: store, confirm, send what is due. Whether anything was of
    use.
    """
    for outcome in outcomes:
        assert not isinstance(outcome, Rejected) or outcome.sentence
        if outcome.counter is not None and outcome.node is not None:
            host.confirm(
                outcome.node,
                outcome.counter,
                [outcome.image] if isinstance(outcome, Update) else [],
            )
    for _ in range(8):
        if host.next_packet(now_s) is None:
            break
        host.transmitted(now_s)
    host.next_due_s(now_s)
    host.take_notices()
    return any(not isinstance(outcome, Rejected) for outcome in outcomes)


def receiver(around: Surroundings) -> Target:
    bundle = make_bundle(around.folder / "bundle")
    host = host_end(bundle, salt=HOST_SALT, unix_offset_s=1.7e9)
    node = Uplink(bundle.id)
    now_s = 0.0

    def read(data: bytes) -> bool:
        nonlocal now_s
        now_s += STEP_S
        is_raw = bool(data) and data[0] % 2 == 1
        packet = (
            data[1:] if is_raw else node.packet(UPLINK[data[0] // 2 % 5 if data else 0], data[1:])
        )
        outcomes = host.receive(packet, now_s, Quality(-3.0, -90.0))
        is_of_use = _answered(host, outcomes, now_s)
        assert not (is_of_use and is_raw and packet not in node.sealed)
        return is_of_use or is_raw

    packets = [node.packet(kind, body) for kind, body in zip(UPLINK, node.bodies(), strict=True)]
    return Target(
        read, _inputs(node.bodies(), packets), refusals=(), peak_bytes=4 << 20, kept_bytes=4 << 20
    )


class Downlink:
    """A genuine host's seal towards a session of the node."""

    def __init__(self) -> None:
        self.node_salt = SALT
        self._n_sealed = 0
        self.sealed: set[bytes] = set()

    def packet(self, packet_type: PacketType, body: bytes) -> bytes:
        counter, self._n_sealed = self._n_sealed, self._n_sealed + 1
        header = Header(NODE, counter & 0xFFFF, packet_type, Flag.SALT, HOST_SALT)
        seal = Seal(
            downlink_key(KEY, self.node_salt, HOST_SALT), NODE, self.node_salt, Direction.DOWNLINK
        )
        packet = seal.seal(header, counter, body)
        self.sealed.add(packet)
        return packet

    @staticmethod
    def bodies() -> list[tuple[PacketType, bytes]]:
        commands = (Advance(70_000), Renew(), Slot(1.5, 60.0, 2.0), AskStatus())
        return [
            (
                PacketType.REPORT,
                Report(IMAGE, 0b1011, 0b10, Quality(-4, -100), n_chunks=2, budget_s=31).pack(),
            ),
            *((PacketType.COMMAND, pack_command(command)) for command in commands),
            (PacketType.TIME, Time(1.75e9).pack()),
        ]


def sender(around: Surroundings) -> Target:
    """A node that goes on capturing and sending meanwhile."""
    bundle = make_bundle(around.folder / "bundle")
    governor = Governor([AirtimeLimit(3600.0, 360.0)])
    node = OutboxNode(around.folder, bundle, governor=governor, salt=SALT)
    host = Downlink()
    now_s, n_read = 0.0, 0

    def read(data: bytes) -> bool:
        nonlocal now_s, n_read
        now_s, n_read = now_s + STEP_S, n_read + 1
        if n_read % EVERY_IMAGE == 0 and node.outbox.n_images < 20:
            node.put(b"base", b"more", now_s=now_s)
        is_raw = bool(data) and data[0] % 2 == 1
        packet = (
            data[1:]
            if is_raw
            else host.packet(DOWNLINK[data[0] // 2 % 3] if data else PacketType.REPORT, data[1:])
        )
        heard = node.sender.receive(packet, now_s)
        assert not isinstance(heard, RejectedByNode) or heard.sentence
        is_heard = heard is not None and not isinstance(heard, RejectedByNode)
        assert not (is_heard and is_raw and packet not in host.sealed)
        _speak(node.sender, now_s, host)
        if node.counters.next_counter > COUNTER_END // 2:  # a genuine ADVANCE has used them up
            node.counters.next_counter = 0
        return is_heard or is_raw

    seeds = [bytes([2 * DOWNLINK.index(kind)]) + body for kind, body in host.bodies()]
    packets = [b"\x01" + host.packet(kind, body) for kind, body in host.bodies()]
    return Target(read, seeds + packets, refusals=(), peak_bytes=4 << 20, kept_bytes=4 << 20)


def _speak(sender: Sender | LoRaWanSender, now_s: float, host: Downlink | None = None) -> None:
    sender.next_due_s(now_s)
    outgoing = sender.next_packet(now_s)
    if outgoing is None:
        return
    sender.transmitted(now_s + outgoing.airtime_s)
    if host and (salt := Header.unpack(outgoing.packet).salt):
        host.node_salt = salt


def lorawan_receiver(around: Surroundings) -> Target:
    bundle = make_bundle(around.folder / "bundle")
    host = LoRaWanReceiver({NODE: NodeEntry(KEY, bundle)}, SF7)
    now_s = 0.0

    def read(packet: bytes) -> bool:
        nonlocal now_s
        now_s += STEP_S
        return _answered(host, host.receive(packet, now_s), now_s)

    chunks = [Chunk(IMAGE, 0, False, b"\x91\x02", age_s=1.0), Chunk(IMAGE, 1, True, b"\x03")]
    bodies = [
        (PacketType.HELLO, Greeting(bundle.id, IMAGE).pack()),
        (PacketType.DATA, pack_chunk(chunks[0])),
        (PacketType.BATCH, pack_lorawan_batch(chunks)),
        (PacketType.STATUS, Status(3, 12.5, 30.0).pack()),
    ]
    seeds = [
        uplink_packet(NODE, SALT, number, kind, body) for number, (kind, body) in enumerate(bodies)
    ]
    return Target(read, seeds, refusals=(), peak_bytes=4 << 20, kept_bytes=4 << 20)


def lorawan_sender(around: Surroundings) -> Target:
    bundle = make_bundle(around.folder / "bundle")
    outbox = Outbox(around.folder / "outbox.sqlite", boot_id="boot")
    counters = Counting()
    equipment = Equipment(counters, outbox, Governor(), SF7, Random(0))
    node = LoRaWanSender(Identity(NODE, bundle.id), equipment)
    now_s, n_read = 0.0, 0

    def read(packet: bytes) -> bool:
        nonlocal now_s, n_read
        now_s, n_read = now_s + STEP_S, n_read + 1
        if n_read % EVERY_IMAGE == 0 and outbox.n_images < 20:
            outbox.put(counters.next(), [b"base", b"more"], now_s)
        heard = node.receive(packet, now_s)
        _speak(node, now_s)
        return heard is not None and not isinstance(heard, RejectedByNode)

    seeds = [plain_packet(NODE, PacketType.REPORT, body) for body in (b"", pack_enough([IMAGE]))]
    commands = [
        plain_packet(NODE, PacketType.COMMAND, pack_command(command))
        for command in (Renew(), AskStatus())
    ]
    return Target(read, seeds + commands, refusals=(), peak_bytes=4 << 20, kept_bytes=4 << 20)


def monitor(around: Surroundings) -> Target:
    """With the key of one node; everybody's packets are shown."""
    bundle = make_bundle(around.folder / "bundle")
    shown = Monitor({NODE: KEY}, [bundle.id], SF7.profile.airtime_s)
    up, down = Uplink(bundle.id), Downlink()
    now_s = 0.0

    def read(packet: bytes) -> str:
        nonlocal now_s
        now_s += STEP_S
        return str(shown.hear(packet, now_s, Quality(-3.0, -90.0)))

    seeds = [up.packet(kind, body) for kind, body in zip(UPLINK, up.bodies(), strict=True)]
    seeds += [down.packet(kind, body) for kind, body in down.bodies()]
    return Target(read, seeds, refusals=(), peak_bytes=4 << 20, kept_bytes=8 << 20)
