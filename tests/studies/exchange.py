"""Exchanges: what it takes to carry the chunks of many images, in packets and reports, when
verdicts stop them.

An exchange takes images in groups, in rounds: each round sends the next chunk of every image that
is not settled, as DATA packets of one chunk or packed into BATCH packets, and ends with one REPORT,
which acknowledges and holds the verdicts. A new group is taken when the last is settled, or, where
chunks ride along, in every round.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from link.wire.packet import AGE_BYTES, CHUNK_HEAD_BYTES, PacketType, overhead_bytes

GROUP = 8
"Images taken at once."
WHOLE = 255
"As a size of chunks: all the rest in one."

Cut = tuple[int, int]
"Bytes of the first chunk and of the later ones."


def cut_name(cut: Cut) -> str:
    return f"{cut[0]}/{'rest' if cut[1] == WHOLE else cut[1]}"


@dataclass(frozen=True)
class Exchange:
    """How the chunks of images travel."""

    cut: Cut
    is_batched: bool = False
    has_verdicts: bool = True
    is_joint: bool = False
    "A BATCH has one verdict: all its images go on while any of them needs more."
    rides_along: bool = False
    """Later chunks travel with the next group's first ones, so that no packet and no report is sent
    for them alone.
    """

    @property
    def name(self) -> str:
        kind = "BATCH" if self.is_batched else "DATA"
        if self.cut == (WHOLE, WHOLE):
            return f"{kind} of whole images"
        remarks = {
            "no verdicts": not self.has_verdicts,
            "joint": self.is_joint,
            "riding along": self.rides_along,
        }
        return ", ".join(
            [
                f"{kind} {cut_name(self.cut)}",
                *(remark for remark, holds in remarks.items() if holds),
            ]
        )


@dataclass(frozen=True, eq=False)
class Stopped:
    """Where each image was stopped."""

    n_bytes: np.ndarray
    "int64 (N,): of its bitstream, sent."
    n_chunks: np.ndarray
    "int64 (N,)"


@dataclass
class Progress:
    """One image on its way."""

    image: int
    n_bytes: int
    "Length of its bitstream."
    n_sent: int = 0
    n_chunks: int = 0

    def next_bytes(self, cut: Cut) -> int:
        """Bytes of bitstream in its next chunk (link.wire.packet.split cuts there)."""
        base, later = cut
        return min(later if self.n_chunks else base, self.n_bytes - self.n_sent)

    def entry_bytes(self, exchange: Exchange) -> int:
        """What its next chunk takes in the body of DATA, or of BATCH with its length."""
        head = CHUNK_HEAD_BYTES + (0 if self.n_chunks else AGE_BYTES) + exchange.is_batched
        return head + self.next_bytes(exchange.cut)


@dataclass(frozen=True)
class Bill:
    """What an exchange has cost."""

    packets: list[int]
    "Their sizes in bytes."
    n_reports: int


def run_exchange(
    n_bytes: np.ndarray, enough: np.ndarray, exchange: Exchange, max_packet_bytes: int
) -> tuple[Bill, Stopped]:
    """Send bitstreams of n_bytes (N,), stopped where the verdict after so many bytes, enough
    (bytes, N), says so.
    """
    images = [Progress(image, length) for image, length in enumerate(n_bytes.tolist())]
    packets: list[int] = []
    waiting: list[Progress] = []
    n_taken = n_rounds = 0
    while waiting or n_taken < len(images):
        if exchange.rides_along or not waiting:
            waiting = images[n_taken : n_taken + GROUP] + waiting
            n_taken += GROUP
        going_on: list[Progress] = []
        for packet in packed(waiting, exchange, max_packet_bytes):
            packets.append(send(packet, exchange))
            unsettled = [
                one
                for one in packet
                if not (exchange.has_verdicts and enough[one.n_sent, one.image])
            ]
            going_on += packet if exchange.is_joint and unsettled else unsettled
        n_rounds += 1
        waiting = [one for one in going_on if one.n_sent < one.n_bytes]
    stopped = Stopped(
        np.array([one.n_sent for one in images]), np.array([one.n_chunks for one in images])
    )
    return Bill(packets, n_reports=n_rounds), stopped


def packed(
    waiting: Sequence[Progress], exchange: Exchange, max_packet_bytes: int
) -> Iterator[list[Progress]]:
    """Who shares a packet, in order."""
    room = max_packet_bytes - overhead_bytes(PacketType.BATCH) if exchange.is_batched else 0
    packet: list[Progress] = []
    for one in waiting:
        if packet and sum(each.entry_bytes(exchange) for each in [*packet, one]) > room:
            yield packet
            packet = []
        packet.append(one)
    yield packet


def send(packet: Sequence[Progress], exchange: Exchange) -> int:
    """Bytes of the packet with the next chunk of each."""
    kind = PacketType.BATCH if exchange.is_batched else PacketType.DATA
    n_bytes = overhead_bytes(kind) + sum(one.entry_bytes(exchange) for one in packet)
    for one in packet:
        one.n_sent += one.next_bytes(exchange.cut)
        one.n_chunks += 1
    return n_bytes
