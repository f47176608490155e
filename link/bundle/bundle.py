"""Bundle: the folder that an export writes, a node is flashed with and a host decodes by.

Its id is a hash over what node and host must share: the node half of the manifest with the hashes
of the encoder and the tables. It is authenticated with every packet, so two ends of different
exports cannot talk past each other; a new host decoder leaves it as it is. A bundle is data: sizes
are bounded before a file is read, hashes are checked before it is used.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from link.base import durable
from link.bundle.calibration import Calibration
from link.bundle.image_spec import ImageSpec
from link.bundle.manifest import (
    ANOMALY_TASK,
    ENCODER,
    ID_BYTES,
    LABEL_TASK,
    MANIFEST,
    TABLES,
    TASK_NAME,
    HostHalf,
    Manifest,
    Measured,
    Output,
    Provenance,
    StoredFile,
    TaskEntry,
    TeamEntry,
    part_file,
    read_manifest,
)
from link.coder.tables import Tables

BUNDLE_FORMAT = 1
DECODER_SHA256 = "decoder_sha256"
"Key in a stored calibration: the decoder that it was fitted to."

MAX_FILE_BYTES = 64 << 20
MAX_MANIFEST_BYTES = 1 << 20

REMEDY = "export it again or copy it anew"


class BundleError(ValueError):
    """A bundle that cannot be used; the message says which file and what to do."""


@dataclass(frozen=True)
class Task:
    """What one of the host's decoders is asked about every image."""

    name: str
    decoder_path: Path
    output: Output = Output.PROBABILITIES
    classes: tuple[str, ...] = ()
    "The classes of probabilities, in their order."
    threshold: float = 0.0
    "The threshold of a score: images like those it learned from rarely pass it."
    has_threshold: bool = False
    "Whether it has one; beside probabilities: its file scores too what is none of the classes."


@dataclass(frozen=True, eq=False)
class Bundle:
    """A checked bundle."""

    path: Path
    id: bytes
    manifest: Manifest

    @classmethod
    def load(cls, path: Path | str, side: str) -> "Bundle":
        """Read and check all that `side`, "node" or "host", needs; BundleError otherwise."""
        if side not in ("node", "host"):
            raise ValueError(f"side is '{side}', it must be 'node' or 'host'")
        try:
            bundle = cls._from_manifest(Path(path))
            for name, file in bundle._needed_files(side).items():
                _check_file(bundle.path, name, file)
        except OSError as error:
            raise BundleError(
                f"bundle {path} cannot be read ({error.strerror}): see to its owner and mode"
            ) from None
        if side == "host":
            _ = bundle.calibration
        return bundle

    @classmethod
    def write(cls, path: Path, manifest: Manifest) -> "Bundle":
        """Hash the files already in `path`, which the manifest names, and write it beside them."""
        decoders = sorted({task.file for task in manifest.host.tasks.values()})
        node = replace(manifest.node, files=_describe_files(path, manifest.node.file_names))
        host = replace(manifest.host, files=_describe_files(path, decoders))
        content = {
            "format": BUNDLE_FORMAT,
            "bundle_id": compute_id(node.to_json()).hex(),
            "node": node.to_json(),
            "host": host.to_json(),
            "provenance": manifest.provenance.to_json(),
            "measured": manifest.measured.to_json(),
        }
        text = json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
        durable.write(path / MANIFEST, text + "\n")
        return cls._from_manifest(path)

    @classmethod
    def _from_manifest(cls, path: Path) -> "Bundle":
        stored = _read_json(path)
        stored_format = stored.get("format")
        if stored_format != BUNDLE_FORMAT:
            raise BundleError(
                f"bundle {path} has format {stored_format}, this program reads format "
                f"{BUNDLE_FORMAT}; "
                "export it again with this version, or run the version that made it"
            )
        bundle_id, stored_id = _id_in(path, stored), stored.get("bundle_id")
        if stored_id != bundle_id.hex():
            raise BundleError(
                f"{MANIFEST} of bundle {path} is damaged: it says bundle {stored_id}, "
                f"its node part is {bundle_id.hex()}; {REMEDY}"
            )
        try:
            return cls(path, bundle_id, read_manifest(stored))
        except ValueError as error:
            raise BundleError(
                f"{MANIFEST} of bundle {path} lacks or misstates: {error}; {REMEDY}"
            ) from error

    @property
    def image(self) -> ImageSpec:
        return self.manifest.node.image

    @property
    def n_latents(self) -> int:
        return self.manifest.node.latents

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the label task's classes, in the order of the decoder's output."""
        return self._label.classes or ()

    @property
    def provenance(self) -> Provenance:
        return self.manifest.provenance

    @property
    def measured(self) -> Measured:
        return self.manifest.measured

    @property
    def data_set(self) -> str:
        """What it was trained on, as its provenance says; else the folder's name."""
        return self.provenance.data_set or self.path.resolve().name

    @property
    def team(self) -> TeamEntry | None:
        """How its encoder is cut; None: one node runs it."""
        return self.manifest.node.team

    @property
    def node_files(self) -> tuple[str, ...]:
        """The files that a node is given."""
        return (MANIFEST, *self.manifest.node.file_names)

    @property
    def encoder_path(self) -> Path:
        """The encoder, where one node runs it."""
        return self.path / ENCODER

    def part_path(self, segment: int, group: int) -> Path:
        """One part of it, where a team does."""
        return self.path / part_file(segment, group)

    @property
    def decoder_path(self) -> Path:
        """The label task's decoder."""
        return self.path / self._label.file

    def has_task(self, name: str) -> bool:
        return name in self.manifest.host.tasks

    def task(self, name: str) -> Task:
        """One of the host's tasks, or a BundleError that names those there are."""
        tasks = self.manifest.host.tasks
        if name not in tasks:
            raise BundleError(
                f"bundle {self.path} has no task '{name}', it has {', '.join(sorted(tasks))}; "
                "'python -m export decoder' adds one"
            )
        entry = tasks[name]
        output = Output.PROBABILITIES if entry.output is None else entry.output
        classes = entry.classes or ()
        fault = entry.fault
        if not fault and output not in tuple(Output):
            fault = f"its output is '{output}', there are {', '.join(Output)}"
        if not fault and output == Output.PROBABILITIES and len(classes) < 2:
            fault = f"it has {len(classes)} classes, at least two are needed"
        if fault:
            raise BundleError(
                f"{MANIFEST} of bundle {self.path} lacks or misstates of task '{name}': {fault}; "
                "make it anew with 'python -m export decoder'"
            )
        return Task(
            name,
            self.path / entry.file,
            output=Output(output),
            classes=classes,
            threshold=float(entry.threshold or 0.0),
            has_threshold=entry.threshold is not None,
        )

    def with_task(self, name: str, entry: TaskEntry) -> "Bundle":
        """Write a further task of the host into the manifest, or replace it; its decoder file is
        there already.

        The bundle keeps its id: no node need know.
        """
        check_task_name(name)
        tasks = {**self.manifest.host.tasks, name: entry}
        return self.write(self.path, replace(self.manifest, host=HostHalf(tasks=tasks)))

    def asked(self, name: str) -> "Bundle":
        """The same with a further task of classes in the label's place: its classes and confidence,
        and its own score of what is none of these, where it has one. BundleError as of `task`.
        """
        if name == LABEL_TASK:
            return self
        if self.task(name).output != Output.PROBABILITIES:
            raise BundleError(
                f"task '{name}' of bundle {self.path} tells no classes apart, so it cannot stand "
                "in the label's place; ask it besides the label (tasks)"
            )
        entry, tasks = self.manifest.host.tasks[name], dict(self.manifest.host.tasks)
        tasks.pop(ANOMALY_TASK, None)  # of the label's classes
        if entry.threshold is not None:
            tasks[ANOMALY_TASK] = TaskEntry(
                file=entry.file, output=Output.SCORE, threshold=entry.threshold
            )
        host = replace(self.manifest.host, tasks={**tasks, LABEL_TASK: entry})
        return replace(self, manifest=replace(self.manifest, host=host))

    @cached_property
    def calibration(self) -> Calibration | None:
        """The label task's; None when its decoder has none, or one that was fitted to another
        decoder.
        """
        stored = self._label.calibration
        try:
            if stored is None or stored[DECODER_SHA256] != self._label_sha256:
                return None
            calibration = Calibration.from_dict(stored)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise BundleError(
                f"{MANIFEST} of bundle {self.path} has a calibration that lacks or misstates: "
                f"{error}; make it anew with 'python -m export calibrate'"
            ) from error
        if calibration.n_latents != self.n_latents:
            raise BundleError(
                f"{MANIFEST} of bundle {self.path} has a calibration that is for "
                f"{calibration.n_latents} latents, "
                f"the bundle has {self.n_latents}; make it anew with 'python -m export calibrate'"
            )
        return calibration

    def with_calibration(
        self,
        calibration: Calibration,
        fitted_on: Mapping[str, float | str],
        task: str = LABEL_TASK,
    ) -> "Bundle":
        """Write a task's calibration into the manifest, with what it was fitted on; the bundle
        keeps its id.
        """
        stored = {**calibration.to_dict(), **fitted_on, DECODER_SHA256: self.decoder_sha256(task)}
        return self.with_task(task, replace(self.manifest.host.tasks[task], calibration=stored))

    @cached_property
    def tables(self) -> Tables:
        try:
            tables = Tables.from_npz(self.path / TABLES)
        except (ValueError, OSError) as error:
            raise BundleError(f"{TABLES} of bundle {self.path} cannot be used: {error}") from error
        if tables.n_latents != self.n_latents:
            raise BundleError(
                f"{TABLES} of bundle {self.path} has {tables.n_latents} latents, "
                f"its manifest says {self.n_latents}; {REMEDY}"
            )
        if tables.owner != (self.team.owner if self.team else None):
            raise BundleError(
                f"{TABLES} of bundle {self.path} leaves out other latents of dead groups than "
                f"its manifest says; {REMEDY}"
            )
        return tables

    @property
    def _label(self) -> TaskEntry:
        return self.manifest.host.tasks[LABEL_TASK]

    def decoder_sha256(self, task: str) -> str:
        """What tells a task's decoder from those before and after it, in hex."""
        host = self.manifest.host
        return host.files[host.tasks[task].file].sha256

    @property
    def _label_sha256(self) -> str:
        return self.decoder_sha256(LABEL_TASK)

    def _needed_files(self, side: str) -> dict[str, StoredFile]:
        """What that side cannot do without."""
        node, host = self.manifest.node, self.manifest.host
        if side == "node":
            return {name: node.files[name] for name in node.file_names}
        decoders = {task.file: host.files[task.file] for task in host.tasks.values()}
        return {TABLES: node.files[TABLES]} | decoders


def check_task_name(name: str) -> None:
    if not TASK_NAME.fullmatch(name):
        raise BundleError(f"'{name}' cannot name a task; use up to 40 of a-z, 0-9 and '-'")


def compute_id(node: object) -> bytes:
    """First 8 bytes of SHA-256 over the canonical JSON of format and node half."""
    shared = {"format": BUNDLE_FORMAT, "node": node}
    text = json.dumps(shared, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).digest()[:ID_BYTES]


def _id_in(path: Path, manifest: Mapping[str, Any]) -> bytes:
    try:
        return compute_id(manifest.get("node"))
    except (UnicodeEncodeError, RecursionError) as error:
        raise BundleError(f"{MANIFEST} of bundle {path} is damaged: {error}; {REMEDY}") from error


def _read_json(path: Path) -> dict[str, Any]:
    file = path / MANIFEST
    if not os.path.isdir(path):  # Path.is_dir raises where a name is too long
        raise BundleError(f"there is no bundle at {path}; give the folder that the export wrote")
    if not file.is_file():
        raise BundleError(f"{path} is not a bundle: it has no {MANIFEST}; {REMEDY}")
    if file.stat().st_size > MAX_MANIFEST_BYTES:
        raise BundleError(
            f"{MANIFEST} of bundle {path} has {file.stat().st_size} bytes, "
            f"at most {MAX_MANIFEST_BYTES} are read; {REMEDY}"
        )
    try:
        manifest = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{MANIFEST} of bundle {path} is damaged: {error}; {REMEDY}") from error
    if not isinstance(manifest, dict):
        raise BundleError(
            f"{MANIFEST} of bundle {path} is damaged: it holds no JSON object; {REMEDY}"
        )
    return manifest


def _check_file(folder: Path, name: str, file: StoredFile) -> None:
    found = _describe_file(folder, name)
    if found.bytes != file.bytes:
        raise BundleError(
            f"{name} of bundle {folder} is damaged: it has {found.bytes} bytes, "
            f"the manifest says {file.bytes}; {REMEDY}"
        )
    if found.sha256 != file.sha256:
        raise BundleError(
            f"{name} of bundle {folder} is damaged: SHA-256 is {found.sha256[:16]}…, "
            f"the manifest says {file.sha256[:16]}…; {REMEDY}"
        )


def _describe_files(folder: Path, names: Iterable[str]) -> dict[str, StoredFile]:
    return {name: _describe_file(folder, name) for name in names}


def _describe_file(folder: Path, name: str) -> StoredFile:
    if not name or Path(name).name != name:
        raise BundleError(
            f"{MANIFEST} of bundle {folder} names the file '{name}', only plain file names are "
            f"allowed; {REMEDY}"
        )
    file = folder / name
    if not file.is_file():
        raise BundleError(f"{name} of bundle {folder} is missing; {REMEDY}")
    n_bytes = file.stat().st_size
    if n_bytes > MAX_FILE_BYTES:
        raise BundleError(
            f"{name} of bundle {folder} has {n_bytes} bytes, at most {MAX_FILE_BYTES} are read; "
            f"{REMEDY}"
        )
    return StoredFile(sha256=hashlib.sha256(file.read_bytes()).hexdigest(), bytes=n_bytes)
