"""The host's work: bytes of a port in, answers and refusals out, everything stored on the way.

`Host` knows neither port nor clock. `listen` puts it behind a serial port that may vanish and come back.
"""

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace

from host_decoder.classifier import Classifier
from host_decoder.config import HostNode
from host_decoder.events import NOISE, Answer, Event, Notice, Refusal
from host_decoder.store import ReceivedPacket, Store
from link.bundle import Bundle
from link.framing import Deframer
from link.serial_port import PortError, open_port
from link.uplink import NodeEntry, Reason, Rejected, Update, UplinkReceiver

POLL_S = 0.05
RETRY_S = 2.0


class Host:
    """Deframe, open, decode, classify, store. Whatever arrives, the result is an event and never an exception."""

    def __init__(self, nodes: Sequence[HostNode], store: Store, other_bundles: Sequence[Bundle] = ()) -> None:
        self._store = store
        self._keys = {node.number: node.key for node in nodes}
        classifiers = {path: Classifier.of(bundle) for path, bundle in {n.bundle.path: n.bundle for n in nodes}.items()}
        self._classifiers = {node.number: classifiers[node.bundle.path] for node in nodes}
        self._deframer = Deframer()
        self._n_noise = 0
        self._receiver = UplinkReceiver(
            {
                node.number: NodeEntry(
                    node.key, node.bundle, store.highest_counter(node.number, node.key), tuple(other_bundles)
                )
                for node in nodes
            }
        )

    def receive(self, data: bytes, now_s: float) -> list[Event]:
        """What these bytes of the stream lead to; now_s is Unix time."""
        packets = self._deframer.push(data)
        return self._noise(now_s) + [self.receive_packet(packet, now_s) for packet in packets]

    def receive_packet(self, packet: bytes, now_s: float) -> Event:
        """One whole packet, as a radio gives it."""
        outcome = self._receiver.receive(packet, now_s)
        if isinstance(outcome, Rejected):
            return self._refuse(outcome, packet, now_s)
        answer = self._answer(outcome, now_s)
        self._store.add(self._received(outcome, packet, now_s), answer)
        return answer

    def _answer(self, update: Update, now_s: float) -> Answer:
        [probabilities] = self._classifiers[update.node](update.latent.symbols[None])
        return Answer(
            node=update.node,
            first_counter=update.first_counter,
            counter=update.counter,
            image=update.image,
            bundle=update.bundle.id.hex(),
            classes=update.bundle.classes,
            probabilities=probabilities,
            n_known=update.latent.n_known,
            n_latents=len(update.latent.symbols),
            n_chunks=update.n_chunks,
            is_complete=update.is_complete,
            bitstream_bytes=update.bitstream_bytes,
            packet_bytes=update.packet_bytes,
            age_s=update.age_s,
            received_s=now_s,
        )

    def _refuse(self, rejected: Rejected, packet: bytes, now_s: float) -> Refusal:
        """Counted; and stored when its seal was good, because its counter is used up and a later host may read it."""
        if rejected.counter is not None and rejected.reason != Reason.REPLAY:
            self._store.add(replace(self._received(rejected, packet, now_s), verdict=rejected.reason))
        self._store.count_refusal(rejected.reason, rejected.sentence, now_s, packet)
        return Refusal(rejected.reason, rejected.sentence)

    def _received(self, outcome: Update | Rejected, packet: bytes, now_s: float) -> ReceivedPacket:
        """A packet whose tag verified, as the store keeps it, with its chunk where that is or may become of use."""
        node, counter, bundle, chunk = outcome.node, outcome.counter, outcome.bundle, outcome.chunk
        assert node is not None
        assert counter is not None
        assert bundle is not None
        received = ReceivedPacket(node, self._keys[node], counter, now_s, bundle.id.hex(), packet)
        if chunk is None:
            return received
        return replace(
            received,
            first_counter=counter - chunk.index,
            chunk=chunk.index,
            is_last=chunk.is_last,
            bitstream=chunk.bitstream,
        )

    def _noise(self, now_s: float) -> list[Event]:
        n_new = self._deframer.noise + self._deframer.too_long - self._n_noise
        if not n_new:
            return []
        self._n_noise += n_new
        sentence = f"{n_new} frame(s) came damaged: noise on the line, a wrong bitrate, or the end of one begun before"
        self._store.count_refusal(NOISE, sentence, now_s, n=n_new)
        return [Refusal(NOISE, sentence)]


def listen(
    host: Host, port_path: str, bitrate_bps: int, should_stop: Callable[[], bool], retry_s: float = RETRY_S
) -> Generator[Event | Notice | None, None, None]:
    """Events as they happen and, at least every POLL_S, a None so that the caller can look around.

    A port that vanishes is waited for. Ends, its port closed, when should_stop() is true.
    """
    said = ""
    while not should_stop():
        try:
            with open_port(port_path, bitrate_bps) as port:
                said = ""
                yield Notice(f"listening on {port_path} at {bitrate_bps} bit/s")
                while not should_stop():
                    yield from host.receive(port.read(POLL_S), time.time())
                    yield None
        except PortError as error:
            if str(error) != said:
                said = str(error)
                yield Notice(f"{error}; trying again every {retry_s:g} s", is_problem=True)
            retry_at_s = time.monotonic() + retry_s
            while time.monotonic() < retry_at_s and not should_stop():
                time.sleep(POLL_S)
                yield None
