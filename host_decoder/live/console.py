"""The node's console, as a live run reads it: pictures and truths go into the tally, sentences to
the screen.
"""

import json
import time
from typing import Any

from host_decoder.live.processes import Child, ChildError
from host_decoder.view.tally import Tally
from host_decoder.view.terminal import Screen
from link.output import Captured, Sent, TeamTold


class NodeConsole:
    """What one node has said so far."""

    def __init__(self, node: int, tally: Tally, screen: Screen, name: str = "the node") -> None:
        self._node = node
        self._name = name
        self._tally = tally
        self._screen = screen
        self.is_done = False
        "Every image is sent, or given up."
        self.said_s = 0.0
        "When it said something last, on the monotonic clock."
        self.airtime_s = 0.0
        "The time on the air of its last packet."

    def read(self, process: Child) -> None:
        """The lines that came since; ChildError when one is none of a node's console."""
        for written in process.take_lines():
            self.said_s = time.monotonic()
            try:
                self._take(json.loads(written.text), written.at_s)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ChildError(
                    f"{process.name} wrote what is no line of its console ({error}): "
                    f"{written.text[:80]}"
                ) from None

    def _take(self, said: dict[str, Any], at_s: float) -> None:
        match said["event"]:
            case "image":
                row = self._tally.add_captured(Captured.from_json(said), self._node, at_s)
                if row.answer is not None:
                    self._screen.show(self._tally, row)
            case "packet":
                sent = Sent.from_json(said)
                self.airtime_s = sent.airtime_s
                self._tally.add_sent(sent, self._node, at_s)
            case "heard":
                self._tally.add_stopped(said["stopped"], self._node)
            case "notice":
                self._screen.notice(f"{self._name} says: {said['sentence']}")
            case "team" if self._tally.team is not None:
                self._tally.add_told(TeamTold.from_json(said), self._node)
            case "done":
                self.is_done = True
