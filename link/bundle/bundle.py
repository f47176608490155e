"""Bundle: the folder that an export writes, a node is flashed with and a host decodes by.

Its id is a hash over what node and host must share: the node half of the manifest with the hashes
of the encoder and the tables. It is authenticated with every packet, so two ends of different
exports cannot talk past each other; a new host decoder leaves it as it is. A bundle is data: sizes
are bounded before a file is read, hashes are checked before it is used.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from link.base import durable
from link.bundle.calibration import Calibration
from link.bundle.image_spec import ImageSpec
from link.bundle.manifest import check_manifest, check_task
from link.coder.tables import Tables

BUNDLE_FORMAT = 1
MANIFEST = "manifest.json"
ENCODER = "encoder.tflite"
TABLES = "tables.npz"
LABEL_TASK = "label"
ANOMALY_TASK = "anomaly"
"A score that tells images of none of the classes; every export makes one."
CALIBRATION = "calibration"
"Key of a task's calibration, and in it DECODER_SHA256: of the decoder that it was fitted to."
DECODER_SHA256 = "decoder_sha256"

PROBABILITIES, SCORE, PIXELS = OUTPUTS = ("probabilities", "score", "pixels")
"""What a task's decoder gives for each image: float32 (classes,), float32 () or uint8 (height,
width, channels).
"""
TASK_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")

ID_BYTES = 8
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
    output: str = PROBABILITIES
    classes: tuple[str, ...] = ()
    "The classes of probabilities, in their order."
    threshold: float = 0.0
    "The threshold of a score: images like those it learned from rarely pass it."


@dataclass(frozen=True, eq=False)
class Bundle:
    """A checked bundle; `node`, `host`, `provenance` and `measured` are the manifest's own
    dictionaries.
    """

    path: Path
    id: bytes
    image: ImageSpec
    n_latents: int
    classes: tuple[str, ...]
    "Names of the label task's classes, in the order of the decoder's output."
    node: dict[str, Any] = field(repr=False)
    host: dict[str, Any] = field(repr=False)
    provenance: dict[str, Any] = field(repr=False)
    measured: dict[str, Any] = field(repr=False)

    @classmethod
    def load(cls, path: Path | str, side: str) -> "Bundle":
        """Read the manifest and check the files that `side` ("node" or "host") needs, or raise
        BundleError.
        """
        if side not in ("node", "host"):
            raise ValueError(f"side is '{side}', it must be 'node' or 'host'")
        try:
            bundle = cls._from_manifest(Path(path))
            for name, entry in _needed_files(bundle.node, bundle.host)[side].items():
                _check_file(bundle.path, name, entry)
        except OSError as error:
            raise BundleError(
                f"bundle {path} cannot be read ({error.strerror}): see to its owner and mode"
            ) from None
        if side == "host":
            _ = bundle.calibration
        return bundle

    @classmethod
    def _from_manifest(cls, path: Path) -> "Bundle":
        manifest = _read_manifest(path)
        stored_format = manifest.get("format")
        if stored_format != BUNDLE_FORMAT:
            raise BundleError(
                f"bundle {path} has format {stored_format}, this program reads format "
                f"{BUNDLE_FORMAT}; "
                "export it again with this version, or run the version that made it"
            )
        bundle_id, stored_id = _id_in(path, manifest), manifest.get("bundle_id")
        if stored_id != bundle_id.hex():
            raise BundleError(
                f"{MANIFEST} of bundle {path} is damaged: it says bundle {stored_id}, "
                f"its node part is {bundle_id.hex()}; {REMEDY}"
            )
        try:
            check_manifest(manifest, (ENCODER, TABLES), LABEL_TASK)
            node, host = manifest["node"], manifest["host"]
            return cls(
                path,
                bundle_id,
                image=ImageSpec(**node["image"]),
                n_latents=node["latents"],
                classes=tuple(host["tasks"][LABEL_TASK]["classes"]),
                node=node,
                host=host,
                provenance=manifest["provenance"],
                measured=manifest["measured"],
            )
        except ValueError as error:
            raise BundleError(
                f"{MANIFEST} of bundle {path} lacks or misstates: {error}; {REMEDY}"
            ) from error

    @property
    def data_set(self) -> str:
        """What it was trained on, as its provenance says; else the folder's name."""
        return str(self.provenance.get("data_set") or self.path.resolve().name)

    @property
    def encoder_path(self) -> Path:
        return self.path / ENCODER

    @property
    def decoder_path(self) -> Path:
        """The label task's decoder."""
        return self.path / self.host["tasks"][LABEL_TASK]["file"]

    def has_task(self, name: str) -> bool:
        return name in self.host["tasks"]

    def task(self, name: str) -> Task:
        """One of the host's tasks, or a BundleError that names those there are."""
        tasks = self.host["tasks"]
        if name not in tasks:
            raise BundleError(
                f"bundle {self.path} has no task '{name}', it has {', '.join(sorted(tasks))}; "
                "'python -m export decoder' adds one"
            )
        try:
            check_task(self.host, name)
            entry = tasks[name]
            task = Task(
                name,
                self.path / entry["file"],
                output=entry.get("output", PROBABILITIES),
                classes=tuple(entry.get("classes", ())),
                threshold=float(entry.get("threshold", 0.0)),
            )
            if task.output not in OUTPUTS:
                raise ValueError(f"its output is '{task.output}', there are {', '.join(OUTPUTS)}")
            if task.output == PROBABILITIES and len(task.classes) < 2:
                raise ValueError(f"it has {len(task.classes)} classes, at least two are needed")
        except ValueError as error:
            raise BundleError(
                f"{MANIFEST} of bundle {self.path} lacks or misstates of task '{name}': {error}; "
                "make it anew with 'python -m export decoder'"
            ) from error
        return task

    @cached_property
    def calibration(self) -> Calibration | None:
        """The label task's; None when it has none, or one that was fitted to another
        decoder.
        """
        try:
            task = self.host["tasks"][LABEL_TASK]
            stored = task.get(CALIBRATION)
            if (
                stored is None
                or stored[DECODER_SHA256] != self.host["files"][task["file"]]["sha256"]
            ):
                return None
            calibration = Calibration.from_dict(stored)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise BundleError(
                f"{MANIFEST} of bundle {self.path} has a calibration that lacks or "
                f"misstates: {error}; "
                "make it anew with 'python -m export calibrate'"
            ) from error
        if calibration.n_latents != self.n_latents:
            raise BundleError(
                f"{MANIFEST} of bundle {self.path} has a calibration that is for "
                f"{calibration.n_latents} latents, "
                f"the bundle has {self.n_latents}; make it anew with 'python -m export calibrate'"
            )
        return calibration

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
        return tables


def write_manifest(
    path: Path | str,
    node: Mapping[str, Any],
    host: Mapping[str, Any],
    provenance: Mapping[str, Any],
    measured: Mapping[str, Any],
) -> Bundle:
    """Hash the files already in `path`, write manifest.json beside them and return the bundle.

    `node` and `host` come without "files"; host["tasks"] names the decoder files.
    """
    path = Path(path)
    node = dict(node) | {"files": {name: _describe_file(path, name) for name in (ENCODER, TABLES)}}
    decoders = sorted({task["file"] for task in host["tasks"].values()})
    host = dict(host) | {"files": {name: _describe_file(path, name) for name in decoders}}
    manifest = {
        "format": BUNDLE_FORMAT,
        "bundle_id": compute_id(node).hex(),
        "node": node,
        "host": host,
        "provenance": dict(provenance),
        "measured": dict(measured),
    }
    text = json.dumps(manifest, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    durable.write(path / MANIFEST, text + "\n")
    return Bundle._from_manifest(path)


def with_calibration(
    bundle: Bundle, calibration: Calibration, fitted_on: Mapping[str, Any]
) -> Bundle:
    """Write the label task's calibration into the manifest, with what it was fitted on; the bundle
    keeps its id.
    """
    task = bundle.host["tasks"][LABEL_TASK]
    entry = (
        calibration.to_dict()
        | dict(fitted_on)
        | {DECODER_SHA256: bundle.host["files"][task["file"]]["sha256"]}
    )
    tasks = bundle.host["tasks"] | {LABEL_TASK: task | {CALIBRATION: entry}}
    return write_manifest(
        bundle.path, bundle.node, bundle.host | {"tasks": tasks}, bundle.provenance, bundle.measured
    )


def with_task(bundle: Bundle, name: str, entry: Mapping[str, Any]) -> Bundle:
    """Write a further task of the host into the manifest, or replace it; its decoder file is there
    already.

    The bundle keeps its id: no node need know.
    """
    check_task_name(name)
    tasks = bundle.host["tasks"] | {name: dict(entry)}
    return write_manifest(
        bundle.path, bundle.node, bundle.host | {"tasks": tasks}, bundle.provenance, bundle.measured
    )


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


def _needed_files(
    node: Mapping[str, Any], host: Mapping[str, Any]
) -> dict[str, dict[str, dict[str, Any]]]:
    """By side: the manifest's entry of each file that side cannot do without."""
    decoders = [task["file"] for task in host["tasks"].values()]
    return {
        "node": {name: dict(node["files"][name]) for name in (ENCODER, TABLES)},
        "host": {TABLES: dict(node["files"][TABLES])}
        | {name: dict(host["files"][name]) for name in decoders},
    }


def _read_manifest(path: Path) -> dict[str, Any]:
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


def _check_file(folder: Path, name: str, entry: Mapping[str, Any]) -> None:
    found = _describe_file(folder, name)
    if found["bytes"] != entry.get("bytes"):
        raise BundleError(
            f"{name} of bundle {folder} is damaged: it has {found['bytes']} bytes, "
            f"the manifest says {entry.get('bytes')}; {REMEDY}"
        )
    if found["sha256"] != entry.get("sha256"):
        raise BundleError(
            f"{name} of bundle {folder} is damaged: SHA-256 is {found['sha256'][:16]}…, "
            f"the manifest says {str(entry.get('sha256'))[:16]}…; {REMEDY}"
        )


def _describe_file(folder: Path, name: str) -> dict[str, Any]:
    if not name or Path(name).name != name:
        raise BundleError(
            f"{MANIFEST} of bundle {folder} names the file '{name}', only plain file names "
            f"are allowed; {REMEDY}"
        )
    file = folder / name
    if not file.is_file():
        raise BundleError(f"{name} of bundle {folder} is missing; {REMEDY}")
    n_bytes = file.stat().st_size
    if n_bytes > MAX_FILE_BYTES:
        raise BundleError(
            f"{name} of bundle {folder} has {n_bytes} bytes, at most {MAX_FILE_BYTES} are "
            f"read; {REMEDY}"
        )
    return {"sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "bytes": n_bytes}
