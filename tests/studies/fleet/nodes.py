"""Nodes by the hundred in one process: each has its key, its counters and its UDP socket, sends an
image, listens for its host's answer and sends the image again, sealed anew, when none comes.

They know only what a node knows, and write down what was acknowledged: that is what no host may
lose.
"""

import selectors
import socket
import time
from collections.abc import Callable
from itertools import islice

from link.bundle.bundle import Bundle
from link.coder import latent_coder
from link.wire.control import Report
from link.wire.packet import Chunk, Flag
from tests.worlds.small_bundle import random_symbols
from tests.worlds.small_host import SmallNode

LISTENS_S = 0.2
"After a packet; then it sleeps as long, twice as long each time, and sends it again."
MAX_DOUBLINGS = 5
N_BITSTREAMS = 64
"Different images; nodes share them, sealed by each for itself."


class UdpNode:
    """One node's end."""

    def __init__(self, bundle: Bundle, key: bytes, number: int, salt: bytes) -> None:
        self.sender = SmallNode(bundle, key, number, salt=salt)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.acknowledged: list[int] = []
        "Images."
        self.answered_s: list[float] = []
        "From sending an image, the last time, to its acknowledgement."
        self.n_again = 0
        self._bitstreams = _bitstreams(bundle)
        self._chunk: Chunk | None = None
        self._sent_s, self._n_tries = float("-inf"), 0
        self._next_s = float("-inf")
        "When it sends its next image."

    def send(self, address: tuple[str, int], now_s: float) -> None:
        """Its next image, or the same again, sealed anew, where the last was not acknowledged."""
        if self._chunk is not None:
            self.n_again += 1
            self._n_tries += 1
        else:
            self._n_tries = 0
            image = next(self.sender._counters)
            bitstream = self._bitstreams[image % len(self._bitstreams)]
            self._chunk = Chunk(image, 0, True, bitstream, 0.0)
        self._sent_s = now_s
        self.socket.sendto(self.sender.seal_chunk(self._chunk, Flag.LISTEN), address)

    @property
    def is_content(self) -> bool:
        """Nothing of it waits for an acknowledgement."""
        return self._chunk is None

    def rest(self, until_s: float) -> None:
        """It has nothing to say before."""
        self._next_s = until_s

    def is_due(self, now_s: float) -> bool:
        """Whether it is to send: an image that is new, or one that nobody has acknowledged."""
        if self._chunk is None:
            return now_s >= self._next_s
        pause_s = LISTENS_S * 2 ** min(self._n_tries, MAX_DOUBLINGS)
        return now_s > self._sent_s + LISTENS_S + (pause_s if self._n_tries else 0.0)

    def hear(self, now_s: float) -> bool:
        """Whether what came acknowledges its image."""
        try:
            packet = self.socket.recv(512)
            heard = self.sender.hear(packet)
        except (OSError, AssertionError, ValueError):
            return False
        is_awake = now_s <= self._sent_s + LISTENS_S
        is_told = isinstance(heard, Report) and heard.received & 1
        if not is_awake or not is_told or self._chunk is None:
            return False
        self.acknowledged.append(self._chunk.image)
        self.answered_s.append(now_s - self._sent_s)
        self._chunk = None
        return True


def run_nodes(
    nodes: list[UdpNode],
    address: tuple[str, int],
    is_over: Callable[[float], bool],
    is_ending: Callable[[float], bool] = lambda now_s: False,
    pause_s: float = 0.0,
) -> None:
    """All of them, one image each at a time, with so long a pause behind each. From `is_ending` on
    a node begins no further image, and when none waits any more it is over too.
    """
    waiting = set(nodes)
    with selectors.DefaultSelector() as selector:
        for node in nodes:
            selector.register(node.socket, selectors.EVENT_READ, node)
            node.send(address, time.monotonic())
        while waiting and not is_over(now_s := time.monotonic()):
            for key, _ in selector.select(0.01):
                node = key.data
                if node.hear(time.monotonic()):
                    node.rest(now_s + pause_s)
                    if is_ending(now_s):
                        waiting.discard(node)
                    elif not pause_s:
                        node.send(address, time.monotonic())
            for node in [node for node in waiting if node.is_due(now_s)]:
                if is_ending(now_s) and node.is_content:
                    waiting.discard(node)
                else:
                    node.send(address, now_s)


_known: dict[bytes, list[bytes]] = {}


def _bitstreams(bundle: Bundle) -> list[bytes]:
    if bundle.id not in _known:
        drawn = (random_symbols(bundle.tables, seed) for seed in range(N_BITSTREAMS))
        _known[bundle.id] = [
            latent_coder.encode(symbols, bundle.tables) for symbols in islice(drawn, N_BITSTREAMS)
        ]
    return _known[bundle.id]
