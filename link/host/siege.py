"""Siege: when others speak in a node's name, its host asks it for long tags, and for as long as
that goes on.

A packet in a node's name that does not open may be damage, a neighbour with the same number or
somebody who tries tags. From ENOUGH of them in PERIOD_S on the node is asked to tell its salt, and
so to have a tag of 8 bytes, in every packet (COMMAND LONG TAGS). Once its HELLO says that it does,
short tags of its session are not tried any more. It is told off when PERIOD_S has passed without
one, so a stranger cannot have it changed to and fro more than once in that time. Meanwhile it is
asked again every PERIOD_S, whatever was believed of it.
"""

from collections import deque
from math import inf

from link.wire.control import LongTags

ENOUGH = 64
"""Failures. Damage passes a radio's CRC once in 65,536 times, a start that was not heard leaves a
few; and 64 tries an hour at 4-byte tags succeed once in 7,600 years.
"""
PERIOD_S = 3600.0
REPEAT_S = 60.0
"From one command to the same again, when the node's HELLO does not come; the pause doubles."


class Siege:
    """The siege of one node."""

    def __init__(self) -> None:
        self._failed_s: deque[float] = deque(maxlen=ENOUGH)
        self._is_on = False
        self._is_obeyed = False
        "The node has said that all its tags are long."
        self._is_declined = False
        "It has, and has said then that they are not: they do not fit its packets."
        self._due_s = -inf
        "When the command may go, if one is wanted."
        self._pause_s = REPEAT_S
        self._commanded_s = -inf

    def failed(self, now_s: float) -> None:
        """A packet with a short tag did not open, or was not tried."""
        self._failed_s.append(now_s)

    def takes_short_tags(self, now_s: float) -> bool:
        """Whether one is to be tried."""
        return not (self._is_obeyed and self._wants_long_tags(now_s))

    def told(self, has_long_tags: bool) -> None:
        """What the node's HELLO says."""
        self._is_declined |= self._is_obeyed and self._is_on and not has_long_tags
        self._is_obeyed = has_long_tags
        if has_long_tags and self._is_on:
            self._pause_s = PERIOD_S
            self._due_s = max(self._due_s, self._commanded_s + PERIOD_S)

    def heard_short_tag(self) -> None:
        """One verified, so not all of the node's are long."""
        self._is_obeyed = False

    def session_began(self) -> None:
        """A node that starts anew knows of no command."""
        self._is_obeyed = self._is_declined = False
        self._tell_anew()

    def command(self, now_s: float) -> LongTags | None:
        """What the node is to be told now that it listens."""
        wanted = self._wants_long_tags(now_s)
        if self._is_declined or not (wanted or self._is_obeyed):
            return None
        return LongTags(wanted) if now_s >= self._due_s else None

    def commanded(self, now_s: float) -> None:
        """The command is on its way."""
        self._commanded_s = now_s
        self._due_s = now_s + self._pause_s
        self._pause_s = min(2 * self._pause_s, PERIOD_S)

    def _tell_anew(self) -> None:
        self._due_s = -inf
        self._pause_s = REPEAT_S

    def _wants_long_tags(self, now_s: float) -> bool:
        oldest_s = self._failed_s[0] if len(self._failed_s) == ENOUGH else -inf
        if self._is_on and now_s > self._failed_s[-1] + PERIOD_S:
            self._is_on = False
            self._tell_anew()
        elif not self._is_on and now_s <= oldest_s + PERIOD_S:
            self._is_on = True
            self._tell_anew()
        return self._is_on
