"""Underway: one image at one member: what it has of it, what it may compute, and until when it
waits for the rest.

A part waits for what this member makes itself, without a deadline; for what living others make,
until its deadline, counted from the latest sign of work on this image. What is missing then counts
as zeros; but a part whose own group is missing is not computed: that group is dead.
"""

from math import inf

import numpy as np

from link.fog.frame import PIECE_BYTES, joined
from link.fog.interface import Model, TeamOptions
from link.fog.plan import Part, Plan
from link.fog.roster import Roster

INT8_ZERO = np.uint8(128)
"The int8 value is the symbol less this."
SEQUENCE_BYTES = 4
NO_SEQUENCE = (1 << 8 * SEQUENCE_BYTES) - 1


class Underway:
    """What is known of an image, and what is still to be done."""

    def __init__(
        self,
        image: int,
        plan: Plan,
        model: Model,
        options: TeamOptions,
        roster: Roster,
        now_s: float,
    ) -> None:
        self.image = image
        self.plan, self.model, self.options, self.roster = plan, model, options, roster
        self.begun_s = self.latest_s = now_s
        self.sequence: int | None = None
        self.leader: int | None = None
        self.pixels: np.ndarray | None = None
        "As the model reads them."
        self.has_no_pixels = False
        self.made: dict[Part, np.ndarray] = {}
        "Whoever made it: symbols uint8 (h, w, c), of the last segment latents int8 (n_each,)."
        self.left = list(plan.parts_of(roster.me))
        self.running: dict[Part, float] = {}
        "Since when."
        self.to_publish: dict[Part, float] = {}
        "When, unless another does before."
        self.pieces: dict[Part | None, dict[int, bytes]] = {}
        "Tensors that are not whole yet; None: the pixels."
        self.busy_s = 0.0
        self.ended_s = inf
        "When all that comes was there."
        self.is_finished = self.is_closed = False
        self.is_whole = True
        "This member was there from its beginning."

    def hear_pixels(self, number: int, piece: bytes) -> None:
        """A piece of them, as uint8 (H, W, C)."""
        shape = self.model.image.shape
        n_bytes = int(np.prod(shape))
        if self.pixels is None and number <= n_bytes // PIECE_BYTES:
            pixels = self._whole(None, number, piece)
            if pixels is not None and len(pixels) == n_bytes:
                self.see(np.frombuffer(pixels, np.uint8).reshape(shape))

    def see(self, pixels: np.ndarray) -> None:
        """uint8 (H, W, C)."""
        self.pixels = self.model.image.to_model_input(pixels[None])

    def hear_tensor(self, part: Part, number: int, piece: bytes) -> None:
        """A piece of what another made; ValueError where it cannot be one."""
        segment, _ = part
        body = None if part in self.made else self._whole(part, number, piece)
        if body is None:
            return
        if segment < self.plan.last:
            self.made[part] = self.model.coder.decode(segment, body)
        else:
            self._add_latents(part, body)
        if part in self.left and part not in self.running:
            self.left.remove(part)

    def tensor_body(self, part: Part) -> bytes:
        """What is published of a part that was made; latents with the image's sequence number."""
        segment, _ = part
        if segment < self.plan.last:
            return self.model.coder.encode(segment, self.made[part])
        sequence = NO_SEQUENCE if self.sequence is None else self.sequence
        return sequence.to_bytes(SEQUENCE_BYTES, "big") + self.made[part].tobytes()

    def add_own(self, part: Part, output: np.ndarray) -> None:
        """What this member made, int8; of a boundary as all read it, above its levels clamped."""
        segment, _ = part
        if segment == self.plan.last:
            self.made[part] = output.reshape(-1)
        else:
            highest = np.uint8(self.plan.segments[segment].levels - 1)
            self.made[part] = np.minimum(output[0].view(np.uint8) ^ INT8_ZERO, highest)

    def give_up(self) -> None:
        """Nothing is waited for any more."""
        self.left.clear()
        self.latest_s = -inf

    def next_part(self, now_s: float) -> Part | None:
        """What may be computed now; parts that never will are given up on the way."""
        for part in [part for part in self.left if part not in self.running]:
            if self.due_s(part) <= now_s:
                if self._can_run(part):
                    return part
                self.left.remove(part)
        return None

    def inputs(self, part: Part) -> np.ndarray:
        """What a part reads, int8 (1, h, w, channels)."""
        segment, _ = part
        if segment == 0:
            assert self.pixels is not None
            return self.pixels
        nothing = np.zeros(self.plan.segments[segment - 1].shape, np.uint8)
        symbols = [self.made.get(source, nothing) for source in self.plan.sources(part)]
        return (np.concatenate(symbols, 2)[None] ^ INT8_ZERO).view(np.int8)

    def due_s(self, part: Part) -> float:
        """From when on a part may run, or is given up; inf: after something of this member's."""
        segment, group = part
        if segment == 0:
            if self.pixels is not None or self.has_no_pixels:
                return -inf
            is_mine = self.sequence is not None and not self._pixels_come
            return inf if is_mine else self.latest_s + self.options.patience_s
        sources, own = self.plan.sources(part), (segment - 1, group)
        is_dead = own in sources and own not in self.made and not self._is_awaited(own)
        return -inf if is_dead else self._wait_s(sources, segment)

    def latents_due_s(self) -> float:
        """When all latents that come are here."""
        last = self.plan.last
        return self._wait_s([(last, group) for group in range(self.plan.groups)], last + 1)

    def symbols(self) -> tuple[tuple[int, ...], np.ndarray]:
        """Flags, and int8 (groups + D,): flags, then latents in transmitted order."""
        team, last = self.model.team, self.plan.last
        nothing = np.zeros(team.n_each, np.int8)
        groups = range(team.groups)
        flags = tuple(int((last, group) in self.made) for group in groups)
        latents = np.concatenate([self.made.get((last, group), nothing) for group in groups])
        return flags, np.concatenate([np.array(flags, np.int8), latents[list(team.order)]])

    def _whole(self, part: Part | None, number: int, piece: bytes) -> bytes | None:
        """The body, with its last piece."""
        found = self.pieces.setdefault(part, {})
        found.setdefault(number, piece)
        body = joined(found)
        if body is not None:
            del self.pieces[part]
        return body

    def _add_latents(self, part: Part, body: bytes) -> None:
        sequence = int.from_bytes(body[:SEQUENCE_BYTES], "big")
        latents = np.frombuffer(body[SEQUENCE_BYTES:], np.int8)
        if len(latents) != self.model.team.n_each:
            raise ValueError(f"{len(latents)} latents; a group has {self.model.team.n_each}")
        self.made[part] = latents
        if self.sequence is None and sequence != NO_SEQUENCE:
            self.sequence = sequence

    @property
    def _pixels_come(self) -> bool:
        return self.options.is_camera_shared and self.leader != self.roster.me

    def _wait_s(self, sources: "tuple[Part, ...] | list[Part]", stage: int) -> float:
        absent = [source for source in sources if source not in self.made]
        if any(source in self.left for source in absent):
            return inf
        if not any(self._is_awaited(source) for source in absent):
            return -inf
        return self.latest_s + (1 + stage) / 2 * self.options.patience_s

    def _is_awaited(self, part: Part) -> bool:
        """Whether it may still come: this member will make it, or another that lives."""
        me = self.roster.me
        others = (member for member in self.plan.holders(part) if member != me)
        return part in self.left or any(self.roster.lives(member) for member in others)

    def _can_run(self, part: Part) -> bool:
        if part[0] == 0:
            return self.pixels is not None
        sources, own = self.plan.sources(part), (part[0] - 1, part[1])
        return own in self.made if own in sources else any(one in self.made for one in sources)
