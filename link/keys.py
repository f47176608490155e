"""Keys: what a node must keep so that its seal stays a seal.

    node.key       the node's master key in hex, readable by its owner only; the host is given the same key
    counter.json   the first packet counter that is certainly unused

A counter used twice would break the seal. So counters are reserved in blocks: the end of the block is on the
disk before the first of it is used, and a node that lost its power continues at that end. A node whose state
is missing or damaged does not speak (that it could announce a fresh boot and continue is left to HELLO).
"""

import fcntl
import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

KEY_FILE = "node.key"
COUNTER_FILE = "counter.json"
KEY_BYTES = 16
MAX_NODE = 254
"Node 0 means all nodes and 255 is kept for longer numbers."

COUNTER_END = 1 << 48
BLOCK = 64
STATE_FORMAT = 1


START_ANEW = (
    f"remove {KEY_FILE} and {COUNTER_FILE}, "
    "provision the node (python -m link provision) and give its new key to the host"
)


class KeyStateError(ValueError):
    """Key or counter cannot be used; the message says which file and what to do."""


@dataclass(frozen=True)
class NodeKey:
    """A node's number and master key."""

    node: int
    key: bytes = field(repr=False)

    @property
    def hex(self) -> str:
        """As node.key and a host's configuration hold it."""
        return self.key.hex()


def provision(folder: Path | str, node: int) -> NodeKey:
    """Make a key for a new node and write its two files; refuses to replace a key that is there."""
    folder = Path(folder)
    if not 1 <= node <= MAX_NODE:
        raise KeyStateError(f"node is {node}, a node has a number from 1 to {MAX_NODE}")
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / KEY_FILE).exists():
        raise KeyStateError(f"{folder} already holds a {KEY_FILE}; to replace it {START_ANEW}")
    made = NodeKey(node, secrets.token_bytes(KEY_BYTES))
    _write_durably(folder / COUNTER_FILE, _state(node, 0), mode=0o644)
    _write_durably(folder / KEY_FILE, made.hex + "\n", mode=0o600)
    return made


def parse_key(text: str, origin: str) -> bytes:
    """A master key from its hex digits; `origin` names where they stand."""
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise KeyStateError(f"{origin} holds no key: {2 * KEY_BYTES} hex digits are expected; provision the node anew")
    return key


def read_key(folder: Path | str) -> NodeKey:
    """The key and number of the node provisioned in `folder`."""
    folder = Path(folder)
    key = parse_key(_read(folder, KEY_FILE), origin=str(folder / KEY_FILE))
    node, _ = _read_state(folder)
    return NodeKey(node, key)


class CounterStore:
    """Counters that never repeat, whatever happens to the process; one process at a time holds a folder."""

    def __init__(self, folder: Path | str) -> None:
        self._folder = Path(folder)
        self._lock = _lock(self._folder)
        try:
            self.node, self._next = _read_state(self._folder)
        except KeyStateError:
            self.close()
            raise
        self._reserved_end = self._next

    def next(self) -> int:
        """A counter never given before. Raises OSError and gives none when a block cannot be stored."""
        if self._next == self._reserved_end:
            self._reserve()
        self._next += 1
        return self._next - 1

    def close(self) -> None:
        """Let another process have the folder; writes nothing, so a kill leaves the same behind."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> "CounterStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _reserve(self) -> None:
        if self._lock < 0:
            raise KeyStateError(f"counters of {self._folder} were closed; open them again")
        end = self._reserved_end + BLOCK
        if end > COUNTER_END:
            raise KeyStateError(f"node {self.node} has used all of its counters; provision it anew with a new key")
        _write_durably(self._folder / COUNTER_FILE, _state(self.node, end), mode=0o644)
        self._reserved_end = end


def _state(node: int, next_counter: int) -> str:
    return json.dumps({"format": STATE_FORMAT, "node": node, "next_counter": next_counter}) + "\n"


def _read_state(folder: Path) -> tuple[int, int]:
    text = _read(folder, COUNTER_FILE)
    try:
        state = json.loads(text)
        stored_format, node, next_counter = state["format"], state["node"], state["next_counter"]
        if (stored_format, type(node), type(next_counter)) != (STATE_FORMAT, int, int):
            raise ValueError(f"unexpected content {text.strip()[:80]}")
        if not (1 <= node <= MAX_NODE and 0 <= next_counter <= COUNTER_END):
            raise ValueError(f"node {node} with counter {next_counter}")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise KeyStateError(
            f"{folder / COUNTER_FILE} is damaged ({error}); a counter must never be used twice with one key, "
            f"so this node does not speak: {START_ANEW}"
        ) from error
    return node, next_counter


def _read(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="ascii")
    except FileNotFoundError as error:
        raise KeyStateError(f"{folder / name} is missing, so this node does not speak: {START_ANEW}") from error
    except UnicodeDecodeError as error:
        raise KeyStateError(f"{folder / name} is damaged, so this node does not speak: {START_ANEW}") from error


def _lock(folder: Path) -> int:
    """Held until it is closed or the process ends, however it ends."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise KeyStateError(
            f"{folder} does not exist; provision the node there first (python -m link provision)"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise KeyStateError(f"another process already speaks with the key in {folder}; end it first") from error
    return descriptor


def _write_durably(path: Path, text: str, mode: int) -> None:
    """Replace a file so that after a power cut either the old or the new one is there, whole."""
    unfinished = path.with_name(path.name + ".part")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
