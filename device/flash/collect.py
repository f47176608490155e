"""Collect: pictures that a node kept are fetched, over SSH or from a folder: a card in a reader, a
copied state folder.

What is here already is not fetched again, and what is broken off goes on where it was. On the node
nothing is changed unless that is asked for, and then only what is whole here goes.
"""

import io
import os
import shlex
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from device.flash.deploy import Node
from device.flash.settings import ON_NODE
from device.flash.tools import FlashError
from link.album import FOLDER, MAX_KEPT_BYTES, TornError, from_bytes, is_file_name
from link.base import durable

CARD = Path(ON_NODE["state_dir"]).relative_to("/")
"A flashed node's state folder, from the root of its card."
BATCH_BYTES = 8 << 20
"What one call fetches: so much at most is fetched twice when a connection breaks off."
SECRET, PRIVATE = 0o600, 0o700


class Place(Protocol):
    """Where pictures lie that a node kept."""

    def sizes(self) -> dict[str, int]:
        """What there is, by name, in bytes; FlashError."""

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Those of them that are still there; FlashError."""

    def remove(self, names: Sequence[str]) -> None:
        """Take them away; FlashError."""


@dataclass(frozen=True)
class Fetched:
    """What became of it."""

    names: tuple[str, ...]
    "New here."
    n_known: int
    n_torn: int
    "Among the new ones: a power cut on the node."


@dataclass(frozen=True)
class OverSsh:
    """A node that runs. `folder`: its state folder."""

    node: Node
    folder: str = ON_NODE["state_dir"]

    def sizes(self) -> dict[str, int]:
        listed = self._sh('find . -maxdepth 1 -type f -exec stat -c "%n %s" {} +')
        lines = listed.decode(errors="replace").splitlines()
        found = dict(line.removeprefix("./").rsplit(" ", 1) for line in lines if " " in line)
        return {name: int(size) for name, size in found.items() if size.isdigit()}

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        # what the ring overwrote meanwhile is missing, and no fault
        packed = self._sh("tar -cf - -T - 2>/dev/null || true", names)
        try:
            with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
                for member in archive:
                    if (file := archive.extractfile(member)) is not None:
                        yield member.name, file.read()
        except tarfile.TarError as error:
            raise FlashError(f"{self.node.address}: what came is no archive ({error})") from None

    def remove(self, names: Sequence[str]) -> None:
        self._sh("xargs rm -f --", names)

    def _sh(self, command: str, lines: Sequence[str] = ()) -> bytes:
        """What a command prints in the folder of pictures, of which the names go to its input."""
        folder = f"{self.node.root}{self.folder}/{FOLDER}"
        none = f"{folder} is not there: this node keeps no pictures; add [collect] to its node.toml"
        quoted = shlex.quote(folder)
        work = f"test -d {quoted} || {{ echo {shlex.quote(none)} >&2; exit 1; }}; cd {quoted} && "
        script = shlex.join(["sh", "-c", work + command])
        may_read = f'[ "$(id -u)" = 0 ] || [ -r {quoted} ]'
        return self.node.output(
            f"if {may_read}; then exec {script}; else exec sudo -n {script}; fi",
            "".join(f"{line}\n" for line in lines).encode(),
        )


@dataclass(frozen=True)
class InFolder:
    """A folder here, in which a node's pictures lie as they did on its card."""

    folder: Path

    @classmethod
    def below(cls, path: Path) -> "InFolder":
        """That folder itself, a state folder, or the root of a card; FlashError."""
        for one in (path / CARD / FOLDER, path / FOLDER, path):
            try:
                if one.is_dir() and (one is not path or any(map(is_file_name, os.listdir(one)))):
                    return cls(one)
            except OSError as error:
                raise _unreadable(one, error) from None
        raise FlashError(
            f"no node kept pictures in {path}; give the state folder of a node that has [collect] "
            f"in its node.toml, or the root of its card, in which {CARD / FOLDER} lies"
        )

    def sizes(self) -> dict[str, int]:
        try:
            return {one.name: one.stat().st_size for one in os.scandir(self.folder)}
        except OSError as error:
            raise _unreadable(self.folder, error) from None

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        for name in names:
            try:
                yield name, (self.folder / name).read_bytes()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise _unreadable(self.folder / name, error) from None

    def remove(self, names: Sequence[str]) -> None:
        for name in names:
            try:
                (self.folder / name).unlink(missing_ok=True)
            except OSError as error:
                raise FlashError(
                    f"{self.folder / name} cannot be removed ({error.strerror})"
                ) from None


def place_of(text: str, options: Sequence[str] = ()) -> Place:
    """A folder here, or a node as ssh takes it; ADDRESS:/FOLDER names its state folder."""
    if text and Path(text).is_dir():
        return InFolder.below(Path(text))
    if "/" in text.partition(":/")[0] or not text or text.startswith("-"):
        raise FlashError(f"there is no folder {text!r}; give one, or a node's address")
    address, _, folder = text.partition(":/")
    return (
        OverSsh(Node(address, options), f"/{folder}") if folder else OverSsh(Node(address, options))
    )


def fetch(place: Place, into: Path, show: Callable[[float], None] = lambda share: None) -> Fetched:
    """Every picture that is not here yet; `show` is told the share done. FlashError, after which
    the same call goes on.
    """
    durable.make_folder(into.parent, PRIVATE)
    durable.make_folder(into, PRIVATE)
    sizes = {
        name: size
        for name, size in place.sizes().items()
        if is_file_name(name) and 0 < size <= MAX_KEPT_BYTES
    }
    wanted = sorted(name for name in sizes if not (into / name).exists())
    n_bytes, n_done, n_torn = sum(map(sizes.__getitem__, wanted)), 0, 0
    new: list[str] = []
    for batch in _batches(wanted, sizes):
        for name, content in place.read(batch):
            if name not in batch:
                continue
            _write(into / name, content)
            new.append(name)
            n_torn += is_torn(content)
        n_done += sum(map(sizes.__getitem__, batch))
        show(n_done / n_bytes)
    return Fetched(tuple(new), len(sizes) - len(wanted), n_torn)


def remove_fetched(place: Place, into: Path) -> int:
    """Take away from the node what is whole here; how many that are."""
    here = (name for name in place.sizes() if is_file_name(name) and (into / name).is_file())
    names = [name for name in here if not is_torn((into / name).read_bytes())]
    os.sync()
    for first in range(0, len(names), 1000):
        place.remove(names[first : first + 1000])
    return len(names)


def is_torn(content: bytes) -> bool:
    try:
        from_bytes(content)
    except TornError:
        return True
    return False


def _batches(names: Sequence[str], sizes: dict[str, int]) -> Iterator[list[str]]:
    batch: list[str] = []
    for name in names:
        if batch and sum(map(sizes.__getitem__, batch)) + sizes[name] > BATCH_BYTES:
            yield batch
            batch = []
        batch.append(name)
    if batch:
        yield batch


def _write(path: Path, content: bytes) -> None:
    try:
        with durable.whole(path) as unfinished:
            unfinished.touch(SECRET)
            unfinished.write_bytes(content)
    except OSError as error:
        raise FlashError(
            f"{path} cannot be written ({error.strerror}); the same command goes on from there"
        ) from None


def _unreadable(path: Path, error: OSError) -> FlashError:
    return FlashError(
        f"{path} cannot be read ({error.strerror}); a card's files belong to its node's account: "
        "copy them with sudo, or fetch over SSH"
    )
