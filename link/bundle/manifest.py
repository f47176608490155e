"""Manifest: what manifest.json of a bundle says of itself, as records, checked by type and range
before anything is made of it.

The node half is what node and host must share, and the bundle's id is a hash over it; the host half
is what the host can answer. Where a bundle comes from and what it measured only inform: what cannot
be there counts as not said.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from itertools import islice
from typing import Any, ClassVar

from link.bundle.image_spec import ImageSpec
from link.bundle.record import Record, each
from link.settings.setting import MANY, SECTION, TEXTS, WHOLES, key, number, read, text, whole

MANIFEST = "manifest.json"
ENCODER = "encoder.tflite"
TABLES = "tables.npz"
BOUNDARIES = "boundaries.npz"
"Tables of what crosses a team's boundaries."
LABEL_TASK = "label"
ANOMALY_TASK = "anomaly"
"A score that tells images of none of the classes; every export makes one."
ID_BYTES = 8

MAX_LATENTS = 1 << 16
MAX_GROUPS, MAX_SEGMENTS, MAX_LEVELS = 32, 8, 256
TASK_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class Output(StrEnum):
    """What a task's decoder gives for each image: float32 (classes,), float32 () or uint8 (height,
    width, channels).
    """

    PROBABILITIES = "probabilities"
    SCORE = "score"
    PIXELS = "pixels"


@dataclass(frozen=True, kw_only=True)
class StoredFile(Record):
    """A file of the bundle, as it must be."""

    sha256: str = key(text())
    bytes: int = key(whole(0, MANY))


@dataclass(frozen=True, kw_only=True)
class Segment(Record):
    """What lies between two exchanges of a cut encoder: a part for each group of its channels."""

    shape: tuple[int, ...]
    "(height, width, channels) of what each part makes."
    levels: int
    "Values that it takes, 0 to levels - 1; of the last segment, whose symbols are latents: 0."
    reads: tuple[tuple[int, ...], ...]
    """By group, the groups whose tensors of the segment before its part reads, side by side; none:
    it reads pixels.
    """

    @classmethod
    def read(cls, table: Mapping[str, Any], where: str) -> "Segment":
        return _read_segment(table, where)

    def to_json(self) -> dict[str, object]:
        return {
            **self.others,
            "shape": list(self.shape),
            "levels": self.levels,
            "reads": [list(groups) for groups in self.reads],
        }


@dataclass(frozen=True, kw_only=True)
class TeamEntry(Record):
    """How an encoder is cut into segments, and these into groups, each of them a file."""

    READERS: ClassVar = {"segments": each(Segment.read)}
    groups: int = key(whole(2, MAX_GROUPS))
    segments: Mapping[str, Segment] = key(SECTION)
    'By number: "0" reads pixels, the last makes latents.'
    order: tuple[int, ...] = key(WHOLES)
    "Which latent, counted group by group, is sent at each place."

    @property
    def n_each(self) -> int:
        """Latents of a group."""
        return len(self.order) // self.groups

    @property
    def owner(self) -> tuple[int, ...]:
        """By symbol the flag without which it is not sent; -1: a flag itself."""
        return (-1,) * self.groups + tuple(latent // self.n_each for latent in self.order)

    def alive(self, symbols: Iterable[float], n_known: int) -> tuple[bool, ...] | None:
        """Whether each group's latents came, as an image's first symbols say; None while these are
        not all known.
        """
        flags = islice(symbols, self.groups)
        return None if n_known < self.groups else tuple(flag != 0 for flag in flags)

    @property
    def cut(self) -> list[Segment]:
        """The segments in their order."""
        return [self.segments[str(number)] for number in range(len(self.segments))]


def part_file(segment: int, group: int) -> str:
    """What computes that group of that segment."""
    return f"part-{segment}-{group}.tflite"


@dataclass(frozen=True, kw_only=True)
class NodeHalf(Record):
    """What node and host must share."""

    READERS: ClassVar = {
        "image": partial(read, ImageSpec),
        "team": TeamEntry.read,
        "files": each(StoredFile.read),
    }
    image: ImageSpec = key(SECTION)
    latents: int = key(whole(1, MAX_LATENTS))
    wavelet: str | None = key(text(), None)
    input_zero_point: int | None = key(whole(-128, 127), None)
    team: TeamEntry | None = key(SECTION, None)
    """How an encoder is cut that several nodes run; its symbols are an alive flag for each group,
    then latents.
    """
    files: Mapping[str, StoredFile] = key(SECTION, default_factory=dict)
    "Encoder, or its parts, and tables; written anew with the manifest."

    @property
    def file_names(self) -> tuple[str, ...]:
        """What a node is given besides the manifest."""
        if self.team is None:
            return ENCODER, TABLES
        parts = (
            part_file(segment, group)
            for segment in range(len(self.team.segments))
            for group in range(self.team.groups)
        )
        return *parts, BOUNDARIES, TABLES


@dataclass(frozen=True, kw_only=True)
class Learned(Record):
    """What a further task's decoder learned from."""

    task: str | None = key(text(), None)
    data_set: str | None = key(text(), None)
    loss: str | None = key(text(), None)
    seed: int | None = key(whole(-MANY, MANY), None)


@dataclass(frozen=True, kw_only=True)
class TaskMeasured(Record):
    """What a further task's decoder was worth on a split; which figures there are is the task's."""

    split: str | None = key(text(), None)
    images: int | None = key(whole(0, MANY), None)

    @property
    def figures(self) -> dict[str, float]:
        return {name: one for name, one in self.others.items() if isinstance(one, int | float)}


@dataclass(frozen=True, kw_only=True)
class TaskEntry(Record):
    """What one of the host's decoders is asked about every image."""

    READERS: ClassVar = {"learned": Learned.read_leniently, "measured": TaskMeasured.read_leniently}
    file: str = key(text())
    classes: tuple[str, ...] | None = key(TEXTS, None)
    "Names of what the probabilities are of, in the order of the decoder's output."
    output: str | None = key(text(), None)
    "One of Output; None: probabilities."
    threshold: float | None = key(number(-MANY, MANY), None)
    "Above it a score is an alarm."
    calibration: Mapping[str, object] | None = key(SECTION, None)
    "As link.bundle.calibration reads it; it is fitted to one decoder and says to which."
    learned: Learned | None = key(SECTION, None)
    measured: TaskMeasured | None = key(SECTION, None)
    fault: str = field(default="", repr=False)
    "What cannot be in it, told when it is asked for; empty: nothing."


def _tasks(table: Mapping[str, Any], where: str) -> dict[str, TaskEntry]:
    """A fault in a further task is told when that is asked for, not before."""
    tasks = {}
    for name, entry in table.items():
        try:
            tasks[name] = each(TaskEntry.read)({name: entry}, where)[name]
        except ValueError as error:
            if name == LABEL_TASK:
                raise
            if not isinstance(entry, Mapping) or not isinstance(entry.get("file"), str):
                raise ValueError(f"{where}{name} names no file") from None
            others = {key: value for key, value in entry.items() if key != "file"}
            tasks[name] = TaskEntry(file=entry["file"], fault=str(error), others=others)
    return tasks


@dataclass(frozen=True, kw_only=True)
class HostHalf(Record):
    """What the host can answer; it may change while the nodes stay as they are."""

    READERS: ClassVar = {"tasks": _tasks, "files": each(StoredFile.read)}
    tasks: Mapping[str, TaskEntry] = key(SECTION)
    files: Mapping[str, StoredFile] = key(SECTION, default_factory=dict)
    "The decoders; written anew with the manifest."


@dataclass(frozen=True, kw_only=True)
class Rotated(Record):
    """How a finished bundle's latents were rotated."""

    from_bundle: str | None = key(text(), None)
    command: str | None = key(text(), None)
    commit: str | None = key(text(), None)


@dataclass(frozen=True, kw_only=True)
class Provenance(Record):
    """Where a bundle comes from: the same for the same checkpoint, command and revision."""

    READERS: ClassVar = {"turned": Rotated.read_leniently}
    commit: str | None = key(text(), None)
    command: str | None = key(text(), None)
    data_set: str | None = key(text(), None)
    preset: str | None = key(text(), None)
    stage: str | None = key(text(), None)
    views: int | None = key(whole(1, MANY), None)
    epoch: int | None = key(whole(0, MANY), None)
    seed: int | None = key(whole(-MANY, MANY), None)
    label_corruption: float | None = key(number(0, 1), None)
    photos: Mapping[str, object] | None = key(SECTION, None)
    "What was chosen of a folder of photos: how it was split, whether it was mirrored."
    started_from_sha256: str | None = key(text(), "")
    "Checkpoint that the training started from; None: from nothing, empty: not said."
    teacher_sha256: str | None = key(text(), "")
    "Checkpoint that it learned from, likewise."
    checkpoint_sha256: str | None = key(text(), None)
    tools: Mapping[str, str] | None = key(SECTION, None)
    "Version of each tool whose version decides the bytes."
    rotated: Rotated | None = key(SECTION, None, name="turned")


@dataclass(frozen=True, kw_only=True)
class Measured(Record):
    """What a bundle was worth on a split."""

    split: str | None = key(text(), None)
    images: int | None = key(whole(0, MANY), None)
    accuracy: float | None = key(number(0, 1), None)
    "Share 0…1, through int8 encoder and coder."
    float_accuracy: float | None = key(number(0, 1), None)
    bytes_per_image: float | None = key(number(0, MANY), None)
    "Mean length of the bitstream."
    bytes_per_image_percentiles: Mapping[str, float] | None = key(SECTION, None)
    static_bits_per_image: float | None = key(number(0, MANY), None)
    mixture_bits_per_image: float | None = key(number(0, MANY), None)
    components: int | None = key(whole(0, MANY), None)


@dataclass(frozen=True, kw_only=True)
class Manifest(Record):
    """All that manifest.json says but the format and the id."""

    READERS: ClassVar = {
        "node": NodeHalf.read,
        "host": HostHalf.read,
        "provenance": Provenance.read_leniently,
        "measured": Measured.read_leniently,
    }
    node: NodeHalf = key(SECTION)
    host: HostHalf = key(SECTION)
    provenance: Provenance = key(SECTION, default_factory=Provenance)
    measured: Measured = key(SECTION, default_factory=Measured)


def read_manifest(table: Mapping[str, Any]) -> Manifest:
    """ValueError with what is lacking or cannot be."""
    manifest = Manifest.read(table, "")
    for name in manifest.node.file_names:
        _require(name, manifest.node.files, "node.files.")
    _require(LABEL_TASK, manifest.host.tasks, "host.tasks.")
    if manifest.host.tasks[LABEL_TASK].classes is None:
        raise ValueError(f"host.tasks.{LABEL_TASK}.classes is missing")
    _check_team(manifest.node)
    for task in manifest.host.tasks.values():
        _require(task.file, manifest.host.files, "host.files.")
    return manifest


def _require(name: str, table: Mapping[str, object], where: str) -> None:
    if name not in table:
        raise ValueError(f'{where}key "{name}" is missing')


def _read_segment(table: Mapping[str, Any], where: str) -> Segment:
    """Lists of numbers, and of lists of them, are checked here, one by one."""

    def whole_numbers(value: Any, highest: int) -> tuple[int, ...]:
        if not isinstance(value, list) or not all(
            type(item) is int and 0 <= item <= highest for item in value
        ):
            raise ValueError(f"{where}{name} holds something else than 0 to {highest}")
        return tuple(value)

    for name in ("shape", "levels", "reads"):
        _require(name, table, where)
    if not isinstance(table["reads"], list):
        raise ValueError(f"{where}reads is no list")
    name = "shape"
    shape = whole_numbers(table[name], MAX_LATENTS)
    name = "levels"
    [levels] = whole_numbers([table[name]], MAX_LEVELS)
    name = "reads"
    reads = tuple(whole_numbers(groups, MAX_GROUPS - 1) for groups in table[name])
    if len(shape) != 3 or 0 in shape:
        raise ValueError(f"{where}shape is {list(shape)}, it must be three numbers above 0")
    others = {key: value for key, value in table.items() if key not in ("shape", "levels", "reads")}
    return Segment(shape=shape, levels=levels, reads=reads, others=others)


def _check_team(node: NodeHalf) -> None:
    """ValueError where the segments do not fit each other."""
    team = node.team
    if team is None:
        return
    n_groups, n_segments = team.groups, len(team.segments)
    numbers = {str(number) for number in range(n_segments)}
    if not 1 <= n_segments <= MAX_SEGMENTS or team.segments.keys() != numbers:
        raise ValueError(f"node.team.segments are not numbered from 0 to {MAX_SEGMENTS - 1}")
    for place, segment in enumerate(team.cut):
        n_read = {len(groups) for groups in segment.reads}
        fits = (
            len(segment.reads) == n_groups and len(n_read) == 1 and (place > 0) == (0 not in n_read)
        )
        if not fits or any(not set(groups) <= set(range(n_groups)) for groups in segment.reads):
            raise ValueError(f"node.team.segments.{place}.reads does not fit {n_groups} groups")
    n_latents = node.latents - n_groups
    if sorted(team.order) != list(range(n_latents)) or n_latents % n_groups:
        raise ValueError(f"node.team.order is no order of {n_latents} latents")
    *boundaries, last = team.cut
    if last.shape != (1, 1, n_latents // n_groups) or last.levels:
        raise ValueError("node.team: the last segment does not make the latents")
    if any(segment.levels < 2 for segment in boundaries):
        raise ValueError("node.team: a segment before the last has less than two levels")
