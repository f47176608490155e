"""Monitor: what passes on a line, one sentence per packet and the figures of each node; it listens
and never speaks.

Headers are in clear, so types, counters, losses and signal can be seen of any line. With a node's
key and the id of its bundle the bodies open too, from the first packet on in which the node tells
its salt; nothing is decoded.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from link.base.recent import Recent
from link.host.losses import Losses
from link.host.statistics import NodeStatistics
from link.lorawan import wire as lorawan
from link.monitor.explain import (
    Explained,
    explain_downlink,
    explain_lorawan,
    explain_uplink,
    figure,
)
from link.security.seal import (
    Direction,
    ReplayWindow,
    Seal,
    downlink_key,
    possible_counters,
    reconstruct_counter,
    uplink_key,
)
from link.wire.control import NO_QUALITY, Quality, Report
from link.wire.packet import (
    COUNTER_LOW_BITS,
    MAX_PACKET_BYTES,
    WIRE_VERSION,
    WITH_BUNDLE,
    ChunkId,
    Flag,
    Header,
    PacketType,
)

MAX_SESSIONS = 4
"The most for one node: sessions still opened, and host salts still tried."
MAX_PACKETS = 256
"The most for one node: packets of which it is remembered what they held."


@dataclass(frozen=True)
class Sighting:
    """One packet, for a person."""

    t_s: float
    node: int | None
    kind: str
    n_bytes: int
    quality: Quality
    text: str

    def __str__(self) -> str:
        node = "?" if self.node is None else str(self.node)
        signal = "" if self.quality.snr_db is None else f"{self.quality.snr_db:+5.1f} dB"
        if self.quality.rssi_dbm is not None:
            signal += f" {self.quality.rssi_dbm:4.0f} dBm"
        return (
            f"{self.t_s:9.3f}  node {node:>3}  {self.kind:8} {self.n_bytes:3} B  {signal:18} "
            f"{self.text}"
        )


@dataclass
class _Session:
    """One start of a node, with the starts of the host that spoke to it."""

    salt: bytes
    uplink: Seal
    window: ReplayWindow = field(default_factory=ReplayWindow)
    downlinks: Recent[bytes, tuple[Seal, ReplayWindow]] = field(
        default_factory=lambda: Recent(MAX_SESSIONS)
    )


@dataclass
class _Node:
    statistics: NodeStatistics
    window: ReplayWindow = field(default_factory=ReplayWindow)
    "The window of counters as the headers tell them, for packets that are not opened."
    sessions: Recent[bytes, _Session] = field(default_factory=lambda: Recent(MAX_SESSIONS))
    latest: int = 0
    "The counter of the last uplink."
    chunks: Recent[int, tuple[ChunkId, ...]] = field(default_factory=lambda: Recent(MAX_PACKETS))
    "Chunks of the latest packets, by counter: a report names images by their place among them."
    address: bytes = b""
    "LoRaWAN: of the network's session."
    reference: int = 0
    "LoRaWAN: the image id told last."

    @property
    def newest(self) -> int:
        """The highest counter that a report may speak of, also of packets not heard here."""
        return self.latest + (1 << COUNTER_LOW_BITS - 1)

    def remember(self, counter: int, explained: Explained) -> None:
        """What a packet held, if it was opened."""
        if explained.is_open:
            self.chunks[counter] = tuple((chunk.image, chunk.index) for chunk in explained.chunks)

    def note_verdicts(self, body: bytes, now_s: float) -> None:
        """The verdicts of a REPORT, as far back as what the packets held is known here."""
        with suppress(ValueError):
            report = Report.unpack(body, self.newest)
            images: list[int] = []
            for counter in report.received_counters():
                if counter not in self.chunks:
                    break
                images += [image for image, _ in reversed(self.chunks[counter])]
            for place in report.enough_places():
                if place < len(images):
                    self.statistics.decided(images[place], self._n_chunks(images[place]), now_s)

    def _n_chunks(self, image: int) -> int:
        """Chunks of it that were heard here."""
        return len(
            {chunk for chunks in self.chunks.values() for chunk in chunks if chunk[0] == image}
        )


class Monitor:
    """Packets in, lines and statistics out."""

    def __init__(
        self,
        keys: Mapping[int, bytes] | None = None,
        bundle_ids: Sequence[bytes] = (),
        airtime_s: Callable[[int], float] = lambda n_bytes: 0.0,
    ) -> None:
        """`keys` are master keys by node, `bundle_ids` those that may have sealed latents."""
        self._keys = dict(keys or {})
        self._bundle_ids = list(bundle_ids)
        self._airtime_s = airtime_s
        self._nodes: dict[int, _Node] = {}

    @property
    def statistics(self) -> dict[int, NodeStatistics]:
        """By node."""
        return {number: node.statistics for number, node in sorted(self._nodes.items())}

    def hear(self, packet: bytes, now_s: float, quality: Quality = NO_QUALITY) -> Sighting:
        """Whatever came in."""
        try:
            header = Header.unpack(packet)
        except ValueError as error:
            return self._foreign(packet, now_s, quality, str(error))
        if header.version not in (WIRE_VERSION, lorawan.LORAWAN_VERSION):
            return self._foreign(
                packet, now_s, quality, f"wire version {header.version} is none of ours"
            )
        if _frame_bytes(header, packet) > MAX_PACKET_BYTES:
            return self._foreign(
                packet, now_s, quality, f"{len(packet)} bytes are more than fit a frame"
            )
        kind = PacketType(header.packet_type)
        node = self._nodes.setdefault(
            header.node, _Node(NodeStatistics(Losses(header.version == WIRE_VERSION)))
        )
        if not kind.is_uplink:
            node.statistics.transmitted(len(packet), self._airtime_s(len(packet)))
            text = self._downlink_text(node, header, packet, now_s)
        elif header.version == lorawan.LORAWAN_VERSION:
            text = self._hear_lorawan(node, header, packet, now_s, quality)
        else:
            text = self._hear_uplink(node, header, packet, now_s, quality)
        return Sighting(
            now_s, header.node, kind.name, len(packet), quality, f"{_flags(header)}{text}"
        )

    def _foreign(self, packet: bytes, now_s: float, quality: Quality, text: str) -> Sighting:
        return Sighting(now_s, None, "?", len(packet), quality, f"{text}: {packet[:16].hex()}")

    def _hear_uplink(
        self, node: _Node, header: Header, packet: bytes, now_s: float, quality: Quality
    ) -> str:
        opened = self._open_uplink(node, header, packet)
        if opened is None and header.node in self._keys and (node.sessions or header.salt):
            node.statistics.n_bad_tag += 1
            return (
                f"counter …{header.counter_low}, does not open with the key and the bundles given"
            )
        if opened is None:
            counter = reconstruct_counter(header.counter_low, node.window.highest)
            return self._count(
                node,
                node.window,
                counter,
                packet,
                now_s,
                quality,
                Explained("sealed", is_open=False),
            )
        window, counter, body = opened
        explained = explain_uplink(PacketType(header.packet_type), body, counter)
        return self._count(node, window, counter, packet, now_s, quality, explained)

    def _count(
        self,
        node: _Node,
        window: ReplayWindow,
        counter: int,
        packet: bytes,
        now_s: float,
        quality: Quality,
        explained: Explained,
    ) -> str:
        """Into the statistics, unless it was there before."""
        if not window.is_new(counter):
            node.statistics.n_duplicate += 1
            return f"counter {counter}, again"
        window.mark(counter)
        node.latest = counter
        node.remember(counter, explained)
        node.statistics.status = explained.status or node.statistics.status
        node.statistics.n_malformed += explained.is_malformed
        airtime_s = self._airtime_s(len(packet))
        node.statistics.heard(counter, len(packet), now_s, airtime_s, quality, explained.chunks)
        return f"counter {counter}, {explained.text}"

    def _open_uplink(
        self, node: _Node, header: Header, packet: bytes
    ) -> tuple[ReplayWindow, int, bytes] | None:
        for session in self._sessions(node, header):
            highest = session.window.highest
            counter = (
                header.counter
                if header.tells_counter
                else reconstruct_counter(header.counter_low, highest)
            )
            for bundle_id in self._bundle_ids if header.packet_type in WITH_BUNDLE else [b""]:
                body = session.uplink.open(packet, header, counter, bundle_id)
                if body is not None:
                    self._keep(node, session)
                    return session.window, counter, body
        return None

    def _sessions(self, node: _Node, header: Header) -> Iterable[_Session]:
        """Those that the packet may belong to: the one it names, or the known, latest first."""
        if header.node not in self._keys:
            return []
        if not header.salt:
            return list(reversed(node.sessions.values()))
        if header.salt in node.sessions:
            return [node.sessions[header.salt]]
        seal = Seal(
            uplink_key(self._keys[header.node], header.salt),
            header.node,
            header.salt,
            Direction.UPLINK,
        )
        return [_Session(header.salt, seal)]

    def _keep(self, node: _Node, session: _Session) -> None:
        if session.salt not in node.sessions:
            node.statistics.restarted()
            node.sessions[session.salt] = session
            node.chunks.clear()

    def _downlink_text(self, node: _Node, header: Header, packet: bytes, now_s: float) -> str:
        if header.version == lorawan.LORAWAN_VERSION:
            return packet[header.n_bytes :].hex() or "acknowledged by the network"
        body = self._open_downlink(node, header, packet)
        if body is None:
            return "sealed"
        kind = PacketType(header.packet_type)
        if kind == PacketType.REPORT:
            node.note_verdicts(body, now_s)
        return explain_downlink(kind, body, node.newest)

    def _open_downlink(self, node: _Node, header: Header, packet: bytes) -> bytes | None:
        for session in reversed(node.sessions.values()):
            if header.salt and header.salt not in session.downlinks:
                key = downlink_key(self._keys[header.node], session.salt, header.salt)
                seal = Seal(key, header.node, session.salt, Direction.DOWNLINK)
                session.downlinks[header.salt] = (seal, ReplayWindow())
            for seal, window in session.downlinks.values():
                for counter in possible_counters(header.counter_low, window.highest):
                    if (body := seal.open(packet, header, counter)) is not None:
                        window.mark(max(counter, window.highest))
                        return body
        return None

    def _hear_lorawan(
        self, node: _Node, header: Header, packet: bytes, now_s: float, quality: Quality
    ) -> str:
        if header.salt != node.address:
            node.statistics.restarted()
            node.address = header.salt
            node.window = ReplayWindow()
        counter = reconstruct_counter(header.counter_low, node.window.highest)
        body = packet[header.n_bytes :]
        explained = explain_lorawan(PacketType(header.packet_type), body, node.reference)
        node.reference = node.reference if explained.reference is None else explained.reference
        frame = bytes(_frame_bytes(header, packet))
        return self._count(node, node.window, counter, frame, now_s, quality, explained)


def _frame_bytes(header: Header, packet: bytes) -> int:
    """Length on the air; over LoRaWAN our header is none of it."""
    is_native = header.version == WIRE_VERSION
    return len(packet) if is_native else lorawan.FRAME_BYTES + len(packet) - header.n_bytes


HEADINGS = (
    "node",
    "sent",
    "came",
    "lost",
    "again",
    "bad",
    "images",
    "airtime",
    "SNR",
    "RSSI",
    "chunks at stop",
    "stop took",
    "queue",
    "oldest",
    "budget",
)


def table(statistics: Mapping[int, NodeStatistics]) -> list[str]:
    """The figures of all nodes, as lines of text."""
    rows = [HEADINGS, *(_row(number, figures) for number, figures in statistics.items())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    for number, figures in statistics.items():
        if figures.losses.by_chunk:
            shares = [
                f"{index}: {100 * lost / (lost + figures.received_by_chunk[index]):.0f} %"
                for index, lost in sorted(figures.losses.by_chunk.items())
            ]
            lines.append(f"node {number}, lost by chunk   {'   '.join(shares)}")
    return lines


def _row(number: int, figures: NodeStatistics) -> tuple[str, ...]:
    loss = figures.loss_ratio
    status = figures.status
    return (
        str(number),
        str(figures.n_sent),
        str(figures.n_received),
        "-" if loss is None else f"{100 * loss:.1f} %",
        str(figures.n_duplicate + figures.n_replayed),
        str(figures.n_bad_tag + figures.n_malformed),
        str(figures.n_images),
        f"{figures.airtime_s:.1f} s",
        figure(figures.snr_db.mean, "dB"),
        figure(figures.rssi_dbm.mean, "dBm"),
        figure(figures.mean_chunks_at_decision, ""),
        figure(figures.mean_stop_latency_s, "s"),
        "-" if status is None else str(status.queue_images),
        figure(status.oldest_age_s if status else None, "s"),
        figure(status.budget_s if status else None, "s"),
    )


def _flags(header: Header) -> str:
    names = [flag.name.lower() for flag in Flag if header.flags & flag and flag.name is not None]
    return f"[{' '.join(names)}] " if names else ""
