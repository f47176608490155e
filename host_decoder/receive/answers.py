"""Answers: what each node's images are taken for, and how many chunks of one are worth sending
before the node asks.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from host_decoder.config import KnownNode
from host_decoder.decode.reader import Reader
from host_decoder.decode.task_reader import TaskReader, task_reader
from host_decoder.decode.verdict import VerdictConfig
from host_decoder.events import Answer
from host_decoder.receive.advice import Advisor
from host_decoder.receive.arrivals import Arrived
from link.bundle.manifest import LABEL_TASK
from link.host import Gap, Update
from link.medium import LinkTiming
from link.wire import LATER_CHUNK_OVERHEAD_BYTES, Chunk


class Answers:
    """The decoders of all nodes."""

    def __init__(
        self,
        nodes: Sequence[KnownNode],
        verdict: VerdictConfig | None,
        timing: LinkTiming | None,
    ) -> None:
        """Without verdict every image is awaited whole; without timing airtime costs nothing."""
        self._timing, self._verdict = timing, verdict
        self._readers: dict[Path, Reader] = {}
        self._tasks: dict[tuple[int, Path], dict[str, TaskReader]] = {}
        self._advisors: dict[int, Advisor] = {}
        self.add(nodes)

    def add(self, nodes: Sequence[KnownNode]) -> None:
        """Nodes that are known from now on; those with one bundle share what reads it."""
        for node in nodes:
            for bundle in (node.bundle, *node.earlier_bundles):
                if bundle.path not in self._readers:
                    self._readers[bundle.path] = Reader(bundle, self._verdict)
                self._tasks[node.number, bundle.path] = {
                    name: task_reader(bundle, name) for name in node.tasks if bundle.has_task(name)
                }
            gives_verdicts = self._readers[node.bundle.path].gives_verdicts
            self._advisors[node.number] = Advisor(gives_verdicts)

    @property
    def notices(self) -> list[str]:
        """Sentences for the person, to be said once."""
        return [notice for reader in self._readers.values() if (notice := reader.notice)]

    def answer(self, outcome: Update | Gap, arrived: Arrived, unix_s: float) -> Answer:
        """The answer on an image as far as it is known now."""
        bundle, latent, team = outcome.bundle, arrived.latent, outcome.bundle.team
        verdict = self._readers[bundle.path].judge(latent, self._airtime_s(outcome.chunk))
        return Answer(
            node=outcome.node,
            image=outcome.chunk.image,
            counter=outcome.counter,
            bundle=bundle.id.hex(),
            classes=bundle.classes,
            probabilities=verdict.probabilities,
            n_known=latent.n_known,
            n_latents=len(latent.symbols),
            n_chunks=arrived.n_chunks,
            is_complete=arrived.is_complete,
            bitstream_bytes=arrived.bitstream_bytes,
            packet_bytes=arrived.packet_bytes,
            age_s=arrived.age_s,
            received_s=unix_s,
            confidence=verdict.confidence,
            alive=None if team is None else team.alive(latent.symbols, latent.n_known),
            strangeness=verdict.strangeness,
            is_enough=verdict.is_enough and not arrived.is_complete,
            tasks={
                name: next(read(latent.symbols[None], np.array([latent.n_known])))
                for name, read in self._tasks[outcome.node, bundle.path].items()
            },
            decoder=bundle.decoder_sha256(LABEL_TASK),
        )

    def note(self, node: int, answers: Sequence[Answer]) -> None:
        """Advice grows with every answer that is stored."""
        for answer in answers:
            self._advisors[node].note(answer)

    def advice(self, node: int, chunk: Chunk) -> int | None:
        """How many chunks like this one to send before asking; None while too little is known."""
        assert self._timing is not None
        return self._advisors[node].n_chunks(self._airtime_s(chunk), self._timing.report_airtime_s)

    def _airtime_s(self, chunk: Chunk) -> float:
        """A later chunk as long as this one takes so long."""
        n_bytes = LATER_CHUNK_OVERHEAD_BYTES + len(chunk.bitstream)
        return self._timing.airtime_s(n_bytes) if self._timing else 0.0


def stopped(answers: Sequence[Answer], counter: int) -> list[int]:
    """The images of this packet that need no more, when there is a verdict among them; a whole one
    needs none.
    """
    own = [answer for answer in answers if answer.counter == counter]
    has_verdict = any(answer.is_enough for answer in own)
    return [answer.image for answer in own if answer.is_settled] if has_verdict else []
