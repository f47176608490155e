"""Keys: what a node must keep so that its seal stays a seal.

    node.key       the node's master key in hex, readable by its owner only; the host is given the
                   same key
    counter.json   the first packet counter that is certainly unused

Counters are reserved in blocks: the end of the block is on the disk before the first of it is used,
and a node that lost its power continues at that end, so counters never repeat and tell a node's
sessions and images apart in their order. The first block of a start is short, and what an orderly
end leaves of the last is given back, so that few are wasted. A file that is missing or damaged is
set aside and counting begins anew, as for a new node, at the time of day: above all that was used,
where the clock is right. Only that the host listens at once hangs on the clock: each start seals
with a key of its own (link.security.seal), and the host tells a node whose counters fell back where
to go on. A node without its key does not speak.
"""

import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from link.base import durable
from link.base.lock import FolderLock, HeldError

KEY_FILE = "node.key"
COUNTER_FILE = "counter.json"
KEY_BYTES = 16
MAX_NODE = 254
"Node 0 means all nodes and 255 is kept for longer numbers."

COUNTER_END = 1 << 48
FIRST_BLOCK, BLOCK = 4, 64
"Counters in the first block of a start; each further one has twice as many, up to so many."
PASSED_BLOCK = 256
"Counters that are passed over at once on the disk where others use them."
TIME_SHIFT = 16
"""Counting begins at Unix seconds times 2**16: nothing uses as many in a second, and 48 bits last
until 2106.
"""
EARLIEST_UNIX_S, LATEST_UNIX_S = 1_704_067_200, 4_102_444_800
"2024 and 2100. A clock that says less or more has not been set since the machine was started."
LOST_BEGIN = 1 << 20
"Below this, at random, counting begins where the clock says nothing."
STATE_FORMAT = 2


START_ANEW = (
    f"remove {KEY_FILE} and {COUNTER_FILE}, "
    "provision the node (python -m link provision) and give its new key to the host"
)


class KeyStateError(ValueError):
    """Key or counter cannot be used; the message says which file and what to do."""


class KeyHeldError(KeyStateError):
    """Another process speaks with the key."""


class CounterStateError(KeyStateError):
    """The counter's file is missing or damaged; who knows the node's number can begin anew all the
    same.
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}; {START_ANEW}")
        self.what = what


@dataclass(frozen=True)
class NodeKey:
    """A node's number and master key."""

    node: int
    key: bytes = field(repr=False)

    @property
    def hex(self) -> str:
        """As node.key and a host's configuration hold it."""
        return self.key.hex()


def provision(
    folder: Path | str, node: int, begin: int | None = None, key: bytes | None = None
) -> NodeKey:
    """Make a key for a new node and write its two files; refuses to replace a key that is there.
    `key`: of the team whose member it is, so that nothing is made but the counter.

    Counting begins at `begin`, else where the time of day says, and never below what the folder has
    counted already. An empty file is no key: the disk was full when it was made.
    """
    folder = Path(folder)
    if not 1 <= node <= MAX_NODE:
        raise KeyStateError(f"node is {node}, a node has a number from 1 to {MAX_NODE}")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (folder / KEY_FILE).exists() and (folder / KEY_FILE).stat().st_size:
        raise KeyStateError(f"{folder} already holds a {KEY_FILE}; to replace it {START_ANEW}")
    begin = begin_counter(time.time()) if begin is None else begin
    made = NodeKey(node, key or secrets.token_bytes(KEY_BYTES))
    durable.write_state(folder / COUNTER_FILE, _state(node, max(begin, _stored_counter(folder))))
    durable.write(folder / KEY_FILE, made.hex + "\n", mode=0o600)
    return made


def begin_counter(unix_s: float) -> int:
    """Where a node begins to count that has no counter, when its clock says unix_s; its low bits
    are random.
    """
    if not EARLIEST_UNIX_S <= unix_s < LATEST_UNIX_S:
        return secrets.randbelow(LOST_BEGIN)
    return (int(unix_s) << TIME_SHIFT) + secrets.randbelow(1 << TIME_SHIFT)


def _stored_counter(folder: Path) -> int:
    """The counter of a node that was here before; 0 where there was none."""
    with suppress(CounterStateError):
        return _read_state(folder)[1]
    return 0


def parse_key(text: str, origin: str) -> bytes:
    """A master key from its hex digits; `origin` names where they stand. Editors may have put a
    mark before them.
    """
    try:
        key = bytes.fromhex(text.removeprefix("\ufeff").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise KeyStateError(
            f"{origin} holds no key: {2 * KEY_BYTES} hex digits are expected; provision the node "
            "anew"
        )
    return key


def read_key(folder: Path | str) -> NodeKey:
    """The key and number of the node provisioned in `folder`."""
    folder = Path(folder)
    key = read_master_key(folder)
    node, _ = _read_state(folder)
    return NodeKey(node, key)


class CounterStore:
    """Counters that never repeat, whatever happens to the process; one process at a time holds a
    folder.
    """

    def __init__(self, folder: Path | str, node: int | None = None) -> None:
        """With the node's number given, a missing or damaged file is no reason to be silent: see
        `notice`.

        Raises KeyStateError when the folder is another node's, is held by another process or cannot
        be used.
        """
        self._folder = Path(folder)
        self._turn = Lock()
        self.notice: str | None = None
        "What had to be done about the file, in a sentence."
        self._lock = _lock(self._folder)
        try:
            self.node, self._next = self._read(node)
        except BaseException:
            self._lock.close()
            raise
        self._reserved_end = self._stored = self._next
        self._block = min(FIRST_BLOCK, BLOCK)

    def next(self) -> int:
        """A counter never given before. Raises OSError and gives none when a block cannot be
        stored.
        """
        with self._turn:
            if self._next == self._reserved_end:
                self._reserve()
            self._next += 1
            return self._next - 1

    def advance_to(self, counter: int) -> None:
        """Give no counter below this one any more; on the disk with the next block."""
        if not 0 <= counter < COUNTER_END:
            raise KeyStateError(
                f"node {self.node} cannot go on at counter {counter}; provision it anew with a new "
                "key"
            )
        with self._turn:
            self._next = max(self._next, counter)
            self._reserved_end = max(self._reserved_end, self._next)

    @property
    def unused(self) -> int:
        """The first that was neither given nor passed over."""
        return self._next

    def pass_over(self, counter: int) -> None:
        """As advance_to, and so that a start after this one goes on above it too: on the disk well
        before it is due. OSError when it cannot be stored; it counts for this start all the same.
        """
        self.advance_to(counter)
        with self._turn:
            if counter > self._stored - PASSED_BLOCK // 2 and self._lock.is_held:
                self._store(min(counter + PASSED_BLOCK, COUNTER_END))
                self._reserved_end = self._stored

    def close(self) -> None:
        """Give back what is left of the block, and let another process have the folder."""
        with self._turn:
            if self._lock.is_held and self._next < self._stored:
                with suppress(OSError):  # a kill leaves the same behind
                    self._store(self._next)
            self._lock.close()

    def __enter__(self) -> "CounterStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, node: int | None) -> tuple[int, int]:
        path = self._folder / COUNTER_FILE
        try:
            stored_node, next_counter = _read_state(self._folder)
        except CounterStateError as error:
            if node is None:
                raise
            read_master_key(self._folder)  # where there is no key, no node was provisioned
            kept = f"; it is now {durable.set_aside(path).name}" if path.exists() else ""
            begin = begin_counter(time.time())
            self.notice = f"{error.what}{kept}, and node {node} counts on from {begin}"
            return node, begin
        if node not in (None, stored_node):
            raise KeyStateError(
                f"{path} is for node {stored_node}, not {node}: give each node its own folder of "
                "keys"
            )
        return stored_node, next_counter

    def _reserve(self) -> None:
        if not self._lock.is_held:
            raise KeyStateError(f"counters of {self._folder} were closed; open them again")
        end = min(self._next + self._block, COUNTER_END)
        if end == self._next:
            raise KeyStateError(
                f"node {self.node} has used all of its counters; provision it anew with a new key"
            )
        try:
            self._store(end)
        except OSError as error:
            path, remedy = (
                self._folder / COUNTER_FILE,
                "free some space, or make its folder writable",
            )
            raise OSError(
                f"{path} cannot be written ({error}), so nothing is sent; {remedy}"
            ) from error
        self._reserved_end = end
        self._block = min(2 * self._block, BLOCK)

    def _store(self, next_counter: int) -> None:
        durable.write_state(self._folder / COUNTER_FILE, _state(self.node, next_counter))
        self._stored = next_counter


def _state(node: int, next_counter: int) -> dict[str, int]:
    return {"format": STATE_FORMAT, "node": node, "next_counter": next_counter}


def _read_state(folder: Path) -> tuple[int, int]:
    path = folder / COUNTER_FILE
    try:
        state = durable.read_state(path, STATE_FORMAT)
        node, next_counter = state["node"], state["next_counter"]
        if (type(node), type(next_counter)) != (int, int):
            raise ValueError("unexpected content")
        if not (1 <= node <= MAX_NODE and 0 <= next_counter <= COUNTER_END):
            raise ValueError(f"node {node} with counter {next_counter}")
    except FileNotFoundError:
        raise CounterStateError(f"{path} is missing") from None
    except (ValueError, KeyError) as error:
        raise CounterStateError(f"{path} is damaged ({error})") from error
    except OSError as error:
        raise KeyStateError(
            f"{path} cannot be read ({error.strerror}), so this node does not speak"
        ) from None
    return node, next_counter


def read_master_key(folder: Path | str) -> bytes:
    """The key of the node provisioned in `folder`, 16 bytes."""
    path = Path(folder) / KEY_FILE
    try:
        return parse_key(durable.read_small(path).decode("utf-8"), origin=str(path))
    except FileNotFoundError:
        raise KeyStateError(
            f"{path} is missing, so this node does not speak: {START_ANEW}"
        ) from None
    except UnicodeDecodeError:
        raise KeyStateError(
            f"{path} is damaged, so this node does not speak: {START_ANEW}"
        ) from None
    except OSError as error:
        raise KeyStateError(
            f"{path} cannot be read ({error.strerror}), so this node does not speak"
        ) from None


def _lock(folder: Path) -> FolderLock:
    try:
        return FolderLock(folder)
    except HeldError:
        raise KeyHeldError(
            f"another process already speaks with the key in {folder}; end it first"
        ) from None
    except (FileNotFoundError, NotADirectoryError) as error:
        raise KeyStateError(
            f"{folder} does not exist; provision the node there first (python -m link provision)"
        ) from error
    except OSError as error:
        raise KeyStateError(
            f"{folder} cannot be used ({error.strerror}), so this node does not speak"
        ) from None
