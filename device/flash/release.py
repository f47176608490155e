"""Release: what runs on a node, one folder named by a hash of its content.

    lib/       the wheels of requirements/device.lock.txt for the node's Python, unpacked
    device/    the node's program (without this package)
    link/
    RELEASE    its id, its Python, and the wheels with their hashes

A wheel is a zip file, and none of ours has scripts or data outside its packages; so the host
unpacks them, and a node needs neither pip nor a virtual environment nor a network. The release
travels as one tar file, byte for byte the same when it is made twice.
"""

import gzip
import hashlib
import io
import json
import stat
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from device.flash.tools import (
    DOWNLOAD_DEADLINE_S,
    FlashError,
    UnreachableError,
    last_words,
    run_within,
)
from link.base import durable

PROJECT = Path(__file__).parents[2]
LOCK = Path(__file__).with_name("device.lock.txt")
PYTHONS = ("3.11", "3.13")
"The Pythons of Bookworm and Trixie."
PLATFORMS = (
    "manylinux2014",
    "manylinux_2_17",
    "manylinux_2_27",
    "manylinux_2_28",
    "manylinux_2_34",
    "manylinux_2_36",
)
"Each is named, since older versions of pip do not conclude the lower ones from the highest."
SOURCE_WHEELS = {"folder": "pillow==13.0.0", "v4l2": "opencv-python-headless==4.13.0.92"}
"What an image source needs besides the lock."
EPOCH_S = 1_700_000_000
"Every file's time: the same input gives the same bytes."
DROPPED = ("/tests/", "/testing/tests/", "__pycache__/", "libLiteRtWebGpuAccelerator.so")
ID_CHARS = 12


@dataclass(frozen=True)
class Release:
    """A release as one tar.gz; `wheels` maps file names to SHA-256."""

    id: str
    python: str
    wheels: Mapping[str, str]
    archive: Path


def make_release(
    python: str, work: Path, source_kind: str = "", pip_options: Iterable[str] = ()
) -> Release:
    """Download what is not there yet, and write WORK/release-ID.tar.gz."""
    if python not in PYTHONS:
        raise FlashError(
            f"there is no release for Python {python}; nodes run {' or '.join(PYTHONS)}"
        )
    wheels = download_wheels(python, work, source_kind, pip_options)
    program = program_files(PROJECT)
    hashes = {wheel.name: hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in wheels}
    digest = hashlib.sha256(json.dumps([python, hashes]).encode())
    for name, content in sorted(program.items()):
        digest.update(f"{name} {hashlib.sha256(content).hexdigest()}\n".encode())
    release_id = digest.hexdigest()[:ID_CHARS]
    about = json.dumps({"id": release_id, "python": python, "wheels": hashes}, indent=2) + "\n"
    archive = work / f"release-{release_id}.tar.gz"
    if not archive.exists():
        write_archive(archive, program | _library(wheels) | {"RELEASE": about.encode()})
    return Release(release_id, python, hashes, archive)


def program_files(project: Path) -> dict[str, bytes]:
    """Every file of device/ and link/ that a node needs, by its path."""
    return {
        path.relative_to(project).as_posix(): path.read_bytes()
        for package in ("device", "link")
        for path in sorted((project / package).rglob("*"))
        if path.is_file()
        and "__pycache__" not in path.parts
        and path.relative_to(project).parts[1] != "flash"
    }


def download_wheels(
    python: str, work: Path, source_kind: str, pip_options: Iterable[str] = ()
) -> list[Path]:
    """The wheels of the lock and of the image source, kept in WORK under the request's name."""
    lock = LOCK.read_text()
    wanted = [line for line in lock.splitlines() if "==" in line]
    wanted += [SOURCE_WHEELS[source_kind]] if source_kind in SOURCE_WHEELS else []
    key = hashlib.sha256("\n".join([python, *wanted]).encode()).hexdigest()[:ID_CHARS]
    folder = work / f"wheels-{python}-{key}"
    if not folder.is_dir():
        platforms = [
            word for platform in PLATFORMS for word in ("--platform", f"{platform}_aarch64")
        ]
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
        ]
        command += [
            "--disable-pip-version-check",
            "--implementation",
            "cp",
            "--python-version",
            python,
            *platforms,
        ]
        with TemporaryDirectory(dir=work) as scratch:
            unfinished = Path(scratch) / folder.name
            done = run_within(
                DOWNLOAD_DEADLINE_S, [*command, *pip_options, "--dest", str(unfinished), *wanted]
            )
            if done.returncode:
                raise UnreachableError(
                    f"aarch64 wheels cannot be downloaded: {last_words(done.stderr)}"
                )
            unfinished.rename(folder)
    return sorted(folder.glob("*.whl"))


def _library(wheels: Iterable[Path]) -> dict[str, bytes]:
    files = {}
    for wheel in wheels:
        for name, content in _unpacked(wheel).items():
            if ".data/" in name:
                raise FlashError(
                    f"{wheel.name} holds {name}, which unpacking does not put in its place"
                )
            if not any(part in f"/{name}" for part in DROPPED):
                files[f"lib/{name}"] = content
    return files


def _unpacked(wheel: Path) -> dict[str, bytes]:
    """Every file in it."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            return {
                entry.filename: archive.read(entry)
                for entry in archive.infolist()
                if not entry.is_dir()
            }
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        ValueError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise FlashError(
            f"{wheel} is damaged ({error}); delete {wheel.parent} to have it downloaded again"
        ) from None


def write_archive(path: Path, files: Mapping[str, bytes]) -> None:
    """A tar.gz of files for everybody to read; names and contents alone decide its bytes."""
    with (
        durable.whole(path) as unfinished,
        unfinished.open("wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        for name, content in sorted((_folders(files) | dict(files)).items()):
            entry = tarfile.TarInfo(name)
            entry.mtime = EPOCH_S
            entry.type = tarfile.REGTYPE if content is not None else tarfile.DIRTYPE
            entry.mode = 0o644 if content is not None and not name.endswith(".sh") else 0o755
            entry.size = len(content or b"")
            archive.addfile(entry, io.BytesIO(content or b""))


def _folders(files: Iterable[str]) -> dict[str, None]:
    return {
        parent.as_posix(): None for name in files for parent in Path(name).parents if parent.name
    }


def unpack(archive: Path, folder: Path) -> None:
    """As `tar -x` on the node does it."""
    folder.mkdir(parents=True)
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    for path in folder.rglob("*"):
        path.chmod(path.stat().st_mode | stat.S_IRGRP | stat.S_IROTH)
