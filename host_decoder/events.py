"""Events: what the host has to say. An answer on an image, or the reason why something that came is
not used.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from host_decoder.decode.verdict import Strangeness
from link.host import Rejected, StatusHeard
from link.wire import NO_QUALITY, Quality

TOP = 3
"Classes named in a printed result."


def top_of(
    classes: Sequence[str], probabilities: np.ndarray, n_classes: int = TOP
) -> list[tuple[str, float]]:
    """The most probable classes, best first, each with its probability."""
    best = np.argsort(-probabilities, kind="stable")[:n_classes]
    return [(classes[index], float(probabilities[index])) for index in best]


def said(classes: Sequence[str], probabilities: np.ndarray) -> dict[str, Any]:
    """A label and what else comes into question, ready for JSON."""
    top = top_of(classes, probabilities)
    return {
        "label": top[0][0],
        "top": [[label, round(probability, 4)] for label, probability in top],
    }


def said_of_strangeness(strangeness: Strangeness | None) -> dict[str, Any]:
    """Ready for JSON; null where nothing can be said."""
    if strangeness is None:
        return {"anomaly_score": None, "is_anomaly": None}
    return {"anomaly_score": rounded(strangeness.score), "is_anomaly": strangeness.is_anomaly}


def said_of_team(alive: Sequence[bool] | None) -> dict[str, Any]:
    """Ready for JSON: 1 or 0 for each group; nothing of a node that is no team."""
    return {} if alive is None else {"alive": [int(one) for one in alive]}


def rounded(value: float | None, digits: int = 4) -> float | None:
    return None if value is None else round(value, digits)


@dataclass(frozen=True, eq=False)
class Answer:
    """The class of one image as far as it has arrived; a further chunk gives another answer, better
    informed.
    """

    node: int
    image: int
    "The image's id: with the node it names the image for good."
    counter: int
    "The counter of the packet that led to this answer."
    bundle: str
    "Id in hex."
    classes: tuple[str, ...]
    probabilities: np.ndarray
    "float32 (classes,)."
    n_known: int
    "Symbols received, of n_latents; the others are expectations."
    n_latents: int
    n_chunks: int
    is_complete: bool
    bitstream_bytes: int
    packet_bytes: int
    "Bytes of all packets behind this answer."
    age_s: float | None
    "From capture to sending, as the node measured it; None where it cannot tell."
    received_s: float
    "Unix time."
    confidence: float | None = None
    "That the label is right, calibrated; None where the bundle has no calibration."
    alive: tuple[bool, ...] | None = None
    "Whether the latents of each group of a team came; None: it is no team, or not known yet."
    strangeness: Strangeness | None = None
    """Whether it shows any of the classes; None while symbols are missing, or where the bundle has
    no score for that.
    """
    is_enough: bool = False
    "The verdict: no further chunk of this image is wanted."
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    "What further decoders say of it, by task."
    decoder: str = ""
    "SHA-256 of the decoder's file, in hex; empty: not known."

    @property
    def is_settled(self) -> bool:
        """No further chunk will come, or need come."""
        return self.is_complete or self.is_enough

    @property
    def is_strange(self) -> bool:
        """It shows none of the classes, as far as can be told."""
        return self.strangeness is not None and self.strangeness.is_anomaly

    @property
    def label(self) -> str:
        return self.classes[int(self.probabilities.argmax())]

    def top(self, n_classes: int = TOP) -> list[tuple[str, float]]:
        """The most probable classes, best first, each with its probability."""
        return top_of(self.classes, self.probabilities, n_classes)

    def to_json(self) -> dict[str, Any]:
        """One line of `listen` or `decode`; further keys may be added, none will change its
        meaning.
        """
        return {
            "event": "answer",
            "node": self.node,
            "image": self.image,
            "counter": self.counter,
            **said(self.classes, self.probabilities),
            "symbols_known": self.n_known,
            "symbols": self.n_latents,
            "chunks": self.n_chunks,
            "is_complete": self.is_complete,
            "bitstream_bytes": self.bitstream_bytes,
            "packet_bytes": self.packet_bytes,
            "age_s": rounded(self.age_s, 3),
            "received_s": round(self.received_s, 3),
            "bundle": self.bundle,
            "confidence": rounded(self.confidence),
            **said_of_strangeness(self.strangeness),
            "is_enough": self.is_enough,
            **said_of_team(self.alive),
            **({"tasks": dict(self.tasks)} if self.tasks else {}),
        }


@dataclass(frozen=True, eq=False)
class Heard:
    """A packet came, and what it brought is stored; for onlookers, who count and draw."""

    gateway: str
    outcome: str
    "`stored`, else why it was not used."
    node: int | None
    "None: it is nobody's that is known here."
    packet_bytes: int
    received_s: float
    "Unix time."
    quality: Quality = NO_QUALITY
    told: StatusHeard | None = None
    "What the node tells of itself in this packet, if it does."
    figures: Mapping[str, Any] = field(default_factory=dict)
    "The node's since this start: link.host.statistics."
    commit_s: float | None = None
    "How long storing took."

    @property
    def is_stored(self) -> bool:
        return self.outcome == STORED


STORED = "stored"
NOT_OPENED = "not opened"
"link.host's word for a packet in a node's name that its key does not open."


@dataclass(frozen=True)
class Notice:
    """A sentence about the host itself: the port was opened, or vanished (a problem)."""

    sentence: str
    is_problem: bool = False


@dataclass(frozen=True)
class Duty:
    """What a gateway has used of its airtime, for onlookers."""

    gateway: str
    used_s: float
    limit_s: float


Event = Answer | Rejected
Onlooker = Callable[[Answer | Rejected | Heard | Notice | Duty], None]
"Called in the listener's own thread: it puts what it is told aside, and returns at once."


class Explainer:
    """Lets a sentence of each reason through at most once in `period_s`, so that a noisy line
    cannot flood a log.

    For each node by itself: who speaks in the name of one does not hide what is said of another.
    """

    def __init__(self, period_s: float = 10.0) -> None:
        self._period_s = period_s
        self._next_s: dict[tuple[str, int | None], float] = {}
        self._n_silent: Counter[tuple[str, int | None]] = Counter()

    def explain(self, rejected: Rejected, now_s: float) -> str | None:
        """The sentence, with how many alike were kept back since the last; None when there is no
        need, or not yet.

        now_s: of a clock that only goes forward, or a step back would mute it for as long.
        """
        if rejected.reason.is_ordinary:
            return None
        kind = rejected.reason, rejected.node
        if now_s < self._next_s.get(kind, now_s):
            self._n_silent[kind] += 1
            return None
        self._next_s[kind] = now_s + self._period_s
        n_silent = self._n_silent.pop(kind, 0)
        return rejected.sentence + (
            f" ({n_silent} more of this kind since the last message)" if n_silent else ""
        )
