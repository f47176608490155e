"""Answers: what each node's images are taken for, and how many chunks of one are worth sending
before the node asks.

What came together is decoded and classified together: one pass through a network costs as much for
thirty images as for three. Each answer is what it would be alone.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from host_decoder.config import KnownNode
from host_decoder.decode.reader import Reader
from host_decoder.decode.readers import Readers
from host_decoder.decode.task_reader import TaskReader
from host_decoder.decode.verdict import Verdict, VerdictConfig
from host_decoder.events import Answer
from host_decoder.receive.advice import Advisor
from host_decoder.receive.arrivals import Arrived
from link.bundle import Bundle
from link.bundle.manifest import LABEL_TASK
from link.coder import Latents, decode_bulk
from link.host import Gap, Update
from link.medium import LinkTiming
from link.wire import LATER_CHUNK_OVERHEAD_BYTES, Chunk


@dataclass(frozen=True)
class Question:
    """What is this an image of?"""

    outcome: Update | Gap
    arrived: Sequence[Arrived]
    "The image as far as it has come: the first whose bitstream can be decoded counts."
    unix_s: float


class Answers:
    """What a host's nodes are asked, and what reads them."""

    def __init__(
        self,
        nodes: Sequence[KnownNode],
        verdict: VerdictConfig | None,
        timing: LinkTiming | None,
        readers: Readers | None = None,
    ) -> None:
        """Without verdict every image is awaited whole; without timing airtime costs nothing.
        `readers`: of the process; None: its own.
        """
        self._timing, self._verdict = timing, verdict
        self._shared = readers or Readers()
        self._readers: dict[tuple[Path, str], Reader] = {}
        self._tasks: dict[tuple[int, Path], dict[str, TaskReader]] = {}
        "By node and bundle; each by its name."
        self._advisors: dict[int, Advisor] = {}
        self.add(nodes)

    def add(self, nodes: Sequence[KnownNode]) -> None:
        """Nodes that are known from now on; those with one bundle share what reads it."""
        for node in nodes:
            for bundle in (node.bundle, *node.earlier_bundles):
                self._readers[_asked(bundle)] = self._shared.reader(bundle, self._verdict)
                self._tasks[node.number, bundle.path] = {
                    name: self._shared.task_reader(bundle, name)
                    for name in node.tasks
                    if bundle.has_task(name)
                }
            gives_verdicts = self.reader(node.bundle).gives_verdicts
            self._advisors[node.number] = Advisor(gives_verdicts)

    @property
    def notices(self) -> list[str]:
        """Sentences for the person, to be said once."""
        return [notice for reader in self._readers.values() if (notice := reader.notice)]

    def reader(self, bundle: Bundle) -> Reader:
        """What reads the images of a bundle, asked what that asks."""
        return self._readers[_asked(bundle)]

    def tasks(self, outcome: Update | Gap) -> dict[str, TaskReader]:
        """What is asked of its node's images besides."""
        return self._tasks[outcome.node, outcome.bundle.path]

    def note(self, node: int, answers: Sequence[Answer]) -> None:
        """Advice grows with every answer that is stored."""
        for answer in answers:
            self._advisors[node].note(answer)

    def advice(self, node: int, chunk: Chunk) -> int | None:
        """How many chunks like this one to send before asking; None while too little is known."""
        assert self._timing is not None
        return self._advisors[node].n_chunks(self.airtime_s(chunk), self._timing.report_airtime_s)

    def airtime_s(self, chunk: Chunk) -> float:
        """A later chunk as long as this one takes so long."""
        n_bytes = LATER_CHUNK_OVERHEAD_BYTES + len(chunk.bitstream)
        return self._timing.airtime_s(n_bytes) if self._timing else 0.0


Asked = tuple[Answers, Question]
"By whose host."


def answer_all(asked: Sequence[Asked]) -> list[Answer | None]:
    """In their order, of several hosts too; None where nothing that came can be decoded."""
    answers: list[Answer | None] = [None] * len(asked)
    by_reader: dict[int, list[int]] = defaultdict(list)
    for place, (own, question) in enumerate(asked):
        by_reader[id(own.reader(question.outcome.bundle))].append(place)
    for places in by_reader.values():
        for place, answer in zip(places, _answered([asked[n] for n in places]), strict=True):
            answers[place] = answer
    return answers


def _answered(asked: Sequence[Asked]) -> list[Answer | None]:
    """On images that one reader reads."""
    own, first = asked[0]
    bundle = first.outcome.bundle
    read, latents = _decoded([question for _, question in asked], bundle)
    if not read:
        return [None] * len(asked)
    there = [asked[place] for place in read]
    verdicts = own.reader(bundle).judge_all(
        latents.symbols,
        latents.n_known,
        np.array([one.airtime_s(question.outcome.chunk) for one, question in there]),
    )
    said = _said(there, latents)
    answers: list[Answer | None] = [None] * len(asked)
    for row, (place, arrived) in enumerate(read.items()):
        answers[place] = _answer(asked[place][1], arrived, latents, row, verdicts[row], said[row])
    return answers


def _said(asked: Sequence[Asked], latents: Latents) -> list[dict[str, Any]]:
    """What further tasks of their nodes say of them."""
    said: list[dict[str, Any]] = [{} for _ in asked]
    rows: dict[tuple[str, TaskReader], list[int]] = defaultdict(list)
    for row, (own, question) in enumerate(asked):
        for task in own.tasks(question.outcome).items():
            rows[task].append(row)
    for (name, read), places in rows.items():
        says = read(latents.symbols[places], latents.n_known[places])
        for row, one in zip(places, says, strict=True):
            said[row][name] = one
    return said


def _decoded(questions: Sequence[Question], bundle: Bundle) -> tuple[dict[int, Arrived], Latents]:
    """What was read of which question, by its place, and as many latents."""
    tried = [(place, arrived) for place, one in enumerate(questions) for arrived in one.arrived]
    latents = decode_bulk(
        [arrived.bitstream for _, arrived in tried],
        bundle.tables,
        [arrived.is_complete for _, arrived in tried],
    )
    read: dict[int, Arrived] = {}
    rows = []
    for row, (place, arrived) in enumerate(tried):
        if latents.is_valid[row] and place not in read:
            read[place] = arrived
            rows.append(row)
    return read, Latents(latents.symbols[rows], latents.n_known[rows], latents.is_valid[rows])


def _answer(
    question: Question,
    arrived: Arrived,
    latents: Latents,
    row: int,
    verdict: Verdict,
    tasks: dict[str, Any],
) -> Answer:
    outcome = question.outcome
    bundle, team = outcome.bundle, outcome.bundle.team
    symbols, n_known = latents.symbols[row], int(latents.n_known[row])
    return Answer(
        node=outcome.node,
        image=outcome.chunk.image,
        counter=outcome.counter,
        bundle=bundle.id.hex(),
        classes=bundle.classes,
        probabilities=verdict.probabilities,
        n_known=n_known,
        n_latents=len(symbols),
        n_chunks=arrived.n_chunks,
        is_complete=arrived.is_complete,
        bitstream_bytes=len(arrived.bitstream),
        packet_bytes=arrived.packet_bytes,
        age_s=arrived.age_s,
        received_s=question.unix_s,
        confidence=verdict.confidence,
        alive=None if team is None else team.alive(symbols, n_known),
        strangeness=verdict.strangeness,
        is_enough=verdict.is_enough and not arrived.is_complete,
        tasks=tasks,
        decoder=bundle.decoder_sha256(LABEL_TASK),
    )


def _asked(bundle: Bundle) -> tuple[Path, str]:
    """What tells readers apart: nodes with one bundle may be asked different questions."""
    return bundle.path, bundle.decoder_sha256(LABEL_TASK)


def stopped(answers: Sequence[Answer], counter: int) -> list[int]:
    """The images of this packet that need no more, when there is a verdict among them; a whole one
    needs none.
    """
    own = [answer for answer in answers if answer.counter == counter]
    has_verdict = any(answer.is_enough for answer in own)
    return [answer.image for answer in own if answer.is_settled] if has_verdict else []
