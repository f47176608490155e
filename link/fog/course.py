"""Course: an image at one member, from its beginning until this member is done with it.

One image at a time: a newer one closes the older, and what is missing counts as dead. LATENTS are
said twice: a lost tensor costs an edge that the encoder was trained to miss, lost latents a whole
group.
"""

from math import inf

from link.fog.frame import Flag, Kind, pieces, place_of
from link.fog.freshness import Freshness
from link.fog.interface import Closed, Finished, Model, TeamOptions, Told
from link.fog.plan import Part, Plan
from link.fog.presence import Presence
from link.fog.underway import Underway
from link.fog.voice import Voice

AGAIN = 0.25
"A share of the patience: so long a burst may last that does not take both of what is said twice."
GRACE = 0.1
"A share of the patience: what others still hear of an image goes before the next."


class Course:
    """What becomes of images, one after another."""

    def __init__(
        self,
        model: Model,
        plan: Plan,
        options: TeamOptions,
        presence: Presence,
        voice: Voice,
        fresh: Freshness,
        told: Told,
        now_s: float,
    ) -> None:
        self.model, self.plan, self.options = model, plan, options
        self.one: Underway | None = None
        "The newest; closed, where this member is done with it."
        self._presence, self._roster = presence, presence.roster
        self._voice, self._fresh, self._told = voice, fresh, told
        self._begun_s = now_s

    @property
    def is_idle(self) -> bool:
        return self.one is None or self.one.is_closed

    def due_s(self) -> float:
        """When the image goes on although nothing comes."""
        one = self.one
        if one is None or one.is_closed:
            return inf
        times = [one.begun_s + self.options.give_up_s, *one.to_publish.values()]
        times += [one.due_s(part) for part in one.left if part not in one.running]
        if self.collects(one) and not one.is_finished:
            times.append(one.latents_due_s())
        elif not one.left and not one.to_publish:
            times.append(self._free_s(one))
        return min(times)

    def collects(self, one: Underway) -> bool:
        """Whether the latents come here: to send them on, or to know when the next may begin."""
        return self._presence.has_modem or one.leader == self._presence.me

    def open(self, image: int, now_s: float) -> Underway:
        """Begin to hear or to make one."""
        if image > self._fresh.newest:
            self.turn_to(image, now_s)
        one = Underway(image, self.plan, self.model, self.options, self._roster, now_s)
        has_been_here = now_s >= self._begun_s + self.options.heartbeat_s
        one.is_whole = self._presence.has_joined or has_been_here
        self._presence.has_joined = True
        self.one = one
        return one

    def turn_to(self, image: int, now_s: float) -> None:
        """An id above all before: what was under way is over."""
        one = self.one
        if one is not None and not one.is_closed:
            if self.collects(one) and not one.is_finished:
                self._finish(one, now_s)
            self._close(one, now_s)
        if one is not None and one.image == self._fresh.newest:
            self._roster.end_image()
        self._roster.heard.clear()
        self._fresh.turn_to(image)
        self._voice.turn_to(image)
        self._told.wanted = None

    def go_on(self, now_s: float) -> None:
        """With what there is by now."""
        one = self.one
        if one is None or one.is_closed:
            return
        if now_s >= one.begun_s + self.options.give_up_s:
            one.give_up()
        one.next_part(now_s)
        for part in [part for part, due_s in one.to_publish.items() if due_s <= now_s]:
            del one.to_publish[part]
            self._publish(one, part, now_s)
            one.latest_s = now_s
        if self.collects(one) and not one.is_finished and one.latents_due_s() <= now_s:
            self._finish(one, now_s)
        if not one.left and not one.to_publish:
            self._presence.say_here(self._voice.unreached(self._roster.others), now_s)
            is_free = one.leader != self._presence.me or self._free_s(one) <= now_s
            if (one.is_finished and is_free) or not self.collects(one):
                self._close(one, now_s)

    def _free_s(self, one: Underway) -> float:
        """From when on this leader may begin the next: an aggregator elsewhere may lack latents
        that came here.
        """
        knows_all = self._roster.aggregator in (None, self._presence.me)
        return one.latest_s + (GRACE + AGAIN * (not knows_all)) * self.options.patience_s

    def _publish(self, one: Underway, part: Part, now_s: float) -> None:
        """To who needs it; other holders too, which then need not. Where nobody does, nothing."""
        holders = frozenset(self.plan.holders(part))
        if part[0] < self.plan.last:
            if readers := self.plan.readers(part):
                for number, piece in enumerate(pieces(one.tensor_body(part))):
                    place = place_of(*part, number)
                    self._voice.say(Kind.TENSOR, place, piece, readers | holders)
            return
        leader = self._roster.leader if one.leader is None else one.leader
        collectors = self._roster.may_have(Flag.MODEM) | self._presence.other(leader)
        if readers := collectors - holders:
            to, again_s = readers | holders, now_s + AGAIN * self.options.patience_s
            for number, piece in enumerate(pieces(one.tensor_body(part))):
                self._voice.say_twice(Kind.LATENTS, place_of(*part, number), piece, to, again_s)

    def _finish(self, one: Underway, now_s: float) -> None:
        """Who came in the middle of it leaves it to others, where something is missing."""
        one.is_finished, one.ended_s = True, now_s
        flags, symbols = one.symbols()
        if self._presence.has_modem and (one.is_whole or all(flags)):
            is_mine = self._presence.aggregates
            self._told.finished.append(Finished(one.image, one.sequence, symbols, flags, is_mine))
            self._presence.custody.keep(one.image, now_s)

    def _close(self, one: Underway, now_s: float) -> None:
        one.is_closed = True
        voice, roster = self._voice, self._roster
        self._told.closed.append(
            Closed(
                one.image, one.sequence, roster.alive(), voice.sent_bytes, voice.n_frames,
                one.leader, roster.aggregator, min(one.ended_s, now_s) - one.begun_s, one.busy_s,
            )
        )  # fmt: skip
