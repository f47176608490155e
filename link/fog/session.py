"""Session: a member's end of the talk within a team. Frames, outputs of parts and `now_s` come in;
frames, parts to be computed, finished images and the next deadline come out.

    leader     TICK [PIXELS …] ────────────────────────────────────────┐
    member g   captured → part (0, g) → TENSOR → part (1, g) → … → LATENTS ─→ aggregator → host
    all        HERE, to whom they told nothing else                    RECEIPT ←┘

One image at a time: a newer one closes the older, and what is missing counts as dead. Nothing is
sent again but a TICK, once, to whom nobody heard of by then. The first of each image, kind and part
counts; an image that is older than the newest is over, so a recording opens nothing.
"""

import secrets
from collections import deque
from collections.abc import Iterable, Sequence
from math import inf
from typing import TypeVar

import numpy as np

from link.fog.frame import (
    IMAGE_BYTES,
    MAX_IMAGE,
    PIECE_BYTES,
    PLACES,
    SALT_BYTES,
    Flag,
    Header,
    Kind,
    TeamSeal,
    pieces,
    place_of,
)
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
from link.fog.roster import Roster
from link.fog.underway import INT8_ZERO, Underway

SEQUENCE_BYTES = 4
NO_SEQUENCE = (1 << 8 * SEQUENCE_BYTES) - 1
NOBODY = 255
RECEIPT_IMAGES = PIECE_BYTES // IMAGE_BYTES - 2
TICK_AGAIN = 0.25
"A share of the patience."
LEADS, FOLLOWS = b"\1", b"\0"
"Body of HERE."
NUMBERED = (Kind.RECEIPT, Kind.HERE)
"Kinds that stand at numbers, and say nothing of one image."
Told = TypeVar("Told")
MAX_WAITING = 64
"Finished images, receipts and closings that nobody has taken."


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
        "A member that loses its camera, or finds one, may say so at any time."
        self.newest = newest
        self.model, self.plan, self.options = model, plan, options
        self.roster = Roster(self.me, plan.n_members, now_s)
        self.sequence = -1
        "The newest image's, as far as it was heard."
        self.n_forged = self.n_refused = 0
        "Frames that did not open, and those that were not even tried."
        self._least = 0
        self._salt = salt or secrets.token_bytes(SALT_BYTES)
        self._seal = TeamSeal(member.key, model.bundle_id)
        self._takes = plan.takes(self.me)
        self._underway: Underway | None = None
        self._seen: set[tuple[int, bytes, Kind, int]] = set()
        "What was heard of the newest image."
        self._told: dict[tuple[int, Kind], tuple[int, int]] = {}
        "Image and number of the latest of these kinds, by member."
        self._has_joined = False
        self._n_numbers = 0
        self._tick: tuple[bytes, float] | None = None
        "To be said again, when."
        self._beat_s = now_s
        self._wanted: Wanted | None = None
        self._frames: list[Outgoing] = []
        self._finished: deque[Finished] = deque(maxlen=MAX_WAITING)
        self._closed: deque[Closed] = deque(maxlen=MAX_WAITING)
        self._receipts: deque[Receipt] = deque(maxlen=MAX_WAITING)

    # what who runs it asks

    @property
    def leads(self) -> bool:
        """Whether this member is the one to begin images."""
        return self.has_camera and self.roster.leader == self.me

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
        """By member, itself included."""
        return tuple(self.roster.lives(member) for member in range(self.plan.n_members))

    def next_due_s(self, now_s: float) -> float | None:
        """When to ask next_run again although nothing came."""
        times = []
        one = self._underway
        if one is not None and not one.is_closed:
            times += [one.begun_s + self.options.give_up_s, *one.to_publish.values()]
            times += [one.due_s(part) for part in one.left if part not in one.running]
            times += [one.latents_due_s()] if self._collects(one) and not one.is_finished else []
        if self._tick is not None:
            times.append(self._tick[1])
        beat_s = self.options.heartbeat_s
        if self.leads or not self._has_joined:
            times.append(self._beat_s + beat_s)
        if self.has_camera and not self.leads:
            times.append(self.roster.takeover_s(beat_s))
        first = min(times, default=inf)
        return None if first == inf else max(first, now_s)

    def take_frames(self) -> list[Outgoing]:
        taken, self._frames = self._frames, []
        return taken

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
        one.leader, one.sequence, self.sequence = self.me, sequence, sequence
        aggregator = self.roster.choose_aggregator(self.has_modem)
        body = sequence.to_bytes(SEQUENCE_BYTES, "big")
        body += bytes([NOBODY if aggregator is None else aggregator])
        frame = self._say(Kind.TICK, 0, body, self.roster.others)
        self._tick = frame, now_s + TICK_AGAIN * self.options.patience_s
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
                one.pixels = self.model.image.to_model_input(pixels[None])
                if self.options.is_camera_shared:
                    self._share(pixels)
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
            one.made[part] = self._clamped(part, output)
            holders = self.plan.holders(part)
            n_before = sum(map(self.roster.lives, holders[: holders.index(self.me)]))
            one.to_publish[part] = now_s + n_before * self.options.patience_s / len(holders)
        self._poll(now_s)

    def settle(self, images: Sequence[int], counter: int) -> None:
        """As aggregator: the host has these, and `counter` is the newest of a packet."""
        to = self.roster.may_have(Flag.MODEM) | self._one(self.leader)
        self._least = max(self._least, counter + 1)
        for start in range(0, max(len(images), 1), RECEIPT_IMAGES):
            told = (counter, *images[start : start + RECEIPT_IMAGES])
            body = b"".join(number.to_bytes(IMAGE_BYTES, "big") for number in told)
            self._say_next(Kind.RECEIPT, body, to)

    def receive(self, frame: bytes, now_s: float) -> bool:
        """Whether it was genuine and new. What a stranger sends costs at most one try of a tag."""
        header = Header.unpack(frame)
        if header is None or header.member not in self.roster.others:
            self.n_refused += 1
            return False
        if not self._is_new(header):
            self.n_refused += 1
            return False
        body = self._seal.open(frame)
        if body is None:
            self.n_forged += 1
            return False
        if header.image >= self.newest:
            self.roster.hear(header.member, header.flags)
        if header.kind in NUMBERED:
            self._told[header.member, header.kind] = header.image, header.place
            self._least = max(self._least, header.image + 1)
            if header.kind == Kind.RECEIPT:
                self._hear_receipt(header, body)
            elif body == LEADS:
                self.roster.follow(header.member, now_s)
        else:
            self._hear_of_image(header, body, now_s)
        self._poll(now_s)
        return True

    def _is_new(self, header: Header) -> bool:
        """Whether it may be genuine and unheard; a receipt stays true when its image is over."""
        if header.kind in NUMBERED:
            told = self._told.get((header.member, header.kind), (-1, -1))
            is_late = header.image < self.newest and header.kind != Kind.RECEIPT
            return (header.image, header.place) > told and not is_late
        is_present = header.image == self.newest
        return header.image > self.newest or (is_present and _content(header) not in self._seen)

    # frames that were heard

    def _hear_of_image(self, header: Header, body: bytes, now_s: float) -> None:
        one = self._underway
        if one is None or one.image < header.image:
            one = self._open(header.image, now_s)
            self.roster.hear(header.member, header.flags)
        self._seen.add(_content(header))
        if one.is_closed:
            return
        one.latest_s = now_s
        if header.kind == Kind.TICK:
            self._hear_tick(one, header, body, now_s)
        elif header.kind == Kind.PIXELS:
            self._hear_pixels(one, header, body)
        else:
            self._hear_tensor(one, header, body)

    def _hear_tick(self, one: Underway, header: Header, body: bytes, now_s: float) -> None:
        self.roster.follow(header.member, now_s)
        if len(body) != SEQUENCE_BYTES + 1 or (
            one.leader is not None and one.leader < header.member
        ):
            return
        one.leader = header.member
        one.sequence = self.sequence = int.from_bytes(body[:SEQUENCE_BYTES], "big")
        self.roster.aggregator = body[-1] if body[-1] < self.plan.n_members else None
        if not self.options.is_camera_shared:
            one.has_no_pixels = not self.has_camera
            self._wanted = Wanted(one.image, one.sequence) if self.has_camera else None

    def _hear_pixels(self, one: Underway, header: Header, body: bytes) -> None:
        shape = self.model.image.shape
        if one.pixels is not None or header.place > np.prod(shape) // PIECE_BYTES:
            return
        pixels = one.add_piece(None, header.piece, body)
        if pixels is not None and len(pixels) == np.prod(shape):
            image = np.frombuffer(pixels, np.uint8).reshape(shape)
            one.pixels = self.model.image.to_model_input(image[None])

    def _hear_tensor(self, one: Underway, header: Header, body: bytes) -> None:
        part = header.part
        is_latents = header.kind == Kind.LATENTS
        if part[1] >= self.plan.groups or is_latents != (part[0] == self.plan.last):
            return
        one.to_publish.pop(part, None)
        is_needed = part in self._takes or (is_latents and self._collects(one))
        if part in one.made or not is_needed or part[0] > self.plan.last:
            return
        whole = one.add_piece(part, header.piece, body)
        if whole is None:
            return
        if is_latents:
            self._hear_latents(one, part, whole)
        else:
            try:
                one.add(part, self.model.coder.decode(part[0], whole))
            except ValueError:
                return

    def _hear_latents(self, one: Underway, part: Part, body: bytes) -> None:
        sequence = int.from_bytes(body[:SEQUENCE_BYTES], "big")
        latents = np.frombuffer(body[SEQUENCE_BYTES:], np.int8)
        if len(latents) != self.model.team.n_each:
            return
        if one.sequence is None and sequence != NO_SEQUENCE:
            one.sequence = self.sequence = sequence
        one.add(part, latents)

    def _hear_receipt(self, header: Header, body: bytes) -> None:
        numbers = [
            int.from_bytes(body[start : start + IMAGE_BYTES], "big")
            for start in range(0, len(body), IMAGE_BYTES)
        ]
        if numbers:
            counter, *images = numbers
            self._least = max(self._least, counter + 1)
            self._receipts.append(Receipt(header.member, tuple(images), counter))

    # what follows from it

    def _poll(self, now_s: float) -> None:
        one = self._underway
        if one is not None and not one.is_closed:
            self._go_on(one, now_s)
        if self._tick is not None and self._tick[1] <= now_s:
            self._send(self._tick[0], self.roster.others - self.roster.heard)
            self._tick = None
        beat_s = self.options.heartbeat_s
        if self.has_camera and not self.leads and self.roster.takeover_s(beat_s) <= now_s:
            self._take_over(now_s)
        if (self.leads or not self._has_joined) and self._beat_s + beat_s <= now_s:
            self._beat(now_s)

    def _take_over(self, now_s: float) -> None:
        """Some ids are left, should the other leader have gone on unheard."""
        self._least = max(self._least, self.newest + 1 + self.me)
        self.roster.leader, self.roster.leader_s = self.me, now_s
        self._beat(now_s)

    def _beat(self, now_s: float) -> None:
        """That this member leads, or wants to join: under an id that all can take for new."""
        self._beat_s = now_s
        if self.leads and self.is_idle and self._n_numbers == PLACES:
            self._least = max(self._least, self.newest + 2)
        if self.leads and self.is_idle and self._least > self.newest + 1:
            self._turn_to(self._least - 1, now_s)
        self._say_next(Kind.HERE, LEADS if self.leads else FOLLOWS, self.roster.others)

    def _go_on(self, one: Underway, now_s: float) -> None:
        if now_s >= one.begun_s + self.options.give_up_s:
            one.left.clear()
            one.latest_s = -inf
        one.next_part(now_s)
        for part in [part for part, due_s in one.to_publish.items() if due_s <= now_s]:
            del one.to_publish[part]
            self._publish(one, part)
        if self._collects(one) and not one.is_finished and one.latents_due_s() <= now_s:
            self._finish(one)
        if not one.left and not one.to_publish:
            self._say_next(Kind.HERE, FOLLOWS, self.roster.others - one.reached)
            if one.is_finished or not self._collects(one):
                self._close(one, now_s)

    def _collects(self, one: Underway) -> bool:
        """Whether the latents come here: to send them on, or to know when the next may begin."""
        return self.has_modem or one.leader == self.me

    def _finish(self, one: Underway) -> None:
        one.is_finished = True
        if self.has_modem:
            flags, symbols = one.symbols()
            is_mine = self.roster.aggregator == self.me
            self._finished.append(Finished(one.image, one.sequence, symbols, flags, is_mine))

    def _close(self, one: Underway, now_s: float) -> None:
        one.is_closed = True
        self._closed.append(
            Closed(
                one.image, one.sequence, self.alive(), one.published_bytes, one.n_frames,
                one.leader, self.aggregator, now_s - one.begun_s, one.busy_s,
            )
        )  # fmt: skip

    def _turn_to(self, image: int, now_s: float) -> None:
        """An image or a number above all before: what was under way is over."""
        one = self._underway
        if one is not None and not one.is_closed:
            if self._collects(one) and not one.is_finished:
                self._finish(one)
            self._close(one, now_s)
        if one is not None and one.image == self.newest:
            self.roster.end_image()
        self.roster.heard.clear()
        self.newest = image
        self._has_joined = True
        self._seen.clear()
        self._n_numbers = 0
        self._tick = self._wanted = None

    def _open(self, image: int, now_s: float) -> Underway:
        if image > self.newest:
            self._turn_to(image, now_s)
        self._underway = Underway(image, self.plan, self.model, self.options, self.roster, now_s)
        return self._underway

    def _share(self, pixels: np.ndarray) -> None:
        to = {holder for holders in self.plan.placement[0] for holder in holders}
        for number, piece in enumerate(pieces(pixels.tobytes())):
            self._say(Kind.PIXELS, number, piece, to)

    def _clamped(self, part: Part, output: np.ndarray) -> np.ndarray:
        """Latents int8 (n_each,), or symbols uint8 (h, w, c) as all read them."""
        if part[0] == self.plan.last:
            return output.reshape(-1)
        levels = self.plan.segments[part[0]].levels
        return np.minimum(output[0].view(np.uint8) ^ np.uint8(INT8_ZERO), np.uint8(levels - 1))

    def _publish(self, one: Underway, part: Part) -> None:
        """To who needs it; other holders too, which then need not. Where nobody does, nothing."""
        segment, group = part
        holders = set(self.plan.holders(part))
        if segment < self.plan.last:
            kind, readers = Kind.TENSOR, self.plan.readers(part)
            body = self.model.coder.encode(segment, one.made[part]) if readers else b""
        else:
            kind = Kind.LATENTS
            leader = self.leader if one.leader is None else one.leader
            readers = (self.roster.may_have(Flag.MODEM) | self._one(leader)) - holders
            sequence = NO_SEQUENCE if one.sequence is None else one.sequence
            body = sequence.to_bytes(SEQUENCE_BYTES, "big") + one.made[part].tobytes()
        if readers:
            for number, piece in enumerate(pieces(body)):
                self._say(kind, place_of(segment, group, number), piece, readers | holders)

    def _one(self, member: int | None) -> frozenset[int]:
        """That other member, if there is one."""
        return self.roster.others & {member}

    def _say_next(self, kind: Kind, body: bytes, to: Iterable[int]) -> None:
        """Under the next number of the newest image, as long as there is one."""
        if to and self._n_numbers < PLACES:
            self._say(kind, self._n_numbers, body, to)
            self._n_numbers += 1

    def _say(self, kind: Kind, place: int, body: bytes, to: Iterable[int]) -> bytes:
        flags = Flag.MODEM * self.has_modem | Flag.CAMERA * self.has_camera
        header = Header(kind, Flag(flags), self.me, place, self.newest, self._salt)
        frame = self._seal.seal(header, body)
        self._send(frame, to)
        return frame

    def _send(self, frame: bytes, to: Iterable[int]) -> None:
        members = tuple(sorted(set(to) - {self.me}))
        if not members:
            return
        self._frames.append(Outgoing(frame, members))
        one = self._underway
        if one is not None:
            is_shared = self.options.is_medium_shared
            one.reached |= self.roster.others if is_shared else set(members)
            n_copies = 1 if is_shared else len(members)
            one.n_frames += n_copies
            one.published_bytes += n_copies * len(frame)


def _content(header: Header) -> tuple[int, bytes, Kind, int]:
    return header.member, header.salt, header.kind, header.place


def _taken(waiting: "deque[Told]") -> "list[Told]":
    taken = list(waiting)
    waiting.clear()
    return taken
