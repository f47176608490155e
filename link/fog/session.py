"""Session: a member's end of the talk within a team. Frames, outputs of parts and `now_s` come in;
frames, parts to be computed, finished images and the next deadline come out.

    leader     TICK [PIXELS …] ────────────────────────────────────────┐
    member g   captured → part (0, g) → TENSOR → part (1, g) → … → LATENTS ─→ aggregator → host
    all        HERE, to whom they told nothing else                    RECEIPT ←┘

One image at a time: a newer one closes the older, and what is missing counts as dead. Twice are
said a TICK, to those who are not heard by then, and LATENTS: a lost tensor costs an edge that the
encoder was trained to miss, lost latents a whole group.
"""

from collections import deque
from collections.abc import Sequence
from math import inf
from typing import TypeVar

import numpy as np

from link.fog.custody import Custody
from link.fog.frame import (
    IMAGE_BYTES,
    MAX_IMAGE,
    PIECE_BYTES,
    Flag,
    Header,
    Kind,
    TeamSeal,
    pieces,
    place_of,
)
from link.fog.freshness import Freshness
from link.fog.interface import (
    Closed,
    Finished,
    Member,
    Model,
    Outgoing,
    Receipt,
    Run,
    TeamOptions,
    Wanted,
)
from link.fog.plan import Part, Plan
from link.fog.roster import SILENT_AGGREGATOR_BEATS, Roster
from link.fog.underway import NO_SEQUENCE, SEQUENCE_BYTES, Underway
from link.fog.voice import Voice

NOBODY = 255
"In the place of an aggregator."
LEADS, CLAIMS = 1, 2
"Bits of the first byte of HERE."
RECEIPT_IMAGES = PIECE_BYTES // IMAGE_BYTES - 2
RECEIPTS_AGAIN = 4
"Images that a receipt repeats of those before."
AGAIN = 0.25
"A share of the patience: so long a burst may last that does not take both of what is said twice."
GRACE = 0.1
"A share of the patience: what others still hear of an image goes before the next."
MAX_WAITING = 64
"Finished images, receipts and closings that nobody has taken."
Told = TypeVar("Told")


class TeamSession:
    """One start of one member."""

    def __init__(
        self,
        member: Member,
        model: Model,
        plan: Plan,
        options: TeamOptions,
        now_s: float,
        newest: int = 0,
        salt: bytes | None = None,
    ) -> None:
        """`newest`: an image id up to which all are known to be over."""
        self.me = member.number
        self.has_modem, self.has_camera = member.has_modem, member.has_camera
        "A member that loses one, or finds it again, may say so at any time."
        self.may_lead = True
        "Otherwise another with a camera does; this one takes its images all the same."
        self.model, self.plan, self.options = model, plan, options
        self.roster = Roster(self.me, plan.n_members, now_s)
        self.sequence = -1
        "The newest image's, as far as it was heard."
        self.n_forged = self.n_refused = 0
        "Frames that did not open, and those that were not even tried."
        self._least = 0
        self._fresh = Freshness(newest)
        self._seal = TeamSeal(member.key, model.bundle_id)
        self._voice = Voice(self.me, self._seal, options.is_medium_shared, salt)
        self._voice.turn_to(newest)
        self._custody = Custody(options.orphan_s, options.silent_s)
        self._takes = plan.takes(self.me)
        self._underway: Underway | None = None
        self._has_joined = False
        "An image was under way since this start."
        self._now_s = self._begun_s = self._beat_s = now_s
        "When it began, and when it said last that it is here."
        self._wanted: Wanted | None = None
        self._settled: list[int] = []
        "The last images, to be told once more."
        self._finished: deque[Finished] = deque(maxlen=MAX_WAITING)
        self._closed: deque[Closed] = deque(maxlen=MAX_WAITING)
        self._receipts: deque[Receipt] = deque(maxlen=MAX_WAITING)

    # what who runs it asks

    @property
    def newest(self) -> int:
        """The newest image id that was heard."""
        return self._fresh.newest

    @property
    def leads(self) -> bool:
        """Whether this member is the one to begin images."""
        return self._can_lead and self.roster.leader == self.me

    @property
    def is_idle(self) -> bool:
        """No image is under way here: the next may begin."""
        return self._underway is None or self._underway.is_closed

    @property
    def least_image(self) -> int:
        """The lowest id that the next image may have."""
        return max(self.newest + 1, self._least)

    @property
    def leader(self) -> int | None:
        return self.roster.leader

    @property
    def aggregator(self) -> int | None:
        return self.roster.aggregator

    def alive(self) -> tuple[bool, ...]:
        """By member, itself included; nobody before it was heard."""
        return tuple(self.roster.was_heard(member) for member in range(self.plan.n_members))

    def next_due_s(self, now_s: float) -> float | None:
        """When to ask next_run again although nothing came."""
        times = [self._custody.due_s if self._may_claim and not self._claims(now_s) else inf]
        one = self._underway
        if one is not None and not one.is_closed:
            times += [one.begun_s + self.options.give_up_s, *one.to_publish.values()]
            times += [one.due_s(part) for part in one.left if part not in one.running]
            if self._collects(one) and not one.is_finished:
                times.append(one.latents_due_s())
            elif not one.left and not one.to_publish:
                times.append(self._free_s(one))
        times.append(self._voice.due_s)
        if self._has_to_beat(now_s):
            times.append(self._beat_s + self.options.heartbeat_s)
        if self._can_lead and not self.leads:
            times.append(self.roster.takeover_s(self.options.heartbeat_s))
        first = min(times)
        return None if first == inf else max(first, now_s)

    def take_frames(self) -> list[Outgoing]:
        return self._voice.take()

    def take_wanted(self) -> Wanted | None:
        """What to capture and give to `captured`; of several only the newest."""
        taken, self._wanted = self._wanted, None
        return taken

    def take_finished(self) -> list[Finished]:
        """What a member with a modem has got."""
        return _taken(self._finished)

    def take_closed(self) -> list[Closed]:
        return _taken(self._closed)

    def take_receipts(self) -> list[Receipt]:
        return _taken(self._receipts)

    # what happens

    def begin(
        self, image: int, sequence: int, now_s: float, pixels: np.ndarray | None = None
    ) -> None:
        """As leader: an image, uint8 pixels (H, W, C); without them it is wanted of this member
        too.
        """
        if not self.least_image <= image <= MAX_IMAGE:
            raise ValueError(
                f"image {image} cannot begin, the next has an id from {self.least_image}"
            )
        self.roster.leader, self.roster.leader_s = self.me, now_s
        one = self._open(image, now_s)
        sequence %= NO_SEQUENCE
        one.leader, one.sequence, self.sequence = self.me, sequence, sequence
        body = sequence.to_bytes(SEQUENCE_BYTES, "big") + self._choice(now_s)
        self._sync_flags()
        again_s = now_s + AGAIN * self.options.patience_s
        self._voice.say_twice(Kind.TICK, 0, body, self.roster.others, again_s, is_for_silent=True)
        self._beat_s = now_s
        if pixels is None:
            self._wanted = Wanted(image, sequence)
        else:
            self.captured(image, pixels, now_s)

    def captured(self, image: int, pixels: np.ndarray | None, now_s: float) -> None:
        """The wanted image, uint8 (H, W, C); None: there is none."""
        one = self._underway
        if one is not None and one.image == image and one.pixels is None:
            one.has_no_pixels = pixels is None
            one.latest_s = now_s
            if pixels is not None:
                one.see(pixels)
                if self.options.is_camera_shared:
                    to = {holder for holders in self.plan.placement[0] for holder in holders}
                    for number, piece in enumerate(pieces(pixels.tobytes())):
                        self._voice.say(Kind.PIXELS, number, piece, to)
        self._poll(now_s)

    def next_run(self, now_s: float) -> Run | None:
        """A part to be computed now, if any; also what a deadline brings happens here."""
        self._poll(now_s)
        one = self._underway
        part = None if one is None or one.is_closed else one.next_part(now_s)
        if one is None or part is None:
            return None
        one.running[part] = now_s
        return Run(one.image, *part, one.inputs(part))

    def computed(self, run: Run, output: np.ndarray, now_s: float) -> None:
        """What a part made, int8 (1, h, w, c) or (1, n_each)."""
        one, part = self._underway, (run.segment, run.group)
        if one is None or one.image != run.image or part not in one.running:
            return
        one.busy_s += now_s - one.running.pop(part)
        one.latest_s = now_s
        if part in one.left:
            one.left.remove(part)
        if part not in one.made:
            one.add_own(part, output)
            holders = self.plan.holders(part)
            n_before = sum(map(self.roster.lives, holders[: holders.index(self.me)]))
            one.to_publish[part] = now_s + n_before * self.options.patience_s / len(holders)
        self._poll(now_s)

    def keep(self, image: int, now_s: float) -> None:
        """A finished image from before this start, of which no receipt came."""
        self._custody.keep(image, now_s, is_passed=True)

    def settle(self, images: Sequence[int], counter: int) -> None:
        """As aggregator: the host has these, and `counter` is the newest of a packet; -1: none
        left since this start.
        """
        self._custody.settle(images, self._now_s)
        self._least = max(self._least, counter + 1)
        images = [*self._settled, *images]
        self._settled = images[-RECEIPTS_AGAIN:]
        to = self.roster.may_have(Flag.MODEM) | self._other(self.leader)
        for start in range(0, max(len(images), 1), RECEIPT_IMAGES):
            told = (max(counter, 0), *images[start : start + RECEIPT_IMAGES])
            body = b"".join(number.to_bytes(IMAGE_BYTES, "big") for number in told)
            self._voice.say_next(Kind.RECEIPT, body, to)

    def receive(self, frame: bytes, now_s: float) -> bool:
        """Whether it was genuine and new. What a stranger sends costs at most one try of a tag."""
        header = Header.unpack(frame)
        if (
            header is None
            or header.member not in self.roster.others
            or not self._fresh.is_new(header)
        ):
            self.n_refused += 1
            return False
        body = self._seal.open(frame)
        if body is None:
            self.n_forged += 1
            return False
        if header.kind in (Kind.HERE, Kind.RECEIPT):
            self._hear_of_member(header, body, now_s)
        else:
            self._hear_of_image(header, body, now_s)
        self._poll(now_s)
        return True

    # frames that were heard

    def _hear_member(self, header: Header, now_s: float) -> None:
        is_anew = self.roster.hear(header.member, header.flags, now_s, header.salt)
        if is_anew and header.member == self.aggregator:
            self._custody.pass_over(now_s)

    def _hear_of_member(self, header: Header, body: bytes, now_s: float) -> None:
        self._fresh.mark(header)
        if header.image >= self.newest:
            self._hear_member(header, now_s)
        self._least = max(self._least, header.image + 1)
        if header.kind == Kind.RECEIPT:
            self._hear_receipt(header.member, body, now_s)
        elif body:
            change = self.roster.claims.add if body[0] & CLAIMS else self.roster.claims.discard
            change(header.member)
            if body[0] & LEADS and self.roster.follow(header.member, now_s, self.leads):
                self._take_choice(body[1:], now_s)

    def _hear_receipt(self, member: int, body: bytes, now_s: float) -> None:
        numbers = [
            int.from_bytes(body[start : start + IMAGE_BYTES], "big")
            for start in range(0, len(body), IMAGE_BYTES)
        ]
        if numbers:
            counter, *images = numbers
            self._least = max(self._least, counter + 1)
            self._custody.settle(images, now_s)
            self._receipts.append(Receipt(member, tuple(images), counter))

    def _hear_of_image(self, header: Header, body: bytes, now_s: float) -> None:
        one = self._underway
        if one is None or one.image < header.image:
            one = self._open(header.image, now_s)
        self._fresh.mark(header)
        self._hear_member(header, now_s)
        if one.is_closed:
            return
        one.latest_s = now_s
        if header.kind == Kind.TICK:
            self._hear_tick(one, header.member, body, now_s)
        elif header.kind == Kind.PIXELS:
            one.hear_pixels(header.piece, body)
        else:
            self._hear_tensor(one, header, body)

    def _hear_tick(self, one: Underway, leader: int, body: bytes, now_s: float) -> None:
        is_followed = self.roster.follow(leader, now_s, self.leads)
        is_second = one.leader is not None and one.leader < leader
        if len(body) != SEQUENCE_BYTES + 1 or is_second:
            return
        one.leader = leader
        one.sequence = self.sequence = int.from_bytes(body[:SEQUENCE_BYTES], "big")
        if is_followed:
            self._take_choice(body[SEQUENCE_BYTES:], now_s)
        if not self.options.is_camera_shared:
            one.has_no_pixels = not self.has_camera
            self._wanted = Wanted(one.image, one.sequence) if self.has_camera else None

    def _hear_tensor(self, one: Underway, header: Header, body: bytes) -> None:
        segment, group = part = header.part
        is_last = segment == self.plan.last
        if (header.kind == Kind.LATENTS) != is_last or group >= self.plan.groups:
            return
        one.to_publish.pop(part, None)
        if part in self._takes or (is_last and self._collects(one)):
            try:
                one.hear_tensor(part, header.piece, body)
            except ValueError:  # sealed by a member, and yet no tensor
                self.n_refused += 1
        if one.sequence is not None:
            self.sequence = one.sequence

    # what follows from it

    def _poll(self, now_s: float) -> None:
        self._now_s = now_s
        self._sync_flags()
        one = self._underway
        if one is not None and not one.is_closed:
            self._go_on(one, now_s)
        self._voice.say_again(now_s, self.roster.heard)
        beat_s = self.options.heartbeat_s
        if self._can_lead and not self.leads and self.roster.takeover_s(beat_s) <= now_s:
            self._take_over(now_s)
        if self._has_to_beat(now_s) and self._beat_s + beat_s <= now_s:
            self._beat(now_s)

    def _go_on(self, one: Underway, now_s: float) -> None:
        if now_s >= one.begun_s + self.options.give_up_s:
            one.give_up()
        one.next_part(now_s)
        for part in [part for part, due_s in one.to_publish.items() if due_s <= now_s]:
            del one.to_publish[part]
            self._publish(one, part, now_s)
            one.latest_s = now_s
        if self._collects(one) and not one.is_finished and one.latents_due_s() <= now_s:
            self._finish(one, now_s)
        if not one.left and not one.to_publish:
            self._say_here(self._voice.unreached(self.roster.others), now_s)
            is_free = one.leader != self.me or self._free_s(one) <= now_s
            if (one.is_finished and is_free) or not self._collects(one):
                self._close(one, now_s)

    def _free_s(self, one: Underway) -> float:
        """From when on this leader may begin the next: an aggregator elsewhere may lack latents
        that came here.
        """
        knows_all = self.aggregator in (None, self.me)
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
        leader = self.leader if one.leader is None else one.leader
        readers = (self.roster.may_have(Flag.MODEM) | self._other(leader)) - holders
        if readers:
            to, again_s = readers | holders, now_s + AGAIN * self.options.patience_s
            for number, piece in enumerate(pieces(one.tensor_body(part))):
                self._voice.say_twice(Kind.LATENTS, place_of(*part, number), piece, to, again_s)

    def _collects(self, one: Underway) -> bool:
        """Whether the latents come here: to send them on, or to know when the next may begin."""
        return self.has_modem or one.leader == self.me

    def _finish(self, one: Underway, now_s: float) -> None:
        """Who came in the middle of it leaves it to others, where something is missing."""
        one.is_finished, one.ended_s = True, now_s
        flags, symbols = one.symbols()
        if self.has_modem and (one.is_whole or all(flags)):
            is_mine = self.aggregator == self.me
            self._finished.append(Finished(one.image, one.sequence, symbols, flags, is_mine))
            self._custody.keep(one.image, now_s)

    def _close(self, one: Underway, now_s: float) -> None:
        one.is_closed = True
        voice = self._voice
        self._closed.append(
            Closed(
                one.image, one.sequence, self.alive(), voice.sent_bytes, voice.n_frames,
                one.leader, self.aggregator, min(one.ended_s, now_s) - one.begun_s, one.busy_s,
            )
        )  # fmt: skip

    def _open(self, image: int, now_s: float) -> Underway:
        if image > self.newest:
            self._turn_to(image, now_s)
        one = Underway(image, self.plan, self.model, self.options, self.roster, now_s)
        one.is_whole = self._has_joined or now_s >= self._begun_s + self.options.heartbeat_s
        self._has_joined = True
        self._underway = one
        return one

    def _turn_to(self, image: int, now_s: float) -> None:
        """An id above all before: what was under way is over."""
        one = self._underway
        if one is not None and not one.is_closed:
            if self._collects(one) and not one.is_finished:
                self._finish(one, now_s)
            self._close(one, now_s)
        if one is not None and one.image == self.newest:
            self.roster.end_image()
        self.roster.heard.clear()
        self._fresh.turn_to(image)
        self._voice.turn_to(image)
        self._wanted = None

    # who leads, who is here

    def _take_over(self, now_s: float) -> None:
        """Some ids are left out, should the other leader have gone on unheard."""
        self._least = max(self._least, self.newest + 1 + self.me)
        self.roster.leader, self.roster.leader_s = self.me, now_s
        self._beat(now_s)

    @property
    def _can_lead(self) -> bool:
        return self.has_camera and self.may_lead

    @property
    def _may_claim(self) -> bool:
        return self.has_modem and self.aggregator != self.me

    def _claims(self, now_s: float) -> bool:
        return self._may_claim and self._custody.due_s <= now_s

    def _has_to_beat(self, now_s: float) -> bool:
        """A leader says that it leads, an aggregator and who has just started that they are here,
        who keeps what nobody sends that it would.
        """
        is_wanted = self.leads or self.aggregator == self.me
        return is_wanted or not self._has_joined or self._claims(now_s)

    def _beat(self, now_s: float) -> None:
        """Under an id that all can take for new."""
        self._beat_s = now_s
        if self.leads and self.is_idle:
            if self._voice.is_exhausted:
                self._least = max(self._least, self.newest + 2)
            if self.newest + 1 < self._least:
                self._turn_to(min(self._least - 1, MAX_IMAGE), now_s)
        self._say_here(self.roster.others, now_s)

    def _say_here(self, to: frozenset[int], now_s: float) -> None:
        claims = self._claims(now_s)
        if self.leads:
            (self.roster.claims.add if claims else self.roster.claims.discard)(self.me)
        choice = self._choice(now_s) if self.leads else b""
        body = bytes([LEADS * self.leads | CLAIMS * claims]) + choice
        self._voice.say_next(Kind.HERE, body, to)

    def _choice(self, now_s: float) -> bytes:
        """The aggregator that this leader wants, as a byte."""
        turn_s, silent_s = self.options.orphan_s, SILENT_AGGREGATOR_BEATS * self.options.heartbeat_s
        before = self.aggregator
        chosen = self.roster.choose_aggregator(self.has_modem, now_s, turn_s, silent_s)
        if chosen != before:
            self._custody.pass_over(now_s)
        return bytes([NOBODY if chosen is None else chosen])

    def _take_choice(self, choice: bytes, now_s: float) -> None:
        [chosen] = choice[:1] or [NOBODY]
        before = self.aggregator
        self.roster.aggregator = chosen if chosen < self.plan.n_members else None
        if self.aggregator != before:
            self._custody.pass_over(now_s)

    def _sync_flags(self) -> None:
        flags = Flag.MODEM * self.has_modem | Flag.CAMERA * self.has_camera
        self._voice.flags = Flag(flags)

    def _other(self, member: int | None) -> frozenset[int]:
        """That member, if it is one and another."""
        return self.roster.others & {member}


def _taken(waiting: "deque[Told]") -> "list[Told]":
    taken = list(waiting)
    waiting.clear()
    return taken
