"""Publications: what is to be said at a broker next. Bytes and `now_s` in, no socket, no clock.

Of what is retained only the newest counts, and all of it is due again whenever somebody may have
missed it. What is news is said in order while it is fresh, and else not at all.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass

FRESH_S = 60.0
"After which news is none any more."
MAX_NEWS = 2000


@dataclass(frozen=True)
class Publication:
    """A message to be sent."""

    topic: str
    payload: bytes
    is_retained: bool
    until_s: float = float("inf")
    "After which it is not sent."


class Publications:
    """Takes what is to be said, and gives it out."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}
        self._due: OrderedDict[str, None] = OrderedDict()
        self._news: deque[Publication] = deque()
        self.n_dropped = 0
        "News that grew old, or that there were too many of."

    def __len__(self) -> int:
        return len(self._due) + len(self._news)

    def keep(self, topic: str, payload: bytes) -> None:
        """Retained there; an empty payload takes away what is."""
        if self._kept.get(topic) != payload:
            self._kept[topic] = payload
            self._due[topic] = None

    def tell(self, topic: str, payload: bytes, now_s: float) -> None:
        """News."""
        if len(self._news) >= MAX_NEWS:
            self._news.popleft()
            self.n_dropped += 1
        self._news.append(Publication(topic, payload, False, now_s + FRESH_S))

    def again(self) -> None:
        """Who listens may know nothing: all that is retained is due, in its first order."""
        self._due = OrderedDict.fromkeys(self._kept)

    def next(self, now_s: float) -> Publication | None:
        """To be sent now; what does not arrive is given `back`."""
        if self._due:
            topic, _ = self._due.popitem(last=False)
            return Publication(topic, self._kept[topic], True)
        while self._news:
            publication = self._news.popleft()
            if now_s <= publication.until_s:
                return publication
            self.n_dropped += 1
        return None

    def back(self, publication: Publication) -> None:
        """It may not have arrived. The newest is given back first."""
        if publication.is_retained:
            self._due[publication.topic] = None
            self._due.move_to_end(publication.topic, last=False)
        else:
            self._news.appendleft(publication)
