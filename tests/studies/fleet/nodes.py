"""Nodes by the hundred in one process: each has its key, its counters and its UDP socket, sends an
image, listens for its host's answer and sends the image again, sealed anew, when none comes.

One loop serves all of them, and looks only at who is due or was spoken to: it shares the machine
with what it measures.

They know only what a node knows, and write down what was acknowledged: that is what no host may
lose.
"""

import heapq
import selectors
import socket
import time
from collections.abc import Callable, Sequence
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
LOOK_S = 0.01
"How long it waits at most."
N_BITSTREAMS = 64
"Different images; nodes share them, sealed by each for itself."


class UdpNode:
    """One node's end."""

    def __init__(
        self, bundle: Bundle, key: bytes, number: int, salt: bytes, address: tuple[str, int]
    ) -> None:
        """`address`: of its gateway."""
        self.sender = SmallNode(bundle, key, number, salt=salt)
        self.address = address
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.acknowledged: list[int] = []
        "Images."
        self.answered_s: list[float] = []
        "From sending an image, the last time, to its acknowledgement."
        self.n_sent = 0
        "Packets."
        self.begun_s = float("-inf")
        "When it sent its image first."
        self._bitstreams = _bitstreams(bundle)
        self._chunk: Chunk | None = None
        self._sent_s, self._n_tries = float("-inf"), 0

    @property
    def is_content(self) -> bool:
        """Nothing of it waits for an acknowledgement."""
        return self._chunk is None

    @property
    def again_s(self) -> float:
        """When it sends again what nobody has acknowledged by then."""
        pause_s = LISTENS_S * 2 ** min(self._n_tries, MAX_DOUBLINGS)
        return self._sent_s + LISTENS_S + (pause_s if self._n_tries else 0.0)

    def send(self, now_s: float) -> None:
        """Its next image, or the same again, sealed anew, where the last was not acknowledged."""
        if self._chunk is not None:
            self._n_tries += 1
        else:
            self._n_tries, self.begun_s = 0, now_s
            image = next(self.sender._counters)
            bitstream = self._bitstreams[image % len(self._bitstreams)]
            self._chunk = Chunk(image, 0, True, bitstream, 0.0)
        self._sent_s = now_s
        self.n_sent += 1
        self.socket.sendto(self.sender.seal_chunk(self._chunk, Flag.LISTEN), self.address)

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
    nodes: Sequence[UdpNode],
    is_over: Callable[[float], bool],
    is_ending: Callable[[float], bool] = lambda now_s: False,
    period_s: float = 0.0,
    spread_s: float | None = None,
) -> None:
    """All of them, one image each at a time: each `period_s` where it was acknowledged by then, at
    once where that is 0. They begin one after the other in `spread_s`, None: in one period. From
    `is_ending` on a node begins no further image, and when none waits any more it is over too.
    """
    begun_s = time.monotonic()
    step_s = (period_s if spread_s is None else spread_s) / max(1, len(nodes))
    due_s = {place: begun_s + step_s * place for place in range(len(nodes))}
    "When each has something to do; who is over is not in it."
    heap = [(one_s, place) for place, one_s in due_s.items()]
    "The same, sorted; what is not so any more is left out when its turn comes."
    with selectors.DefaultSelector() as selector:
        for place, node in enumerate(nodes):
            selector.register(node.socket, selectors.EVENT_READ, place)
        while due_s and not is_over(now_s := time.monotonic()):
            is_last = is_ending(now_s)
            while heap and heap[0][0] <= now_s:
                was_due_s, place = heapq.heappop(heap)
                if due_s.get(place) != was_due_s:
                    continue
                if is_last and nodes[place].is_content:
                    del due_s[place]
                    continue
                nodes[place].send(now_s)
                due_s[place] = nodes[place].again_s
                heapq.heappush(heap, (due_s[place], place))
            wait_s = min(LOOK_S, heap[0][0] - now_s) if heap else LOOK_S
            for key, _ in selector.select(max(0.0, wait_s)):
                node, now_s = nodes[key.data], time.monotonic()
                if node.hear(now_s):
                    due_s[key.data] = max(now_s, node.begun_s + period_s)
                    heapq.heappush(heap, (due_s[key.data], key.data))


_known: dict[bytes, list[bytes]] = {}


def _bitstreams(bundle: Bundle) -> list[bytes]:
    if bundle.id not in _known:
        drawn = (random_symbols(bundle.tables, seed) for seed in range(N_BITSTREAMS))
        _known[bundle.id] = [
            latent_coder.encode(symbols, bundle.tables) for symbols in islice(drawn, N_BITSTREAMS)
        ]
    return _known[bundle.id]
