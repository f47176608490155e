"""Readers of bodies, files and messages, each with valid inputs to start from.

A body that can only be read together with a packet counter comes with it: 6 bytes of counter in
front. What was read is packed again and must read the same, so a target is also wrong when it takes
bytes for something that cannot be said.
"""

import io
import json
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

from link.bundle.bundle import Bundle, BundleError, compute_id
from link.carriers.carrier import Received
from link.coder import latent_coder
from link.coder.tables import Tables
from link.lorawan import wire as lorawan
from link.lorawan.host.carrier import LoRaWan, NetworkSettings
from link.monitor.recording import Recorded, RecordingHead, RecordingWriter, read_recording
from link.security.seal import Direction, Seal
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
    unpack_command,
)
from link.wire.erasure import ParityDecoder, ParityPlan
from link.wire.framing import MAX_PACKET_BYTES, Deframer, cobs_decode, cobs_encode, frame
from link.wire.packet import Chunk, Flag, Header, PacketType, pack_batch, unpack_batch
from tests.studies.erasure import send
from tests.studies.fuzz.harness import Surroundings, Target
from tests.worlds.broker import chirpstack_uplink, things_stack_uplink
from tests.worlds.small_bundle import make_bundle, random_symbols, random_tables

COUNTER = 70_000
"The counter of the seeds."
COUNTER_BYTES = 6
BUNDLE_ID = bytes.fromhex("3fa2c1d4e5f60718")
CHUNKS = [
    Chunk(COUNTER - 1, 0, False, b"\x91\x02", age_s=0.0),
    Chunk(COUNTER - 1, 1, True, b"\x03"),
    Chunk(COUNTER - 3, 0, True, b"\x11\x22\x33\x44", age_s=None),
    Chunk(COUNTER - 5000, 30, True, b""),
]
DEVICE = "70b3d57ed005b89a"


def packet_header(_: Surroundings) -> Target:
    def read(packet: bytes) -> Header:
        header = Header.unpack(packet)
        assert header.pack() == packet[: header.n_bytes]
        return header

    salted = Header(7, 5, PacketType.HELLO, Flag.SALT | Flag.LISTEN, b"salt")
    return Target(
        read, [Header(7, 65535).pack() + b"sealed", salted.pack(), b"\xbf\x07\x00\x01saltsalt"]
    )


def chunk(_: Surroundings) -> Target:
    def read(counter: int, body: bytes) -> object:
        chunk = Chunk.unpack(body, counter)
        assert 0 <= chunk.image <= counter
        assert Chunk.unpack(chunk.pack(counter), counter) == chunk
        return chunk

    return _with_counter(read, [chunk.pack(COUNTER) for chunk in CHUNKS])


def batch(_: Surroundings) -> Target:
    def read(counter: int, body: bytes) -> object:
        chunks = unpack_batch(body, counter)
        assert unpack_batch(pack_batch(chunks, counter), counter) == chunks
        return chunks

    return _with_counter(read, [pack_batch(CHUNKS, COUNTER), pack_batch(CHUNKS[:1], COUNTER)])


def report(_: Surroundings) -> Target:
    def read(counter: int, body: bytes) -> object:
        report = Report.unpack(body, counter)
        assert 0 <= report.highest <= counter
        assert report.pack() == body
        return report

    first = Report(COUNTER - 1, 0b1011, 0b10, Quality(-4, -100), n_chunks=2, budget_s=31)
    return _with_counter(read, [first.pack(), Report(COUNTER, 1).pack()])


def command(_: Surroundings) -> Target:
    def read(body: bytes) -> object:
        command = unpack_command(body)
        assert pack_command(command) == body
        return command

    return Target(
        read,
        [pack_command(each) for each in (Advance(COUNTER), Renew(), Slot(1.5, 60, 2), AskStatus())],
    )


def control(_: Surroundings) -> Target:
    """TIME, HELLO and STATUS, told apart by the first byte."""
    kinds: tuple[Any, ...] = (Time, Hello, Status)

    def read(data: bytes) -> object:
        kind = kinds[data[0] % 3 if data else 0]
        body = kind.unpack(data[1:])
        assert kind.unpack(body.pack()) == body
        return body

    bodies: tuple[Any, ...] = (
        Time(1.75e9),
        Hello(BUNDLE_ID, wants_time=True),
        Status(300, 12.5, None, 7, 3, 2),
    )
    return Target(read, [bytes([number]) + body.pack() for number, body in enumerate(bodies)])


def parity(_: Surroundings) -> Target:
    decoder = ParityDecoder()

    def read(data: bytes) -> object:
        """Bodies and parity packets in turn; the decoder lives on, as it does in a session."""
        counter = int.from_bytes(data[:COUNTER_BYTES], "big")
        decoder.push(counter, data[COUNTER_BYTES:][:240], PacketType.DATA)
        parity = Parity.unpack(data[COUNTER_BYTES:], counter)
        assert Parity.unpack(parity.pack(counter), counter) == parity
        return [parity, *decoder.push_parity(parity)]

    sent = send(ParityPlan(4, 2, 2), [(bytes([n]) * n, PacketType.DATA) for n in range(8)])
    packed = [part.pack(part.members[-1] + 9) for part in sent if isinstance(part, Parity)]
    return Target(read, [(23).to_bytes(COUNTER_BYTES, "big") + body for body in packed])


def seal(_: Surroundings) -> Target:
    sealer = Seal(bytes(range(16)), 7, b"salt", Direction.UPLINK)
    headers = [
        Header(7, COUNTER & 0xFFFF, kind, Flag.SALT, b"salt")
        for kind in PacketType
        if kind.is_uplink
    ]
    sealed = [sealer.seal(header, COUNTER, b"bitstream", BUNDLE_ID) for header in headers]

    def read(packet: bytes) -> bool:
        body = sealer.open(packet, Header.unpack(packet), COUNTER, BUNDLE_ID)
        assert (body is not None) == (packet in sealed)
        return body is not None

    return Target(read, sealed)


def deframer(_: Surroundings) -> Target:
    stream = Deframer()

    def read(data: bytes) -> list[bytes]:
        packets = stream.push(data)
        assert all(len(packet) <= MAX_PACKET_BYTES for packet in packets)
        return packets

    return Target(
        read,
        [frame(b"packet"), frame(bytes(255)), frame(b"one") + frame(bytes([7] * 254)) + b"\0\0"],
    )


def cobs(_: Surroundings) -> Target:
    def read(data: bytes) -> bool:
        decoded = cobs_decode(data)
        assert decoded is None or len(decoded) <= len(data)
        return decoded is not None

    return Target(
        read,
        [
            cobs_encode(data)
            for data in (b"latent", bytes(9), bytes([7] * 254), b"\0" + bytes([7] * 255))
        ],
    )


def latents(_: Surroundings) -> Target:
    tables = random_tables(seed=3)
    seeds = [latent_coder.encode(random_symbols(tables, seed), tables) for seed in range(8)]

    def read(bitstream: bytes) -> object:
        with suppress(ValueError):
            latent_coder.decode(bitstream, tables, complete=False)
        latent = latent_coder.decode(bitstream, tables)
        assert latent.n_known == tables.n_latents
        return latent

    return Target(read, seeds)


def tables_file(around: Surroundings) -> Target:
    file = around.folder / "tables.npz"
    seeds = []
    for seed in range(3):
        random_tables(seed, n_latents=3, n_components=2, max_symbols=5).to_npz(file)
        seeds.append(file.read_bytes())

    def read(data: bytes) -> object:
        file.write_bytes(data)
        return Tables.from_npz(file)

    return Target(read, seeds, peak_bytes=64 << 20)


def manifest(around: Surroundings) -> Target:
    bundle = make_bundle(around.folder / "bundle")
    file = bundle.path / "manifest.json"

    def read(data: bytes) -> object:
        file.write_bytes(_with_its_id(data) if len(data) % 2 else data)
        return Bundle.load(bundle.path, "host").data_set

    return Target(read, [file.read_bytes()], refusals=(BundleError,), is_text=True)


def _with_its_id(data: bytes) -> bytes:
    """A manifest with the id that belongs to it, where that can be: so that not every change ends
    there.
    """
    with suppress(ValueError, RecursionError):
        content = json.loads(data)
        if isinstance(content, dict):
            return json.dumps(
                content | {"bundle_id": compute_id(content.get("node")).hex()}
            ).encode()
    return data


def recording(_: Surroundings) -> Target:
    file = io.StringIO()
    writer = RecordingWriter(file, RecordingHead("rn2483-sf9", 1.75e9))
    for packet in (
        Recorded(0.0, b"\x80\x07", True, Quality(7.5, -90)),
        Recorded(1.25, b"\xa8", False),
    ):
        writer.write(packet)

    def read(data: bytes) -> list[Recorded]:
        _, packets = read_recording(io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
        return list(packets)

    return Target(read, [file.getvalue().encode()], is_text=True)


def lorawan_packet(_: Surroundings) -> Target:
    def read(data: bytes) -> object:
        header, packet_type, body = lorawan.unpack_packet(data)
        reference = header.counter_low << 16
        if packet_type == PacketType.DATA:
            return lorawan.unpack_chunk(body, reference)
        if packet_type == PacketType.BATCH:
            return lorawan.unpack_batch(body, reference)
        if packet_type == PacketType.HELLO:
            return lorawan.Greeting.unpack(body)
        return lorawan.unpack_enough(body, reference)

    bodies = {
        PacketType.DATA: lorawan.pack_chunk(CHUNKS[0]),
        PacketType.BATCH: lorawan.pack_batch(CHUNKS),
        PacketType.HELLO: lorawan.Greeting(BUNDLE_ID, COUNTER).pack(),
    }
    up = [lorawan.uplink_packet(7, b"salt", 9, kind, body) for kind, body in bodies.items()]
    return Target(
        read, [*up, lorawan.plain_packet(7, PacketType.REPORT, lorawan.pack_enough([COUNTER]))]
    )


class FakeBroker:
    """Stands for paho's client: delivers at once what is published."""

    on_connect: Any = None
    on_subscribe: Any = None
    on_message: Any = None

    def __init__(self) -> None:
        self.published: list[tuple[str, bytes]] = []

    def connect(self, *_: object) -> None:
        self.on_connect(self, None, None, SimpleNamespace(is_failure=False), None)

    def subscribe(self, *_: object) -> None:
        self.on_subscribe(self, None, 1, [], None)

    def ack(self, *_: object) -> int:
        return 0

    def loop(self, _: float) -> int:
        for topic, payload in self.published:
            self.on_message(
                self,
                None,
                SimpleNamespace(
                    topic=topic, payload=payload, mid=1, qos=1, retain=False, properties=None
                ),
            )
        self.published.clear()
        return 0


def chirpstack(around: Surroundings) -> Target:
    uplinks = [chirpstack_uplink(DEVICE, n, 101 + n % 3, b"\x01\x02\x03chunk") for n in range(3)]
    return _broker(around, "chirpstack", "a1", f"application/a1/device/{DEVICE}/event/up", uplinks)


def things_stack(around: Surroundings) -> Target:
    uplinks = [things_stack_uplink(DEVICE, n, 101 + n % 3, b"\x01\x02\x03chunk") for n in range(3)]
    return _broker(around, "things-stack", "app@ttn", f"v3/app@ttn/devices/{DEVICE}/up", uplinks)


def _broker(
    around: Surroundings, server: str, application: str, topic: str, uplinks: list[dict[str, Any]]
) -> Target:
    """A network server's messages, read by the carrier; the topic is damaged too, now and then."""
    client = FakeBroker()
    around.patch.setattr(
        "link.carriers.mqtt.connection.BrokerConnection._make_client", lambda _: client
    )
    carrier = LoRaWan(
        NetworkSettings(server=server, application=application, host="broker", devices={DEVICE: 7})
    )

    def read(data: bytes) -> list[Received]:
        is_lost = data[-1:] != b"}"
        client.published.append((data[:40].decode("latin-1") if is_lost else topic, data))
        n_noise = carrier.statistics.n_noise
        received = carrier.receive(0.0)
        assert len(received) + carrier.statistics.n_noise - n_noise == 1
        for each in received:
            lorawan.unpack_packet(each.packet)
        return received

    return Target(read, [json.dumps(uplink).encode() for uplink in uplinks], is_text=True)


def _with_counter(read: Callable[[int, bytes], object], bodies: list[bytes]) -> Target:
    def read_both(data: bytes) -> object:
        return read(int.from_bytes(data[:COUNTER_BYTES], "big"), data[COUNTER_BYTES:])

    return Target(read_both, [COUNTER.to_bytes(COUNTER_BYTES, "big") + body for body in bodies])
