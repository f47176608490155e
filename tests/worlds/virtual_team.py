"""A team in virtual time: its members' sessions, a link between them with delays and losses, kills
and revivals, clocks that differ, a host that counts; and an encoder of integers alone, cut in
parts, that they compute for real.
"""

import heapq
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from itertools import count
from random import Random

import numpy as np

from host_training.models.block_design import dual, offsets
from link.bundle.image_spec import ImageSpec
from link.bundle.manifest import Segment, TeamEntry
from link.fog.interface import Closed, Finished, Member, Model, Run, TeamOptions
from link.fog.plan import Part, Plan
from link.fog.session import TeamSession
from link.fog.tensors import Boundary, TensorCoder
from tests.worlds.ends import KEY, Counting

IMAGE = ImageSpec(8, 8, 1)
BUNDLE_ID = bytes(range(8))
N_EACH = 3
SHAPES = ((4, 4, 3), (2, 2, 4), (1, 1, N_EACH))
LEVELS = 16


def small_team(n_groups: int) -> TeamEntry:
    """Three segments wired by a block design and its dual."""
    cover = offsets(n_groups)
    wired = [(), cover, dual(cover, n_groups)]
    segments = {
        str(number): Segment(
            shape=shape,
            levels=LEVELS if number < 2 else 0,
            reads=tuple(tuple((g + d) % n_groups for d in wired[number]) for g in range(n_groups)),
        )
        for number, shape in enumerate(SHAPES)
    }
    order = np.random.default_rng(1).permutation(n_groups * N_EACH)
    return TeamEntry(groups=n_groups, segments=segments, order=tuple(order.tolist()))


def small_model(n_groups: int, is_coded: bool = False) -> Model:
    team = small_team(n_groups)
    rng = np.random.default_rng(2)
    boundaries = []
    for segment in team.cut[:-1]:
        weights = rng.integers(1, 1000, (segment.shape[2], LEVELS))
        rows = np.maximum(weights * 60_000 // weights.sum(1, keepdims=True), 1)
        rows[:, 0] += (1 << 16) - rows.sum(1)
        boundaries.append(Boundary(segment, rows))
    return Model(BUNDLE_ID, IMAGE, team, TensorCoder(boundaries, is_coded))


class Parts:
    """An integer convolution of 2 x 2 pixels, step 2, for each part."""

    def __init__(self, team: TeamEntry) -> None:
        rng = np.random.default_rng(3)
        self.weights: dict[Part, np.ndarray] = {}
        channels = IMAGE.channels
        for number, segment in enumerate(team.cut):
            n_in = 4 * channels * max(len(segment.reads[0]), 1)
            for group in range(team.groups):
                self.weights[number, group] = rng.integers(-20, 24, (n_in, segment.shape[2]))
            channels = segment.shape[2]

    def __call__(self, part: Part, inputs: np.ndarray) -> np.ndarray:
        """int8 (1, h, w, c) to int8 (1, h / 2, w / 2, c'), or (1, n_each) of the last segment."""
        x = inputs[0].astype(np.int64) + 128
        h, w, c = x.shape
        patches = x.reshape(h // 2, 2, w // 2, 2, c).transpose(0, 2, 1, 3, 4)
        sums = patches.reshape(h // 2, w // 2, 4 * c) @ self.weights[part]
        made = np.clip(sums >> (10 if part[0] == 0 else 6), -3, 40)
        if part[0] == len(SHAPES) - 1:
            return made.reshape(1, -1).astype(np.int8)
        return (made.clip(0)[None] - 128).astype(np.int8)


def chained(
    model: Model, parts: Parts, pixels: np.ndarray, dead: Collection[int] = ()
) -> np.ndarray:
    """The parts of living groups one after the other in one process: symbols int8 (groups + D,)."""
    team = model.team
    tensors: dict[Part, np.ndarray] = {}
    for number, segment in enumerate(team.cut):
        for group in set(range(team.groups)) - set(dead):
            if number == 0:
                inputs = model.image.to_model_input(pixels[None])
            else:
                nothing = np.full(team.cut[number - 1].shape, -128, np.int8)
                read = [tensors.get((number - 1, h), nothing) for h in segment.reads[group]]
                inputs = np.concatenate(read, 2)[None]
            made = parts((number, group), inputs)[0]
            tensors[number, group] = np.minimum(made, LEVELS - 1 - 128) if segment.levels else made
    last = len(team.cut) - 1
    flags = [int((last, group) in tensors) for group in range(team.groups)]
    latents = np.concatenate(
        [tensors.get((last, group), np.zeros(N_EACH, np.int8)) for group in range(team.groups)]
    )
    return np.concatenate([np.array(flags), latents[list(team.order)]]).astype(np.int8)


def scene(sequence: int) -> np.ndarray:
    """What all cameras see, uint8 (H, W, C)."""
    return np.random.default_rng(sequence).integers(0, 256, IMAGE.shape, np.uint8)


@dataclass
class Life:
    """A member: its card, which outlives it, and its session while it runs."""

    counters: Counting
    kept: dict[int, Finished] = field(default_factory=dict)
    session: TeamSession | None = None
    clock_s: float = 0.0
    "Its clock is ahead by that."
    compute_s: float = 0.002
    is_busy: bool = False
    "It computes, and hears what came meanwhile afterwards."
    inbox: list[bytes] = field(default_factory=list)
    n_starts: int = 0


class VirtualTeam:
    """Members, a link, and time."""

    def __init__(
        self,
        plan: Plan,
        model: Model,
        parts: Callable[[Part, np.ndarray], np.ndarray],
        options: TeamOptions,
        *,
        modems: Collection[int] = (0,),
        cameras: Collection[int] | None = None,
        n_images: int = 0,
        interval_s: float = 0.0,
        delay_s: tuple[float, float] = (0.001, 0.003),
        loss: float = 0.0,
        seed: int = 0,
        scene: Callable[[int], np.ndarray] = scene,
    ) -> None:
        self.plan, self.model, self.parts, self.options = plan, model, parts, options
        self.modems = frozenset(modems)
        self.cameras = frozenset(range(plan.n_members) if cameras is None else cameras)
        self.n_images, self.interval_s = n_images, interval_s
        self.delay_s, self.loss, self.scene = delay_s, loss, scene
        self.random = Random(seed)
        self.now_s = 0.0
        self.lives = [
            Life(Counting(1000 + 10 * m), clock_s=self.random.uniform(0, 1e6))
            for m in range(plan.n_members)
        ]
        self.begun: dict[int, int] = {}
        "Image to sequence."
        self.begun_s: dict[int, float] = {}
        self.host: dict[int, Finished] = {}
        self.n_versions: dict[int, int] = {}
        "How often the host was given each image."
        self.closed: list[tuple[int, Closed]] = []
        self.frames: list[tuple[float, int, bytes]] = []
        "All that was ever said: when, by whom."
        self.finished_s: dict[int, float] = {}
        self.on_begin: Callable[[int], None] = lambda image: None
        self.n_steps = 0
        "How often a member was woken."
        self._next_begin_s = self._asked_s = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._wake_s: dict[int, float] = {}

    def start(self) -> "VirtualTeam":
        for member in range(self.plan.n_members):
            self.revive(member)
        return self

    def revive(self, member: int) -> None:
        life = self.lives[member]
        assert life.session is None
        me = Member(member, KEY, member in self.modems, member in self.cameras)
        life.n_starts += 1
        life.is_busy = False
        life.inbox.clear()
        life.session = TeamSession(
            me,
            self.model,
            self.plan,
            self.options,
            self.now_s + life.clock_s,
            newest=life.counters.next(),
            salt=bytes([member]) + life.n_starts.to_bytes(3, "big"),
        )
        for image in life.kept:
            life.session.keep(image, self.now_s + life.clock_s)
        self.step(member)

    def kill(self, member: int) -> None:
        self.lives[member].session = None

    def session(self, member: int) -> TeamSession:
        """The one of a member that runs."""
        session = self.lives[member].session
        assert session is not None
        return session

    @property
    def living(self) -> list[int]:
        return [m for m, life in enumerate(self.lives) if life.session is not None]

    def at(self, time_s: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time_s, next(self._order), action))

    def run(self, until_s: float, until: Callable[[], bool] = lambda: False) -> None:
        """To that time, or until something is so."""
        while self._events and self._events[0][0] <= until_s and not until():
            self.now_s, _, action = heapq.heappop(self._events)
            action()

    def finish(self, limit_s: float = 60.0) -> None:
        """Until all images were begun and are at the host."""
        self.run(
            self.now_s + limit_s,
            lambda: len(self.begun) == self.n_images and self.begun.keys() <= self.host.keys(),
        )

    def deliver(self, member: int, frame: bytes) -> None:
        life = self.lives[member]
        if life.session is not None:
            life.inbox.append(frame)
            self.step(member)

    def step(self, member: int) -> None:
        """All that a member can do now."""
        life = self.lives[member]
        session, now_s = life.session, self.now_s + life.clock_s
        if session is None or life.is_busy:
            return
        self.n_steps += 1
        for frame in life.inbox:
            session.receive(frame, now_s)
        life.inbox.clear()
        life.counters.advance_to(session.newest + 1)
        run = session.next_run(now_s)
        if run is not None:
            life.is_busy = True
            self.at(self.now_s + life.compute_s, lambda: self._computed(member, session, run))
        wanted = session.take_wanted()
        if wanted is not None:
            session.captured(wanted.image, self.scene(wanted.sequence), now_s)
            self.at(self.now_s, lambda: self.step(member))
        self._begin(member, session, now_s)
        for finished in session.take_finished():
            life.kept[finished.image] = finished
            self.finished_s.setdefault(finished.image, self.now_s)
        for receipt in session.take_receipts():
            for image in receipt.images:
                life.kept.pop(image, None)
        if session.aggregator == member and life.kept:
            self._uplink(life, session)
        self.closed += [(member, closed) for closed in session.take_closed()]
        for outgoing in session.take_frames():
            self.frames.append((self.now_s, member, outgoing.frame))
            others = set(range(self.plan.n_members)) - {member}
            for other in others if self.options.is_medium_shared else outgoing.to:
                self.send(other, outgoing.frame)
        due_s = session.next_due_s(now_s)
        if due_s is not None and not life.is_busy:
            wake_s = max(due_s - life.clock_s, self.now_s + 1e-6)
            self._wake_s[member] = wake_s
            self.at(wake_s, lambda: self._wake(member, wake_s))

    def _wake(self, member: int, wake_s: float) -> None:
        if self._wake_s[member] == wake_s:
            self.step(member)

    def send(self, member: int, frame: bytes) -> None:
        """May be lost; takes its time."""
        if self.random.random() >= self.loss:
            delay_s = self.random.uniform(*self.delay_s)
            self.at(self.now_s + delay_s, lambda: self.deliver(member, frame))

    def _step_all(self) -> None:
        for member in self.living:
            self.step(member)

    def _computed(self, member: int, session: TeamSession, run: Run) -> None:
        life = self.lives[member]
        if life.session is session:
            life.is_busy = False
            output = self.parts((run.segment, run.group), run.inputs)
            session.computed(run, output, self.now_s + life.clock_s)
            self.step(member)

    def _begin(self, member: int, session: TeamSession, now_s: float) -> None:
        if len(self.begun) >= self.n_images or not session.leads or not session.is_idle:
            return
        if self.now_s < self._next_begin_s:
            if self._asked_s != self._next_begin_s:
                self._asked_s = self._next_begin_s
                self.at(self._next_begin_s, self._step_all)
            return
        self._next_begin_s = self.now_s + self.interval_s
        counters = self.lives[member].counters
        counters.advance_to(session.least_image)
        image, sequence = counters.next(), session.sequence + 1
        self.begun[image], self.begun_s[image] = sequence, self.now_s
        session.begin(image, sequence, now_s, self.scene(sequence))
        self.on_begin(image)
        self.at(self.now_s, lambda: self.step(member))

    def _uplink(self, life: Life, session: TeamSession) -> None:
        """The host gets all that was kept, and counts no image twice."""
        for image, finished in life.kept.items():
            self.host.setdefault(image, finished)
            self.n_versions[image] = self.n_versions.get(image, 0) + 1
            life.counters.advance_to(image + 1)
        session.settle(list(life.kept), life.counters.next())
        life.kept.clear()
